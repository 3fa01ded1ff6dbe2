//! The wire form: an item as JSON, key by key.
//!
//! [`write_item`](crate::write_item) writes it; `Item: Serialize + Deserialize` writes and reads it. It has no other keys
//! than those below: the tests read it with unknown keys denied. Each item is one line, of one of five types.
//!
//! # `"type": "event"`
//! | key | shape | present | what |
//! |---|---|---|---|
//! | `type` | `"event"` | always | |
//! | `session` | integer | always | the [session](crate::SessionId) that the event matched |
//! | `sequence` | integer | always | its position among the session's delivered and overflowed events, from 0 |
//! | `past` | `true` | in the past | it happened before its session was opened, which [looks back](crate::SessionOptions::look_back) |
//! | `timestamp` | string | always | RFC 3339 in UTC with microseconds, rounded down; `@` and seconds with nine decimals if the clock was outside the years 1 to 9999 |
//! | `level` | string | always | `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE` |
//! | `fields` | object | always | the event's own [values](#values) by name, the `message` among them |
//! | `target` | string | always | |
//! | `filename` | string | if known | the source file |
//! | `line_number` | integer | if known | the line in it, from 1 |
//! | `span` | object | in spans | the innermost [span](#spans), repeated |
//! | `spans` | array | in spans | all [spans](#spans) of the event's scope, root first |
//! | `threadName` | string | if known | the thread's name, or `ThreadId(7)` of one without |
//! | `omittedFields` | integer | if any | how many of the event's own fields are missing: those past `max_event_fields`, and those left out to shorten [the line](#the-length-of-a-line) |
//! | `trace_id`, `span_id` | strings | if known | the [trace](crate::CapturedEvent::trace) of the event, in hexadecimal digits |
//! | `request` | string | in spans | the [request](crate::RequestId) that the event belongs to, 16 hexadecimal digits. Lines of earlier versions have none |
//!
//! The keys from `timestamp` to `threadName` are exactly those of `tracing_subscriber::fmt().json()` with everything switched on
//! (0.3.23), and a [`CapturedEvent`](crate::CapturedEvent) serializes to these and those below them, so a reader of one reads the
//! other.
//!
//! # Values
//! | recorded | in `fields` | in a span |
//! |---|---|---|
//! | integer of at most 64 bits | number; beyond ±2^53 a string of its digits, if [that option](crate::render::FormatOptions::large_integers_as_strings) is set | the same |
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
//! - The last field of a name has the name as its key. It is the one shown to people and returned by
//!   [`CapturedEvent::field`](crate::CapturedEvent::field).
//! - An earlier field of that name has the key `name#1`, `name#2` and so on: three fields `a` have the keys `a#1`, `a#2`, `a`.
//!   A span's field called `name` has the key `name#1`, since the last `name` is the span's own.
//! - A name that itself ends with `#` and digits is followed by `#0`: `a#1#0` is the only or last field `a#1`.
//!
//! So in a key that ends with `#` and digits, the field's name is the part before them; any other key is the name itself.
//! Names are compared exactly, without `r#`. `user` and `User` are two names, which some databases treat as one.
//!
//! # Spans
//! A span is an object of its fields, with their values at the moment of the event, in the order of their first recording,
//! followed by its `name`, a string. A field that is itself called `name` has [another key](#keys-of-fields).
//!
//! # The length of a line
//! By default the length of a line is unlimited. With the default limits of a router, an event may have 64 values of 8 KiB,
//! and each span around it as many as it declares; the innermost span is written twice, and one byte of text may become six.
//! Container runtimes split lines of more than 16 KiB:
//! [`FormatOptions::max_line_bytes`](crate::render::FormatOptions::max_line_bytes) limits the length. A line that would be
//! longer is shortened in three steps:
//!
//! 1. The longest values are cut, evenly, with the mark of a cut. Target, file and thread are cut to an eighth of the line.
//! 2. If that is not enough, spans are left out from the root on. A span called `…[cut]` stands for them; its field
//!    `omitted_spans` has their number.
//! 3. If that is not enough, the event's fields are left out from the last on; `omittedFields` has their number.
//!
//! # `"type": "timing"`
//! The [times of a span](crate::SpanTiming), when it closes, for a session that wants them. It has the keys of an event: those of
//! the event that `tracing_subscriber`'s `FmtSpan::CLOSE` makes. `spans` has the path from the root to the span, and `span` the
//! span itself, with their fields at the close. Its `fields` are these; times are integers, in nanoseconds:
//!
//! | key | present | what |
//! |---|---|---|
//! | `message` | always | `"close"` |
//! | `time.busy` | if known | the time in which some thread was in the span |
//! | `time.idle` | if whole | the time in which none was |
//! | `time.wall` | if whole | the time from its creation to its close, the sum of both |
//! | `time.seen` | if known and not whole | the time from the moment at which the session began to watch it to its close |
//! | `polls` | if known | how often it was entered |
//! | `since` | if not whole | `"session"`: the session has not watched the span since its creation. `time.busy` and `polls` count the enters that it has seen, so both are at least that |
//!
//! # `"type": "missing"`
//! | key | shape | what |
//! |---|---|---|
//! | `type` | `"missing"` | |
//! | `count` | integer | the number of missing events: lost at this position, or kept back by a limit since the last such line of that reason |
//! | `reason` | string | the [word](crate::MissingReason::word) of a [`MissingReason`](crate::MissingReason) |
//!
//! # `"type": "horizon"`
//! The first line of a session that [looks back](crate::SessionOptions::look_back), see [`Horizon`](crate::Horizon).
//!
//! | key | shape | what |
//! |---|---|---|
//! | `type` | `"horizon"` | |
//! | `asked_ms` | integer | the time that was asked for, in milliseconds |
//! | `reaches_ms` | integer | the time for which nothing is missing on any thread |
//! | `overwritten` | integer | events that are gone |
//! | `unresolved` | integer | events that may have matched: part of them or of their spans is gone |
//! | `unkept` | integer | events of threads that got no ring, or that a thread did not finish writing within a second |
//! | `threads` | array | objects with `thread`, `reaches_ms` and `overwritten`: threads on which something is gone |
//!
//! # `"type": "ended"`
//! | key | shape | what |
//! |---|---|---|
//! | `type` | `"ended"` | the last item of its session |
//! | `reason` | `"closed"`, `"expired"`, `"max_events"`, `"shutdown"`, `"too_costly"` | the [`EndReason`](crate::EndReason) |
//!
//! # What is escaped
//! [`write_item`](crate::write_item) escapes every [hidden](crate::escape::is_hidden) character as `\u` and four digits, or
//! twice that past U+FFFF: control characters, DEL and C1 included, and Unicode's format characters, such as bidirectional
//! overrides. Another serializer has rules of its own.
//!
//! # Where it differs from `fmt`
//! - An event with `parent: None` is in no span. `fmt` prints the current one.
//! - An event with `parent: &span` has that span's ancestors in `spans`. `fmt` lists those of the current span.
//! - A repeated field name, and a span's field `name`, have [keys of their own](#keys-of-fields). `fmt` writes one key twice.
//! - The `r#` of a field's name, which older macros of `tracing` keep, is removed. `fmt` keeps it for some values in spans.
//! - A span's fields are in the order of recording, not sorted.
//! - The fields `log.*` of a record of the `log` crate are left out: the other keys have their content.
//! - Long values are cut, redacted ones replaced.
//!
//! # Other tools
//! `tests/deep/tools.sh` checks that DuckDB 2.0.1, Polars 2.1.0 and `jq` 1.6 read lines with values of every type, spans,
//! losses and ends, with each of the [`FormatOptions`](crate::render::FormatOptions). DuckDB and Polars infer the types of a
//! file from its beginning; let them read all of it:
//!
//! - DuckDB: `read_json('events.jsonl', sample_size = -1)`. If two fields of an event differ only in case, `user` and
//!   `User`, it refuses the file; `maximum_depth = 1` reads any file, with the objects as JSON: `fields->>'user'`.
//! - Polars: `read_ndjson("events.jsonl", infer_schema_length=None)`. Without that option it silently drops a field that none
//!   of the first 100 lines has.
//! - `jq` 1.6 rounds integers beyond 2^53. To keep them, write them as strings, see
//!   [`large_integers_as_strings`](crate::render::FormatOptions::large_integers_as_strings).
//!
//! # Reading
//! An item read back renders the same in every [`Format`](crate::Format), except for what JSON does not carry:
//!
//! - `null` is read as [`Value::Null`](crate::Value::Null): the float that it was is not known.
//! - Strings, `Debug`, errors, integers that are written as strings and an event's own bytes are all read as
//!   [`Value::Str`](crate::Value::Str).
//! - A string that ends with `…[cut]` is read as cut, and `<redacted>` as [`Value::Redacted`](crate::Value::Redacted), even if
//!   that was the original text: all forms show both in the same way.
//! - An event's name and module path, the level and target of its spans, the flags of its trace, and the traces of spans further
//!   out, are not in the JSON.
//!
//! A repeated key in an object of fields, as `fmt` writes it, is read as two fields of that name; the last `name` of a span is
//! the span's own.
//!
//! Unknown keys are ignored: later versions may add some. An unknown `type`, level or reason, and any value of a shape that
//! is not in the tables, is an error that says what was expected. Later versions may add types of lines that are about no
//! event: to skip them, look at the `type` first. The JSON parser limits the nesting; the caller must limit the length of a
//! line.
//!
//! [`LineFilter`] tests lines of events by a predicate without reading them into items.
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
//! assert!(error.to_string().starts_with("unknown variant `found`, expected one of `event`, `timing`, `missing`, `horizon`"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

pub use crate::time::{TimeText, read_time};
pub use filter::{LineError, LineFilter};

mod read;
mod value;
mod write;
mod filter;

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
