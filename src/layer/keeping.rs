//! The values of an event on their way into a ring: written as they are visited, texts where they stay.

use super::visit::PANICKED;
use crate::config::Config;
use crate::event::{Fields, plain_name};
use crate::guard::run_user_code;
use crate::past::{EventText, EventValues, Literals};
use crate::value::{TextRef, ValueRef, kept_part};
use std::error::Error;
use std::fmt::{self, Write};
use tracing_core::field::{Field, Visit};

/// Writes the values of an event, in order. Callers hold the [`Guard`](crate::guard::Guard).
pub(super) struct Keeping<'a> {
    pub(super) values: EventValues,
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

    /// Prints a value where it stays.
    fn print(&mut self, place: usize, is_error: bool, value: &dyn fmt::Debug) {
        let Some(text) = self.values.begin_text(place, is_error) else { return };
        let mut writer = Writer { text, max_bytes: self.max_value_bytes, cut: false, has_room: true, literal: None };
        writer.print(value);
        writer.finish();
    }

    /// Prints a message, which mostly is the one that is kept of the callsite: then it is compared as it is printed, and
    /// copied nowhere.
    #[inline]
    fn print_message(&mut self, place: usize, value: &dyn fmt::Debug) {
        let kept_at = self.literals.place(self.key);
        let Some(text) = self.values.begin_text(place, false) else { return };
        let literal = kept_at.filter(|at| *at != 0).map(|at| Literal { at, literals: self.literals, is_it: false });
        let mut writer = Writer { text, max_bytes: self.max_value_bytes, cut: false, has_room: true, literal };
        writer.print(value);
        let is_kept = match &writer.literal {
            Some(literal) => literal.is_it,
            None => kept_at.is_none() && writer.is_whole() && self.literals.keep(self.key, writer.text.as_str()),
        };
        if is_kept {
            writer.text.undo().push_literal(place);
        } else {
            writer.finish();
        }
    }
}

impl Visit for Keeping<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if !self.redacts(field) {
            self.values.push_f64(field.index(), value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if !self.redacts(field) {
            self.values.push_i64(field.index(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if !self.redacts(field) {
            self.values.push_u64(field.index(), value);
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

/// Bounds what is written of one text.
struct Writer<'v> {
    text: EventText<'v>,
    max_bytes: usize,
    cut: bool,
    /// Whether the event had room for all of it so far.
    has_room: bool,
    /// What is kept of the callsite, as long as that may be all there is.
    literal: Option<Literal<'v>>,
}

/// The message that is kept of a callsite.
struct Literal<'v> {
    at: u64,
    literals: &'v Literals,
    /// Whether it was written, and is not in the text.
    is_it: bool,
}

impl Writer<'_> {
    /// Prints a value. What was written until the user's own error is what the value said.
    #[inline]
    fn print(&mut self, value: &dyn fmt::Debug) {
        if run_user_code(|| write!(self, "{value:?}")).is_none() {
            self.literal = None;
            self.cut = false;
            self.text.restart();
            self.has_room = self.text.push(PANICKED);
        }
    }

    /// Whether all that was printed is in the text.
    fn is_whole(&self) -> bool {
        self.has_room && !self.cut
    }

    fn finish(self) {
        if self.has_room { self.text.finish(self.cut) } else { self.text.omit() }
    }

    /// Goes on behind the literal, or without it.
    #[cold]
    fn drop_literal(&mut self) {
        let text = self
            .literal
            .take()
            .filter(|literal| literal.is_it)
            .and_then(|literal| literal.literals.text_at(literal.at));
        self.has_room = text.is_none_or(|text| self.text.push(&text));
    }

    #[inline]
    fn append(&mut self, text: &str) -> fmt::Result {
        if self.cut || !self.has_room {
            return Err(fmt::Error);
        }
        let kept = kept_part(text, self.max_bytes - self.text.len());
        self.has_room = self.text.push(kept);
        self.cut = kept.len() < text.len();
        if self.cut || !self.has_room { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Write for Writer<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some(literal) = &mut self.literal {
            if !literal.is_it && literal.literals.is_at(literal.at, text) {
                literal.is_it = true;
                return Ok(());
            }
            self.drop_literal();
        }
        self.append(text)
    }
}
