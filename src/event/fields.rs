//! Named values of an event or span.

use super::{Name, plain_name};
use crate::value::{Entries, Entry, PackedBytes, Value, ValueRef};
use once_cell::race::OnceBox;
use smallvec::SmallVec;
use std::fmt;
use tracing_core::field::FieldSet;

/// Named values in the order they were recorded.
///
/// A producer packs them into a run of bytes, which costs it little, holds little and can be written over by the next
/// event; [`Value`]s are made of them where somebody asks for one. Those read back are values from the start.
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

    /// These values, as they were read back.
    pub(crate) fn listed(values: Vec<(Name, Value)>) -> Self {
        let fields = Self::default();
        let _ = fields.listed.set(Box::new(Listed::new(values)));
        fields
    }

    /// Starts anew with other names, in the same memory.
    pub(crate) fn restart(&mut self, names: &'static FieldSet) {
        self.names = Some(names);
        self.packed.clear();
        self.forget_values();
    }

    /// Drops the values that were made for somebody who asked; the packed ones stay.
    pub(crate) fn forget_values(&mut self) {
        if self.names.is_some() && self.listed.get().is_some() {
            self.listed = OnceBox::new();
        }
    }

    /// Appends the value of the field at this place among the names.
    #[inline(always)]
    pub(crate) fn push(&mut self, index: usize, value: ValueRef<'_>) {
        // A callsite with more fields than this does not compile in any reasonable time.
        if let Ok(index) = u16::try_from(index) {
            self.packed.pack(index, value);
        }
    }

    /// Sets fields of the same callsite to new values, each in the place of the old one if there is one. Returns the
    /// values that were replaced.
    pub(crate) fn set_all(&mut self, recorded: &Self) -> Vec<Value> {
        self.forget_values();
        let mut replaced = Vec::new();
        for entry in Entries(recorded.packed.as_slice()) {
            let known = self.iter().any(|(name, _)| Some(name) == recorded.name_of(entry));
            if known {
                replaced.extend(self.replace(entry));
            } else {
                self.packed.pack(entry.index, entry.value());
            }
        }
        replaced
    }

    fn replace(&mut self, new: Entry<'_>) -> Vec<Value> {
        let old = std::mem::take(&mut self.packed);
        let mut replaced = Vec::new();
        for entry in Entries(old.as_slice()) {
            if self.name_of(entry) != self.name_of(new) {
                self.packed.pack(entry.index, entry.value());
                continue;
            }
            if replaced.is_empty() {
                self.packed.pack(new.index, new.value());
            }
            replaced.push(entry.value().to_value());
        }
        replaced
    }

    /// Keeps only the last value of a name that was recorded more than once, where the first was.
    pub(crate) fn keep_last(&mut self) {
        if self.has_repeated_name() {
            let recorded = std::mem::take(self);
            self.names = recorded.names;
            self.set_all(&recorded);
        }
    }

    fn has_repeated_name(&self) -> bool {
        let names: SmallVec<[&str; 32]> = self.names().collect();
        names.iter().enumerate().any(|(place, name)| names[place + 1..].contains(name))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        let listed = if self.names.is_some() { None } else { self.listed.get() };
        let packed = Entries(self.packed.as_slice()).filter_map(|entry| Some((self.name_of(entry)?, entry.value())));
        packed.chain(listed.into_iter().flat_map(Listed::iter))
    }

    /// The names alone, in order.
    fn names(&self) -> impl Iterator<Item = &str> {
        let listed = if self.names.is_some() { None } else { self.listed.get() };
        let packed = Entries(self.packed.as_slice()).filter_map(|entry| self.name_of(entry));
        packed.chain(listed.into_iter().flat_map(Listed::iter).map(|(name, _)| name))
    }

    fn name_of(&self, entry: Entry<'_>) -> Option<&'static str> {
        let field = self.names?.iter().nth(usize::from(entry.index))?;
        Some(plain_name(field.name()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// The fields that no later one of the same name replaces: what people are shown.
    pub(crate) fn last_values(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        let is_last = |place: usize, name: &str| self.names().skip(place + 1).all(|later| later != name);
        self.iter().enumerate().filter_map(move |(place, field)| is_last(place, field.0).then_some(field))
    }

    /// The last value of a name.
    pub(crate) fn last(&self, name: &str) -> Option<ValueRef<'_>> {
        self.iter().filter(|(key, _)| *key == name).last().map(|(_, value)| value)
    }

    /// The values as they are shown to users of this crate, made when first asked for.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = (&str, &Value)> {
        self.list().values.iter().map(|(name, value)| (name.as_ref(), value))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values().rev().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The text of the message, empty where there is none.
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

    /// Bytes held beside this struct while nobody has asked for values.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.packed.heap_bytes()
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
