//! Whether an output is a terminal.

use clap::ValueEnum;
use std::io::{self, IsTerminal};

/// Whether standard error is a terminal.
pub(crate) fn has_stderr() -> bool {
    io::stderr().is_terminal()
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

impl Colour {
    /// Whether standard output gets colours. Terminals, `NO_COLOR` and the like are recognised by the library that
    /// `clap` uses for its own colours.
    pub(crate) fn for_stdout(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
        }
    }
}
