//! The values of an event on their way into a ring: written as they are visited, texts where they stay.

use super::message::Message;
use super::printed::Printed;
use crate::config::Config;
use crate::event::{Fields, plain_name};
use crate::past::{EventValues, Literals};
use crate::value::{TextRef, ValueRef, kept_part};
use std::error::Error;
use std::fmt;
use tracing_core::field::{Field, Visit};

/// Writes the values of an event, in order. Callers hold the [`Guard`](crate::guard::Guard).
pub(super) struct Keeping<'a> {
    pub(super) values: &'a mut EventValues,
    pub(super) literals: &'a Literals,
    /// Names the callsite among the literals.
    pub(super) key: usize,
    pub(super) config: &'a Config,
    pub(super) max_value_bytes: usize,
}

impl Keeping<'_> {
    /// Whether nobody may see the field, which is noted.
    #[inline(always)]
    fn redacts(&mut self, field: &Field) -> bool {
        self.config.redacts_any() && self.redacts_by_name(field)
    }

    #[cold]
    fn redacts_by_name(&mut self, field: &Field) -> bool {
        let is_redacted = self.config.redacts(plain_name(field.name()));
        if is_redacted {
            self.values.push(field.index(), ValueRef::Redacted);
        }
        is_redacted
    }

    fn push(&mut self, field: &Field, value: ValueRef<'_>) {
        if !self.redacts(field) {
            self.values.push(field.index(), value);
        }
    }

    /// Apart and called last, so that a number that is not redacted saves no registers.
    #[cold]
    #[inline(never)]
    fn push_unless_redacted(&mut self, field: &Field, value: ValueRef<'_>) {
        self.push(field, value);
    }

    /// Prints a value where it stays.
    fn print(&mut self, place: usize, is_error: bool, value: &dyn fmt::Debug) {
        let Some(text) = self.values.begin_text(place, is_error) else { return };
        let mut printed = Printed::new(text, self.max_value_bytes);
        printed.print(value);
        printed.finish();
    }

    /// Prints a message, which mostly is the one that is kept of the callsite.
    #[inline]
    fn print_message(&mut self, place: usize, value: &dyn fmt::Debug) {
        match self.literals.place(self.key) {
            Some(at) if at != 0 => {
                Message::new(self.literals, at, self.max_value_bytes).print(place, value, self.values);
            }
            Some(_) => self.print(place, false, value),
            None => self.print_first_message(place, value),
        }
    }

    /// Prints a message of a callsite of which none is kept, and keeps it if there is room for all of it.
    #[inline(never)]
    fn print_first_message(&mut self, place: usize, value: &dyn fmt::Debug) {
        let Some(text) = self.values.begin_text(place, false) else { return };
        let mut printed = Printed::new(text, self.max_value_bytes);
        printed.print(value);
        if printed.whole_text().is_some_and(|text| self.literals.keep(self.key, text)) {
            printed.undo().push_literal(place);
        } else {
            printed.finish();
        }
    }
}

impl Visit for Keeping<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        match self.config.redacts_any() {
            true => self.push_unless_redacted(field, ValueRef::F64(value)),
            false => self.values.push_f64(field.index(), value),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        match self.config.redacts_any() {
            true => self.push_unless_redacted(field, ValueRef::I64(value)),
            false => self.values.push_i64(field.index(), value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match self.config.redacts_any() {
            true => self.push_unless_redacted(field, ValueRef::U64(value)),
            false => self.values.push_u64(field.index(), value),
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.push(field, ValueRef::I128(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push(field, ValueRef::U128(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, ValueRef::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let kept = kept_part(value, self.max_value_bytes);
        self.push(field, ValueRef::Str(TextRef { text: kept, cut: kept.len() < value.len() }));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let kept = &value[..value.len().min(self.max_value_bytes)];
        self.push(field, ValueRef::Bytes { bytes: kept, cut: kept.len() < value.len() });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if !self.redacts(field) {
            self.print(field.index(), true, &format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.redacts(field) {
            return;
        }
        match field.name() == Fields::MESSAGE {
            true => self.print_message(field.index(), value),
            false => self.print(field.index(), false, value),
        }
    }
}
