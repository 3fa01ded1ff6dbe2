//! A span that has no cell in the table: its cell was taken, or there is none for its place.

use super::begun::Begun;
use super::kept::{Kept, NewSpan, ONCE};
use super::notes::Notes;
use super::span::SpanCell;
use super::times::Times;
use crate::sync::Numbers;

/// A span that has no place in the table.
#[derive(Debug)]
pub(super) struct Alone {
    kept: Kept,
    notes: Notes,
    times: Times,
    begun: Begun,
}

/// Set in the number of a span that has a cell of its own.
const ALONE_BIT: u64 = 1 << 63;

impl Alone {
    /// A cell of its own for a span that has none in the table.
    pub(super) fn of(id: u64, span: NewSpan<'_>) -> Self {
        static ALONE: Numbers = Numbers::new();
        let alone =
            Self { kept: Kept::default(), notes: Notes::default(), times: Times::default(), begun: Begun::default() };
        let number = ALONE_BIT | (ALONE.next() * ONCE);
        alone.kept.put(&mut alone.kept.lock(), id, number, span);
        alone.cell().start(span.place);
        alone
    }

    pub(super) fn cell(&self) -> SpanCell<'_> {
        SpanCell::alone(&self.kept, &self.notes)
    }

    pub(super) fn times(&self) -> &Times {
        &self.times
    }

    pub(super) fn begun(&self) -> &Begun {
        &self.begun
    }
}
