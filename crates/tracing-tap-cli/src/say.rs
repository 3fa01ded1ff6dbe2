//! Messages on standard error.

use crate::shown;
use std::fmt::Display;
use std::io::{self, Write};

/// Prints a warning.
pub(crate) fn warn(warning: impl Display) {
    report(format_args!("warning: {warning}"));
}

/// Prints a message, with what a terminal would obey or not show escaped.
pub(crate) fn report(text: impl Display) {
    let text = text.to_string();
    // If standard error is closed, that cannot be reported anywhere.
    let _ = writeln!(io::stderr(), "{}", shown::lines(&text));
}
