//! The wire form: what an item is as JSON, field by field.
//!
//! [`write_item`](crate::write_item) writes it, `Item: Serialize + Deserialize` writes and reads it, and nothing else
//! is ever in it: the tests read it with unknown fields denied. It is one line per item, of one of three types.
//!
//! # `"type": "event"`
//! | key | shape | present | what |
//! |---|---|---|---|
//! | `type` | `"event"` | always | |
//! | `session` | integer | always | the [session](crate::SessionId) that the event matched |
//! | `sequence` | integer | always | its place among what the session was to deliver, from 0 |
//! | `timestamp` | string | always | RFC 3339 in UTC with microseconds, rounded down; `@` and seconds with nine decimals where the clock was not in the years 1 to 9999 |
//! | `level` | string | always | `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE` |
//! | `fields` | object | always | the event's own [values](#values) by name, the `message` among them |
//! | `target` | string | always | |
//! | `filename` | string | if known | the source file |
//! | `line_number` | integer | if known | the line in it, from 1 |
//! | `span` | object | in spans | the innermost [span](#spans), once more |
//! | `spans` | array | in spans | all [spans](#spans) of the event's scope, root first |
//! | `threadName` | string | if known | the thread's name, or `ThreadId(7)` of one without |
//! | `omittedFields` | integer | if any | how many of the event's own fields are missing: those past `max_event_fields`, and those for which [the line](#the-length-of-a-line) had no room |
//!
//! The keys from `timestamp` to `threadName` are exactly those of `tracing_subscriber::fmt().json()` with everything switched on
//! (0.3.23), and [`CapturedEvent`](crate::CapturedEvent) on its own has just these, so what reads the one reads the
//! other.
//!
//! # Values
//! | recorded | in `fields` | in a span |
//! |---|---|---|
//! | integer of at most 64 bits | number; a string of its digits past 2^53, either way, where [that is asked for](crate::render::FormatOptions::large_integers_as_strings) | the same |
//! | integer of 128 bits | string of its digits | the same |
//! | float | number; `null` for NaN and infinities | the same |
//! | boolean | `true`, `false` | the same |
//! | string, `?value`, `%value`, error | string | the same |
//! | bytes | string, `"[de ad be ef]"` | array of numbers, `[222,173,190,239]` |
//! | any text cut at `max_value_bytes` | string that ends with `…[cut]` | the same |
//! | bytes cut at `max_value_bytes` | `"[de ad…[cut]]"` | `[222,173,"…[cut]"]` |
//! | a redacted field | `"<redacted>"` | the same |
//!
//! # Keys of fields
//! No object has one key twice. In `fields`, and in a [span](#spans):
//!
//! - The last field of a name has the name as its key: it is the one that people are shown, and that
//!   [`CapturedEvent::field`](crate::CapturedEvent::field) gives.
//! - One before it has `#` and its place among them behind the name: of three fields `a` the keys are `a#1`, `a#2`, `a`. So
//!   has a span's field called `name`, since the last `name` there is the span's: its key is `name#1`.
//! - A name that itself ends with `#` and digits is followed by `#0`: `a#1#0` is the only or last field `a#1`.
//!
//! So a key that ends with `#` and digits is that of the field named by what is before them, and any other key is the name
//! of its field. Names are compared as they are recorded, in which `r#type` is `type`; `user` and `User` are two names, which
//! some databases take for one.
//!
//! # Spans
//! A span is an object of its fields as they were when the event happened, in the order they were first recorded, and
//! behind them its `name`, a string. A field that is itself called `name` has [another key](#keys-of-fields).
//!
//! # The length of a line
//! A line is as long as its event makes it: with the default limits an event may have 64 values of 8 KiB, each span around it
//! as many as it declares, the innermost is there twice, and one byte of text may become six. Lines that must be short, as
//! container runtimes split those of more than 16 KiB, are written with
//! [`FormatOptions::max_line_bytes`](crate::render::FormatOptions::max_line_bytes): then an event whose line would be longer
//!
//! - has its longest values cut, evenly, to what there is room for, as `max_value_bytes` would have cut them; and its target,
//!   file and thread to an eighth of the line each;
//! - if that is not enough, lacks spans from the root on, for which a span called `…[cut]` stands, whose field
//!   `omitted_spans` counts them;
//! - if that is not enough, lacks fields from the last on, which `omittedFields` counts.
//!
//! # `"type": "missing"`
//! | key | shape | what |
//! |---|---|---|
//! | `type` | `"missing"` | |
//! | `count` | integer | how many matching events are missing: lost at this place, or kept back by a limit since the last such line of that reason |
//! | `reason` | string | why: the [word](crate::MissingReason::word) of a [`MissingReason`](crate::MissingReason) |
//!
//! # `"type": "ended"`
//! | key | shape | what |
//! |---|---|---|
//! | `type` | `"ended"` | the last item of its session |
//! | `reason` | `"closed"`, `"expired"`, `"max_events"`, `"shutdown"`, `"too_costly"` | why, as [`EndReason`](crate::EndReason) says |
//!
//! # What is escaped
//! In what [`write_item`](crate::write_item) writes, every character that a terminal would obey or not show is `\u` and
//! four digits, twice for one past U+FFFF: control characters, DEL and C1 among them, and Unicode's format characters,
//! such as bidirectional overrides. Another serializer escapes as it does.
//!
//! # Where it differs from `fmt`
//! - An event with `parent: None` is in no span. `fmt` prints the current one.
//! - An event with `parent: &span` has that span's ancestors in `spans`. `fmt` lists those of the current span.
//! - A field whose name was recorded before, and a span's field `name`, have [keys of their own](#keys-of-fields). `fmt` has
//!   one key twice.
//! - A field whose name begins with `r#`, as older macros of `tracing` leave it, is without. `fmt` has it so for some
//!   values in spans.
//! - A span's fields are in order, not sorted.
//! - The fields `log.*` of a record of the `log` crate are not repeated: the other keys say what they say.
//! - Long values are cut, redacted ones replaced.
//!
//! # Other tools
//! `tests/deep/tools.sh` has DuckDB 2.0.1, Polars 2.1.0 and `jq` 1.6 read lines with values of every kind, spans, losses and
//! ends, in each of [`FormatOptions`](crate::FormatOptions), and compares what they have read. Two of them guess the types of
//! a file from its beginning; have them look at all of it:
//!
//! - DuckDB: `read_json('events.jsonl', sample_size = -1)`. Where two fields of an event differ in case alone, `user` and
//!   `User`, it refuses the file; `maximum_depth = 1` reads any file, with the objects as JSON: `fields->>'user'`.
//! - Polars: `read_ndjson("events.jsonl", infer_schema_length=None)`. Without, it leaves out, and says nothing, a field that no
//!   line among the first 100 has.
//! - `jq` 1.6 rounds integers past 2^53, and those of 64 bits are exact as strings: see
//!   [`large_integers_as_strings`](crate::FormatOptions::large_integers_as_strings).
//!
//! # Reading
//! An item read back renders the same in every [`Format`](crate::Format), but for what JSON does not carry:
//!
//! - `null` is read as [`Value::Null`](crate::Value::Null): which float it was is not known.
//! - Strings, `Debug`, errors, integers that are written as strings and an event's own bytes are all read as
//!   [`Value::Str`](crate::Value::Str).
//! - A string that ends with `…[cut]` is read as one that was cut there, and `<redacted>` as
//!   [`Value::Redacted`](crate::Value::Redacted), whoever wrote it: all forms show the one like the other.
//! - An event's name and module path, and the level and target of its spans, are not in it.
//!
//! One key twice in an object of fields, as `fmt` writes it, is read as two fields of a name; of a span the last `name` is the
//! span's.
//!
//! Keys that are not known are passed over, for there may be more in later versions; an unknown `type`, level or
//! reason, and any value of a shape that is not in the tables, is an error that says what was expected. How deep input
//! may be nested is bounded by the reader of JSON, how long a line may be by whoever hands it over.
//!
//! ```
//! use tracing_tap::{Format, Item, write_item};
//!
//! let line = concat!(
//!     r#"{"type":"event","session":1,"sequence":7,"timestamp":"2026-11-20T08:15:02.123456Z","level":"DEBUG","#,
//!     r#""fields":{"message":"rejected\u001b[2J","attempt":3},"target":"chat::hub","filename":"src/hub.rs","#,
//!     r#""line_number":214,"span":{"kind":"subscribe","name":"message"},"spans":[{"user":"42","name":"conn"},"#,
//!     r#"{"kind":"subscribe","name":"message"}],"threadName":"main"}"#,
//!     "\n",
//! );
//! let item: Item = serde_json::from_str(line)?;
//! let mut written = Vec::new();
//! write_item(&mut written, &item, Format::Json);
//! assert_eq!(str::from_utf8(&written)?, line);
//!
//! let error = serde_json::from_str::<Item>(r#"{"type":"found"}"#).unwrap_err();
//! assert!(error.to_string().starts_with("unknown variant `found`, expected one of `event`, `missing`, `ended`"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

pub use crate::time::{TimeText, read_time};

mod read;
mod value;
mod write;

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
