//! The message of an event in a ring: mostly the one that is kept of the callsite. Then it is compared as it is printed, and
//! copied nowhere.

use super::printed::Printed;
use crate::guard::run_user_code;
use crate::past::{EventValues, Literals};
use std::fmt::{self, Write};

/// A message that may be the one that is kept of its callsite.
#[derive(Debug)]
pub(super) struct Message<'v> {
    literals: &'v Literals,
    /// Where the one that is kept is.
    kept_at: u64,
    max_bytes: usize,
    /// The place of its field.
    place: usize,
    /// Where it is to go; taken once it is another than the one that is kept.
    values: Option<&'v mut EventValues>,
    /// Whether the one that is kept was printed.
    is_kept: bool,
    /// Another one; `None` if there was no room to begin it, which is counted.
    other: Option<Printed<'v>>,
}

impl<'v> Message<'v> {
    /// One of at most so many bytes, where the message that is kept is expected.
    #[inline]
    pub(super) fn new(literals: &'v Literals, kept_at: u64, max_bytes: usize) -> Self {
        Self { literals, kept_at, max_bytes, place: 0, values: None, is_kept: false, other: None }
    }

    /// Prints a message into the field at this place.
    #[inline]
    pub(super) fn print(mut self, place: usize, value: &dyn fmt::Debug, values: &'v mut EventValues) {
        self.place = place;
        self.values = Some(values);
        let is_printed = run_user_code(|| write!(self, "{value:?}")).is_some();
        match self.values.take() {
            Some(values) if self.is_kept && is_printed => values.push_literal(place),
            values => Self { values, ..self }.finish(is_printed),
        }
    }

    #[inline(never)]
    fn finish(mut self, is_printed: bool) {
        self.begin_other();
        let Some(mut printed) = self.other else { return };
        if !is_printed {
            printed.become_panicked();
        }
        printed.finish();
    }

    #[inline(never)]
    fn go_on(&mut self, text: &str) -> fmt::Result {
        self.begin_other();
        self.other.as_mut().map_or(Err(fmt::Error), |printed| printed.write_str(text))
    }

    /// Goes on behind the message that is kept, or without it.
    #[inline]
    fn begin_other(&mut self) {
        let Some(values) = self.values.take() else { return };
        let text = values.begin_text(self.place, false);
        self.other = text.map(|text| Printed::new(text, self.max_bytes));
        if self.is_kept {
            self.print_kept();
        }
    }

    #[cold]
    fn print_kept(&mut self) {
        let kept = self.literals.text_at(self.kept_at).unwrap_or_default();
        if let Some(printed) = &mut self.other {
            // What finds no room is noted there.
            let _ = printed.write_str(&kept);
        }
    }
}

impl Write for Message<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !self.is_kept && self.values.is_some() && self.literals.is_at(self.kept_at, text) {
            self.is_kept = true;
            return Ok(());
        }
        self.go_on(text)
    }
}
