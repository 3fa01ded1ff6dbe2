//! Writing items as text, in several formats.

mod format;
mod options;
mod json;
mod bounded;
mod human;
mod compact;
mod github;
mod horizon;
mod notice;

mod message;
mod palette;
mod yaml;

mod ascii;
mod json_text;
mod sink;

#[cfg(test)]
#[cfg(not(loom))]
pub(crate) mod testing;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub use format::{Format, FormatError};
pub use notice::{Severity, write_notice};
pub use options::FormatOptions;

use crate::stream::Item;
use palette::Palette;

/// Appends one item in the given form, with its terminator: a line break, and an empty line after the human form.
///
/// `form` is a [`Format`] or [`FormatOptions`].
///
/// Control and hidden characters are escaped in every form, so the output may go to a terminal. Allocates nothing beyond
/// the growth of `out`, unless a value is cut: reuse `out`. A JSON line of a common event takes a tenth of the time of
/// `tracing_subscriber::fmt().json()`, the human form one and a half times as long as the JSON line, the compact form about
/// twice as long.
///
/// ```
/// use tracing_tap::{Format, Item, write_item};
///
/// let line = r#"{"type":"event","session":1,"sequence":0,"timestamp":"2026-11-20T08:15:02.123456Z","level":"DEBUG",
///     "fields":{"message":"rejected","attempt":3},"target":"chat::hub"}"#;
/// let item: Item = serde_json::from_str(line)?;
/// let mut out = Vec::new();
/// write_item(&mut out, &item, Format::Compact);
/// assert_eq!(str::from_utf8(&out)?, "08:15:02.123Z DEBUG chat::hub: rejected attempt=3\n");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn write_item(out: &mut Vec<u8>, item: &Item, form: impl Into<FormatOptions>) {
    let options = form.into();
    match (item, options.format()) {
        (_, Format::Json) => bounded::write_line(out, item, &options),
        (Item::Timing { session, sequence, timing }, _) => {
            write_item(out, &Item::event(*session, *sequence, timing.for_people().into()), options);
        }
        (Item::Event { event, .. }, Format::Human) => human::write_block(out, event),
        (Item::Event { event, .. }, Format::Compact) => {
            compact::write_line(out, event, &Palette::PLAIN, options.path_chars())
        }
        (Item::Event { event, .. }, Format::GithubActions) => github::write_line(out, event),
        (_, format) => write_own(out, item, format, &Palette::PLAIN),
    }
}

/// Appends an item that is not an event.
fn write_own(out: &mut Vec<u8>, item: &Item, format: Format, palette: &Palette) {
    match item {
        Item::Event { .. } | Item::Timing { .. } => {}
        Item::Missing(missing) if missing.reason.is_asked_for() => {
            notice::write(out, Severity::Notice, missing, format, palette);
        }
        Item::Missing(missing) => notice::write(out, Severity::Warning, missing, format, palette),
        Item::Horizon(horizon) => {
            let severity = if horizon.is_whole() { Severity::Notice } else { Severity::Warning };
            notice::write(out, severity, horizon, format, palette);
        }
        Item::Ended(reason) => {
            notice::write(out, Severity::Notice, &format_args!("session over: {reason}"), format, palette);
        }
    }
}

/// Appends one item in the [compact form](Format::Compact) with ANSI colours, with the default
/// [limit of its spans](FormatOptions::max_path_chars).
///
/// Does not look at the environment: the caller checks that the output is a terminal and that `NO_COLOR` is unset. Escape
/// sequences in the item's own texts are escaped, as in every form.
///
/// ```
/// use tracing_tap::Item;
/// use tracing_tap::render::write_item_coloured;
///
/// let item: Item = serde_json::from_str(r#"{"type":"ended","reason":"closed"}"#)?;
/// let mut out = Vec::new();
/// write_item_coloured(&mut out, &item);
/// assert_eq!(str::from_utf8(&out)?, "\x1b[33m-- session over: closed\x1b[0m\n");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn write_item_coloured(out: &mut Vec<u8>, item: &Item) {
    match item {
        Item::Event { event, .. } => {
            compact::write_line(out, event, &Palette::COLOURED, FormatOptions::DEFAULT_PATH_CHARS);
        }
        Item::Timing { session, sequence, timing } => {
            write_item_coloured(out, &Item::event(*session, *sequence, timing.for_people().into()));
        }
        _ => write_own(out, item, Format::Compact, &Palette::COLOURED),
    }
}
