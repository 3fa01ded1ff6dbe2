//! Which part of a compact line has which colour.

use std::fmt;
use tracing_core::Level;

/// How a part is shown: the number of an ANSI escape sequence (SGR), or no sequence at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style(Option<u8>);

/// The styles of a line's parts.
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
        aside: Style(None),
        span: Style(None),
        key: Style(None),
        notice: Style(None),
        error: Style(None),
        warn: Style(None),
        info: Style(None),
        debug: Style(None),
        trace: Style(None),
    };

    /// The colours of levels are those of `tracing_subscriber::fmt`.
    pub(super) const COLOURED: Self = Self {
        aside: Style(Some(2)),
        span: Style(Some(1)),
        key: Style(Some(3)),
        notice: Style(Some(33)),
        error: Style(Some(31)),
        warn: Style(Some(33)),
        info: Style(Some(32)),
        debug: Style(Some(34)),
        trace: Style(Some(35)),
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
    let Style(Some(number)) = style else { return write(out) };
    write!(out, "\x1b[{number}m")?;
    write(out)?;
    out.write_str("\x1b[0m")
}
