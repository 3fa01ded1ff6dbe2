//! Standard output of the subcommands that print one thing.

use crate::error::Error;
use std::io::{self, Write};

/// Prints a text. Whoever has had enough of it has what they wanted.
pub(crate) fn text(text: &str) -> Result<(), Error> {
    bytes(text.as_bytes())
}

pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::caused_by(error, "write to standard output"))
        }
        _ => Ok(()),
    }
}
