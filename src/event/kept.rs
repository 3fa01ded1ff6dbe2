//! The values of a span as they wait to be asked for: in little memory, since every open span holds them.

use super::fields::{Fields, Names, named_entries};
use crate::value::{Entries, PackedBytes, ValueRef};
use tracing_core::field::FieldSet;

/// Packed values of one callsite's fields, whose names the caller keeps.
#[derive(Debug)]
pub(crate) enum KeptFields {
    /// The values of most spans, without an allocation.
    Inline { length: u8, bytes: [u8; INLINE_BYTES] },
    /// All of the values, where they are more than that.
    Spilled(Box<[u8]>),
}

/// With them a span takes one and a half cache lines.
const INLINE_BYTES: usize = 62;

impl KeptFields {
    /// Replaces all values by these. Returns whether nothing had to be allocated for them.
    #[inline]
    pub(crate) fn set(&mut self, packed: &PackedBytes) -> bool {
        let inline = packed.inline_part();
        match inline {
            // All bytes there is room for, since their number is known: that is quicker than to copy those in use.
            Some((length, bytes)) => *self = Self::Inline { length, bytes: *bytes },
            None => *self = Self::of_many(packed),
        }
        inline.is_some()
    }

    #[cold]
    fn of_many(packed: &PackedBytes) -> Self {
        Self::Spilled(packed.as_slice().into())
    }

    /// The fields of the names that are wanted, with their places among the callsite's: no other value is looked at.
    #[inline]
    pub(crate) fn named_by<'a>(
        &'a self,
        names: &'static FieldSet,
        wanted: impl Fn(&str) -> bool + Copy + 'a,
    ) -> impl Iterator<Item = (&'static str, usize, ValueRef<'a>)> + 'a {
        let entries = named_entries(Some(names), self.as_slice());
        entries.filter(move |(name, _)| wanted(name)).map(|(name, entry)| (name, entry.index.into(), entry.value()))
    }

    /// The fields that may be tested, with their names and places among the callsite's.
    #[inline]
    pub(crate) fn tested<'a>(
        &'a self,
        names: &'static FieldSet,
        is_tested: impl Fn(u16) -> bool + 'a,
    ) -> impl Iterator<Item = (&'static str, usize, ValueRef<'a>)> + 'a {
        tested_values(names, self.as_slice(), is_tested)
    }

    /// The same values as fields that can be changed and captured.
    pub(crate) fn to_fields(&self, names: &'static FieldSet) -> Fields {
        Fields::of_packed(names, self.as_slice())
    }

    /// The packed values.
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Self::Spilled(packed) => packed,
        }
    }
}

/// The fields that may be tested, among packed ones, with their names and places among the callsite's.
#[inline]
pub(crate) fn tested_values<'a>(
    names: &'static FieldSet,
    packed: &'a [u8],
    is_tested: impl Fn(u16) -> bool + 'a,
) -> impl Iterator<Item = (&'static str, usize, ValueRef<'a>)> + 'a {
    let mut names = Names::new(names);
    Entries(packed)
        .filter(move |entry| is_tested(entry.index))
        .filter_map(move |entry| Some((names.find(entry.index)?, entry.index.into(), entry.value())))
}

impl Default for KeptFields {
    fn default() -> Self {
        Self::Inline { length: 0, bytes: [0; INLINE_BYTES] }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::value::TextRef;

    fn names() -> &'static FieldSet {
        tracing_core::Callsite::metadata(tracing::callsite! {
            name: "span", kind: tracing::metadata::Kind::SPAN, fields: user, path
        })
        .fields()
    }

    #[test]
    fn values_come_back_however_long_they_are() {
        let mut kept = KeptFields::default();
        for length in [0, 1, 30, 43, 44, 45, 200, 5] {
            let path = "x".repeat(length);
            let mut fields = Fields::named(names());
            fields.push(0, ValueRef::U64(42));
            fields.push(1, ValueRef::Str(TextRef { text: &path, cut: false }));
            let is_inline = kept.set(fields.packed());
            assert_eq!(format!("{:?}", kept.to_fields(names())), format!("{fields:?}"), "{length}");
            assert_eq!(is_inline, fields.packed().as_slice().len() <= INLINE_BYTES);
            let paths: Vec<_> = kept.named_by(names(), |name| name == "path").collect();
            assert!(matches!(&paths[..], [("path", 1, ValueRef::Str(text))] if text.text == path));
        }
    }
}
