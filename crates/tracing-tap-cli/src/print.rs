//! Standard output of the subcommands that print one text.

use crate::error::Error;
use crate::shown;
use std::io::{self, Write};

/// Prints a text, with what a terminal would obey or not show escaped.
pub(crate) fn text(text: &str) -> Result<(), Error> {
    own(shown::lines(text).as_bytes())
}

/// Prints what has no text of a server or a user in it, as it is. If the reader has gone, that is no error.
pub(crate) fn own(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::caused_by(error, "write to standard output"))
        }
        _ => Ok(()),
    }
}
