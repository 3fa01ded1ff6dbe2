//! The values of a span as they wait to be asked for: in little memory, since every open span holds them.

use super::fields::{Fields, named_entries};
use crate::value::ValueRef;
use tracing_core::field::FieldSet;

/// Packed values of one callsite's fields, whose names the caller keeps.
#[derive(Debug)]
pub(crate) struct KeptFields {
    length: u8,
    /// The values of most spans, without an allocation.
    inline: [u8; INLINE_BYTES],
    /// All of the values, where they are more than that.
    spilled: Option<Box<[u8]>>,
}

const INLINE_BYTES: usize = 55;

impl KeptFields {
    /// Replaces all values by these.
    #[inline]
    pub(crate) fn set(&mut self, fields: &Fields) {
        let packed = fields.packed();
        match self.inline.get_mut(..packed.len()) {
            Some(place) => {
                place.copy_from_slice(packed);
                self.length = packed.len() as u8;
                self.spilled = None;
            }
            None => self.spilled = Some(packed.into()),
        }
    }

    /// Whether nothing is allocated.
    #[inline]
    pub(crate) fn is_inline(&self) -> bool {
        self.spilled.is_none()
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

    /// The same values as fields that can be changed and captured.
    pub(crate) fn to_fields(&self, names: &'static FieldSet) -> Fields {
        Fields::of_packed(names, self.as_slice())
    }

    fn as_slice(&self) -> &[u8] {
        self.spilled.as_deref().unwrap_or(&self.inline[..usize::from(self.length)])
    }
}

impl Default for KeptFields {
    fn default() -> Self {
        Self { length: 0, inline: [0; INLINE_BYTES], spilled: None }
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
        for length in [0, 1, 30, 34, 35, 36, 200, 5] {
            let path = "x".repeat(length);
            let mut fields = Fields::named(names());
            fields.push(0, ValueRef::U64(42));
            fields.push(1, ValueRef::Str(TextRef { text: &path, cut: false }));
            kept.set(&fields);
            assert_eq!(format!("{:?}", kept.to_fields(names())), format!("{fields:?}"), "{length}");
            assert_eq!(kept.is_inline(), fields.packed().len() <= INLINE_BYTES);
            let paths: Vec<_> = kept.named_by(names(), |name| name == "path").collect();
            assert!(matches!(&paths[..], [("path", 1, ValueRef::Str(text))] if text.text == path));
        }
    }
}
