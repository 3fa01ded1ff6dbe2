//! Text written to memory as bytes.

use std::fmt;

/// Appends what is written; never fails.
pub(super) struct Sink<'a>(pub(super) &'a mut Vec<u8>);

/// The invariant of every write to a [`Sink`].
pub(super) const MEMORY: &str = "memory takes everything";

impl fmt::Write for Sink<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
