//! Which part of a compact line has which colour.

use anstyle::{AnsiColor, Style};
use std::fmt;
use tracing_core::Level;

/// The styles of a line's parts; a part of style [`Style::new`] is written without escape sequences.
pub(super) struct Palette {
    /// Of the time and the target, which one looks for rather than reads.
    pub(super) aside: Style,
    pub(super) span: Style,
    pub(super) key: Style,
    pub(super) notice: Style,
    error: Style,
    warn: Style,
    info: Style,
    debug: Style,
    trace: Style,
}

impl Palette {
    pub(super) const PLAIN: Self = Self {
        aside: Style::new(),
        span: Style::new(),
        key: Style::new(),
        notice: Style::new(),
        error: Style::new(),
        warn: Style::new(),
        info: Style::new(),
        debug: Style::new(),
        trace: Style::new(),
    };

    /// The colours of levels are those of `tracing_subscriber::fmt`.
    pub(super) const COLOURED: Self = Self {
        aside: Style::new().dimmed(),
        span: Style::new().bold(),
        key: Style::new().italic(),
        notice: AnsiColor::Yellow.on_default(),
        error: AnsiColor::Red.on_default(),
        warn: AnsiColor::Yellow.on_default(),
        info: AnsiColor::Green.on_default(),
        debug: AnsiColor::Blue.on_default(),
        trace: AnsiColor::Magenta.on_default(),
    };

    pub(super) fn level(&self, level: Level) -> Style {
        match level {
            Level::ERROR => self.error,
            Level::WARN => self.warn,
            Level::INFO => self.info,
            Level::DEBUG => self.debug,
            Level::TRACE => self.trace,
        }
    }
}

/// Writes a part between the escape sequences of its style, if it has any.
pub(super) fn write_styled<W: fmt::Write>(
    out: &mut W,
    style: Style,
    write: impl FnOnce(&mut W) -> fmt::Result,
) -> fmt::Result {
    if style.is_plain() {
        return write(out);
    }
    write!(out, "{style}")?;
    write(out)?;
    write!(out, "{style:#}")
}
