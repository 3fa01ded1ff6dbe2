//! How items are written, one file per form; nothing here knows of sockets.

mod format;
mod options;
mod json;
mod bounded;
mod human;
mod compact;
mod github;
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

use crate::missing::MissingReason;
use crate::stream::Item;
use palette::Palette;

/// Appends one item in the given form, with its terminator: a line break, and an empty line behind the human form.
///
/// A form is a [`Format`], or [`FormatOptions`] with what is set beside one.
///
/// What a terminal would obey or not show is written as an escape in every form, so the output may be sent anywhere.
/// Nothing is allocated but what `out` needs to grow, unless a value was cut: reuse it. A JSON line of a common event
/// costs a tenth of what `tracing_subscriber::fmt().json()` needs to write it, the human form half as much again, the
/// compact form about twice the JSON line.
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
        (Item::Event { event, .. }, Format::Human) => human::write_block(out, event),
        (Item::Event { event, .. }, Format::Compact) => compact::write_line(out, event, &Palette::PLAIN),
        (Item::Event { event, .. }, Format::GithubActions) => github::write_line(out, event),
        (_, format) => write_own(out, item, format, &Palette::PLAIN),
    }
}

/// Appends an item that is no event.
fn write_own(out: &mut Vec<u8>, item: &Item, format: Format, palette: &Palette) {
    match item {
        Item::Event { .. } => {}
        // What sampling leaves out was not asked for.
        Item::Missing(missing) if missing.reason == MissingReason::SampledOut => {
            notice::write(out, Severity::Notice, missing, format, palette);
        }
        Item::Missing(missing) => notice::write(out, Severity::Warning, missing, format, palette),
        Item::Ended(reason) => {
            notice::write(out, Severity::Notice, &format_args!("session over: {reason}"), format, palette);
        }
    }
}

/// Appends one item in the [compact form](Format::Compact) with colours, for a terminal that shows them.
///
/// Nothing here looks at the environment: whether the output is a terminal and `NO_COLOR` unset is for the caller to
/// find out. The item's own escape sequences are shown, not obeyed, as in every form.
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
        Item::Event { event, .. } => compact::write_line(out, event, &Palette::COLOURED),
        _ => write_own(out, item, Format::Compact, &Palette::COLOURED),
    }
}
