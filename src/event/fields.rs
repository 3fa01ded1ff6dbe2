//! Named values of an event or span.

use super::last::{self, LastPlaces, has_repeated};
use super::{Name, plain_name};
use crate::sync::OnceBox;
use crate::value::{Entries, PackedBytes, PackedEntry, Value, ValueRef};
use smallvec::SmallVec;
use std::fmt;
use tracing_core::field::FieldSet;

/// Named values in the order they were recorded.
///
/// A producer packs them into a run of bytes, which is cheap, small, and can be overwritten by the next event. [`Value`]s
/// are built when a reader asks for one. Fields read back from JSON are values from the start.
#[derive(Default)]
pub(crate) struct Fields {
    /// The names of packed values.
    names: Option<&'static FieldSet>,
    packed: PackedBytes,
    listed: OnceBox<Listed>,
}

/// The values one by one, made when they are first asked for.
#[derive(Clone, Debug, Default)]
struct Listed {
    values: Vec<(Name, Value)>,
    /// The text of a message that is not text itself, for `CapturedEvent::message` to lend.
    message: Option<Box<str>>,
}

impl Fields {
    /// The name of the field that an event says first.
    pub(crate) const MESSAGE: &'static str = "message";

    /// No values yet, of fields with these names.
    pub(crate) fn named(names: &'static FieldSet) -> Self {
        Self { names: Some(names), ..Self::default() }
    }

    /// Values that were packed before.
    pub(crate) fn of_packed(names: &'static FieldSet, packed: &[u8]) -> Self {
        Self { names: Some(names), packed: PackedBytes::copied(packed), listed: OnceBox::new() }
    }

    /// Values that were just packed.
    pub(crate) fn packed_as(names: &'static FieldSet, packed: PackedBytes) -> Self {
        Self { names: Some(names), packed, listed: OnceBox::new() }
    }

    /// These values, as they were read back.
    pub(crate) fn listed(values: Vec<(Name, Value)>) -> Self {
        let fields = Self::default();
        let _ = fields.listed.set(Box::new(Listed::new(values)));
        fields
    }

    /// Whether these are packed values of fields with these very names.
    pub(super) fn are_named(&self, names: &'static FieldSet) -> bool {
        self.names.is_some_and(|own| std::ptr::eq(own, names))
    }

    /// Drops all values and starts with other names, in the same memory.
    pub(crate) fn restart(&mut self, names: &'static FieldSet) {
        self.names = Some(names);
        self.packed.clear();
        self.forget_values();
    }

    /// Drops the values built for a reader. The packed ones stay.
    pub(crate) fn forget_values(&mut self) {
        if self.names.is_some() && self.listed.get().is_some() {
            self.listed = OnceBox::new();
        }
    }

    /// Appends the value of the field at this place among the names.
    #[inline(always)]
    pub(crate) fn push(&mut self, index: usize, value: ValueRef<'_>) {
        self.packed.push(index, value);
    }

    /// Sets fields of the same callsite to new values, each in the place of the old one if there is one. Returns the
    /// values that were replaced.
    pub(crate) fn set_all(&mut self, recorded: &Self) -> Vec<Value> {
        self.forget_values();
        let old = std::mem::take(&mut self.packed);
        let news: SmallVec<[_; 8]> = recorded.entries().collect();
        let last_places = LastPlaces::of(news.iter().map(|(name, _)| *name));
        let mut is_set: SmallVec<[bool; 8]> = news.iter().map(|_| false).collect();
        let mut replaced = Vec::new();
        // Each value is copied once, however many are recorded.
        for (name, entry) in named_entries(self.names, old.as_slice()) {
            match last_places.find(name) {
                None => self.packed.pack(entry.index, entry.value()),
                Some(last) => {
                    replaced.push(entry.value().to_value());
                    if !std::mem::replace(&mut is_set[last], true) {
                        self.packed.pack(news[last].1.index, news[last].1.value());
                    }
                }
            }
        }
        for (name, _) in &news {
            let last = last_places.find(name).unwrap_or_default();
            if !std::mem::replace(&mut is_set[last], true) {
                self.packed.pack(news[last].1.index, news[last].1.value());
            }
        }
        replaced
    }

    /// Keeps only the last value of a name that was recorded more than once, where the first was.
    pub(crate) fn keep_last(&mut self) {
        if has_repeated(self.names()) {
            let recorded = std::mem::take(self);
            self.names = recorded.names;
            self.set_all(&recorded);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        self.entries().map(|(name, entry)| (name, entry.value())).chain(self.listed_alone().flat_map(Listed::iter))
    }

    /// The fields of the names that are wanted: no other value is looked at.
    #[inline]
    pub(crate) fn named_by(&self, wanted: impl Fn(&str) -> bool + Copy) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        let packed = self.entries().filter(move |(name, _)| wanted(name)).map(|(name, entry)| (name, entry.value()));
        packed.chain(self.listed_alone().flat_map(Listed::iter).filter(move |(name, _)| wanted(name)))
    }

    /// The names alone, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let listed = self.listed_alone().flat_map(Listed::iter);
        self.entries().map(|(name, _)| name).chain(listed.map(|(name, _)| name))
    }

    fn entries(&self) -> impl Iterator<Item = (&'static str, PackedEntry<'_>)> {
        named_entries(self.names, self.packed.as_slice())
    }

    /// The packed values.
    pub(crate) fn packed(&self) -> &PackedBytes {
        &self.packed
    }

    /// The values that were never packed.
    fn listed_alone(&self) -> impl Iterator<Item = &Listed> {
        let listed = if self.names.is_some() { None } else { self.listed.get() };
        listed.into_iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// The fields that no later one of the same name replaces: what people are shown.
    pub(crate) fn last_values(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        let places = LastPlaces::of(self.entries().map(|(name, _)| name));
        let entries = self.entries().enumerate();
        let packed = entries.filter(move |(place, (name, _))| places.find(name) == Some(*place));
        let packed = packed.map(|(_, (name, entry))| (name, entry.value()));
        packed.chain(self.listed_alone().flat_map(Listed::last_values))
    }

    /// The last value of a name.
    pub(crate) fn last(&self, name: &str) -> Option<ValueRef<'_>> {
        let packed = self.entries().filter(|(key, _)| *key == name).last().map(|(_, entry)| entry.value());
        packed.or_else(|| self.listed_alone().flat_map(Listed::iter).filter(|(key, _)| *key == name).last()?.1.into())
    }

    /// The values as they are shown to users of this crate, made when first asked for.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = (&str, &Value)> {
        self.list().values.iter().map(|(name, value)| (name.as_ref(), value))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values().rev().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The text of the message; empty if there is none.
    pub(crate) fn message(&self) -> &str {
        match self.last(Self::MESSAGE) {
            Some(ValueRef::Str(text) | ValueRef::Debug(text) | ValueRef::Error(text)) => text.text,
            Some(_) => self.list().message.as_deref().unwrap_or_default(),
            None => "",
        }
    }

    fn list(&self) -> &Listed {
        let name = |name: &str| Name::Owned(name.to_owned());
        let values = || self.iter().map(|(key, value)| (name(key), value.to_value())).collect();
        self.listed.get_or_init(|| Box::new(Listed::new(values())))
    }

    /// Bytes held in addition to this struct, without values built for readers.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.packed.heap_bytes()
    }
}

/// Packed values with their names, where those are known.
#[inline]
pub(super) fn named_entries<'a>(
    names: Option<&'static FieldSet>,
    packed: &'a [u8],
) -> impl Iterator<Item = (&'static str, PackedEntry<'a>)> {
    let mut names = names.map(Names::new);
    Entries(packed).filter_map(move |entry| Some((names.as_mut()?.find(entry.index)?, entry)))
}

/// Finds names by their places, which mostly come in order.
pub(super) struct Names {
    all: &'static FieldSet,
    rest: tracing_core::field::Iter,
    next: u16,
    /// All of them, where many are asked for out of order.
    listed: Option<Box<[&'static str]>>,
}

/// More names than this are listed, rather than gone through once more, where one is asked for out of order.
const FEW: usize = 32;

impl Names {
    pub(super) fn new(all: &'static FieldSet) -> Self {
        Self { all, rest: all.iter(), next: 0, listed: None }
    }

    #[inline]
    pub(super) fn find(&mut self, index: u16) -> Option<&'static str> {
        if index != self.next {
            return self.seek(index);
        }
        self.next = index.saturating_add(1);
        Some(plain_name(self.rest.next()?.name()))
    }

    #[cold]
    fn seek(&mut self, index: u16) -> Option<&'static str> {
        if index < self.next && self.all.len() > FEW {
            return self.listed().get(usize::from(index)).copied();
        }
        if index < self.next {
            (self.rest, self.next) = (self.all.iter(), 0);
        }
        (self.next..index).for_each(|_| last::count_step());
        let field = self.rest.nth(usize::from(index - self.next))?;
        self.next = index.saturating_add(1);
        Some(plain_name(field.name()))
    }

    fn listed(&mut self) -> &[&'static str] {
        let list = || self.all.iter().inspect(|_| last::count_step()).map(|field| plain_name(field.name())).collect();
        self.listed.get_or_insert_with(list)
    }
}

impl Listed {
    fn new(values: Vec<(Name, Value)>) -> Self {
        let message = values.iter().rfind(|(name, _)| name == Fields::MESSAGE).map(|(_, value)| value);
        let message = message.filter(|value| value.as_str().is_none()).map(|value| value.to_string().into());
        Self { values, message }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        self.values.iter().map(|(name, value)| (name.as_ref(), value.view()))
    }

    fn last_values(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        let places = LastPlaces::of(self.values.iter().map(|(name, _)| name.as_ref()));
        let is_last = move |place: usize, name: &str| places.find(name) == Some(place);
        self.iter().enumerate().filter_map(move |(place, field)| is_last(place, field.0).then_some(field))
    }
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        match (self.names, self.listed.get()) {
            (None, Some(listed)) => Self::listed(listed.values.clone()),
            _ => Self { names: self.names, packed: self.packed.clone(), listed: OnceBox::new() },
        }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::last::STEPS;
    use super::*;
    use crate::event::KeptFields;

    fn names(count: usize) -> &'static FieldSet {
        let callsite = tracing_core::Callsite::metadata(tracing::callsite! {
            name: "span", kind: tracing::metadata::Kind::SPAN, fields:
        });
        let names = (0..count).map(|number| &*format!("f{number}").leak()).collect::<Vec<_>>().leak();
        Box::leak(Box::new(FieldSet::new(names, callsite.callsite())))
    }

    /// Values of all fields, the last field first.
    fn backwards(names: &'static FieldSet) -> Fields {
        let mut fields = Fields::named(names);
        (0..names.len()).rev().for_each(|place| fields.push(place, ValueRef::U64(place as u64)));
        fields
    }

    /// How many names are looked at in everything that is done with the fields of a span.
    fn steps(count: usize) -> usize {
        let names = names(count);
        let (mut fields, mut kept) = (backwards(names), KeptFields::default());
        STEPS.set(0);
        assert_eq!(fields.set_all(&backwards(names)).len(), count);
        assert!(!has_repeated(fields.names()));
        fields.keep_last();
        kept.set(fields.packed());
        assert_eq!(kept.tested(names, |_| true).count(), count);
        assert_eq!(kept.named_by(names, |_| true).count(), count);
        assert_eq!(fields.last_values().count(), count);
        let first = fields.values().next().map(|(name, value)| (name.to_owned(), value.clone()));
        assert_eq!(first, Some((format!("f{}", count - 1), Value::U64(count as u64 - 1))));
        STEPS.get()
    }

    #[test]
    fn looks_at_names_grow_with_the_number_of_fields() {
        let (some, many) = (steps(500), steps(4_000));
        assert!(many <= 10 * some, "{some} for 500 fields, {many} for 4,000");
    }

    #[test]
    fn a_name_is_found_by_its_place_in_any_order() {
        for count in [3, 32, 33, 70] {
            let mut found = Names::new(names(count));
            for index in [0, 2, 1, count - 1, count, 0, 1, 2, count - 2] {
                let expected = (index < count).then(|| format!("f{index}"));
                assert_eq!(found.find(index as u16), expected.as_deref(), "{index} of {count}");
            }
        }
    }
}
