//! What is told on standard error, to whoever still listens there.

use crate::shown;
use std::fmt::Display;
use std::io::{self, Write};

/// Tells of something that is no failure, and that somebody should look at.
pub(crate) fn warn(warning: impl Display) {
    tell(format_args!("warning: {warning}"));
}

/// Tells it, with what a terminal would obey escaped.
pub(crate) fn tell(text: impl Display) {
    let text = text.to_string();
    // Where standard error is gone, there is nobody to tell that.
    let _ = writeln!(io::stderr(), "{}", shown::lines(&text));
}
