//! Workflow commands of GitHub Actions: `::error file=..,line=..,title=..::message`.
//!
//! The runner takes a line that begins with `::` for a command, its properties up to the next `::`, and undoes these
//! escapes: `%25`, `%0D` and `%0A` everywhere, `%3A` and `%2C` in properties as well
//! (<https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts>). No line break gets through
//! unescaped, so that no message can begin a command of its own.

use super::compact::{write_fields, write_path};
use super::message::{NO_MESSAGE, message_text};
use super::palette::Palette;
use super::sink::{MEMORY, Sink};
use crate::escape::{is_hidden, write_escape, write_plain};
use crate::event::CapturedEvent;
use std::fmt::{self, Write};
use tracing_core::Level;

/// Writes an event as one workflow command.
pub(super) fn write_line(out: &mut Vec<u8>, event: &CapturedEvent) {
    write_event(&mut Sink(out), event).expect(MEMORY);
    out.push(b'\n');
}

/// Writes a line of the tool's own.
pub(super) fn write_notice(out: &mut impl Write, command: &str, line: &str) -> fmt::Result {
    write!(out, "::{command} title=tracing-tap::")?;
    write_plain(&mut Escaping::data(out), line)
}

fn write_event(out: &mut impl Write, event: &CapturedEvent) -> fmt::Result {
    match event.level() {
        Level::ERROR => write_annotation(out, "error", event),
        Level::WARN => write_annotation(out, "warning", event),
        Level::INFO => write_annotation(out, "notice", event),
        Level::DEBUG | Level::TRACE => write_debug_line(out, event),
    }
}

fn write_annotation(out: &mut impl Write, command: &str, event: &CapturedEvent) -> fmt::Result {
    write!(out, "::{command} ")?;
    if let Some(file) = event.file() {
        out.write_str("file=")?;
        write_shown(&mut Escaping::property(out), file)?;
        event.line().map_or(Ok(()), |line| write!(out, ",line={line}"))?;
        out.write_str(",")?;
    }
    out.write_str("title=")?;
    write_shown(&mut Escaping::property(out), event.target())?;
    out.write_str("::")?;
    write_body(&mut Escaping::data(out), event)
}

/// A debug line has no properties: GitHub would not show them.
fn write_debug_line(out: &mut impl Write, event: &CapturedEvent) -> fmt::Result {
    out.write_str("::debug::")?;
    let mut data = Escaping::data(out);
    write_shown(&mut data, event.target())?;
    data.write_str(": ")?;
    write_body(&mut data, event)
}

fn write_body(out: &mut impl Write, event: &CapturedEvent) -> fmt::Result {
    let (text, mark) = message_text(event);
    write_shown(out, text)?;
    out.write_str(if text.is_empty() && mark.is_empty() { NO_MESSAGE } else { mark })?;
    write_fields(out, event, &Palette::PLAIN)?;
    if event.spans().len() > 0 {
        out.write_str(" in ")?;
        write_path(out, event, &Palette::PLAIN)?;
    }
    Ok(())
}

/// Writes a text with its line breaks, for which GitHub has escapes, and everything else that is hidden shown.
fn write_shown(out: &mut impl Write, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| match character {
        '\r' | '\n' => out.write_char(character),
        _ if is_hidden(character) => write_escape(out, character),
        _ => out.write_char(character),
    })
}

/// Writes with GitHub's escapes for one part of a command.
struct Escaping<'a, W> {
    out: &'a mut W,
    escape_of: fn(char) -> Option<&'static str>,
}

impl<'a, W: Write> Escaping<'a, W> {
    fn data(out: &'a mut W) -> Self {
        Self { out, escape_of: escape_in_data }
    }

    fn property(out: &'a mut W) -> Self {
        Self { out, escape_of: escape_in_property }
    }
}

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match (self.escape_of)(character) {
            Some(escape) => self.out.write_str(escape),
            None => self.out.write_char(character),
        })
    }
}

fn escape_in_data(character: char) -> Option<&'static str> {
    match character {
        '%' => Some("%25"),
        '\r' => Some("%0D"),
        '\n' => Some("%0A"),
        _ => None,
    }
}

fn escape_in_property(character: char) -> Option<&'static str> {
    match character {
        ':' => Some("%3A"),
        ',' => Some("%2C"),
        _ => escape_in_data(character),
    }
}
