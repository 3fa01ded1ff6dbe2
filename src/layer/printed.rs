//! A value that is printed into an event in a ring: where it stays, and bounded.

use super::visit::PANICKED;
use crate::guard::run_user_code;
use crate::past::{EventText, EventValues};
use crate::value::kept_part;
use std::fmt::{self, Write};

/// Bounds what is written of one text.
#[derive(Debug)]
pub(super) struct Printed<'v> {
    text: EventText<'v>,
    max_bytes: usize,
    cut: bool,
    /// Whether the event had room for all of it so far.
    has_room: bool,
}

impl<'v> Printed<'v> {
    #[inline]
    pub(super) fn new(text: EventText<'v>, max_bytes: usize) -> Self {
        Self { text, max_bytes, cut: false, has_room: true }
    }

    /// Prints a value. What was written until the user's own error is what the value said.
    #[inline]
    pub(super) fn print(&mut self, value: &dyn fmt::Debug) {
        if run_user_code(|| write!(self, "{value:?}")).is_none() {
            self.become_panicked();
        }
    }

    /// Says that the value has panicked, in place of what was written of it.
    #[cold]
    pub(super) fn become_panicked(&mut self) {
        self.cut = false;
        self.text.restart();
        self.has_room = self.text.push(PANICKED);
    }

    /// What was printed, if all of it is there.
    pub(super) fn whole_text(&self) -> Option<&str> {
        (self.has_room && !self.cut).then(|| self.text.as_str())
    }

    /// Completes the value, or leaves it out, if there was no room for it.
    pub(super) fn finish(self) {
        if self.has_room { self.text.finish(self.cut) } else { self.text.omit() }
    }

    /// Takes the value back.
    pub(super) fn undo(self) -> &'v mut EventValues {
        self.text.undo()
    }
}

impl Write for Printed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut || !self.has_room {
            return Err(fmt::Error);
        }
        let kept = kept_part(text, self.max_bytes - self.text.len());
        self.has_room = self.text.push(kept);
        self.cut = kept.len() < text.len();
        if self.cut || !self.has_room { Err(fmt::Error) } else { Ok(()) }
    }
}
