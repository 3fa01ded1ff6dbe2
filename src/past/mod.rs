//! Looking back: the latest events of all threads, kept in rings of fixed size, for sessions that open too late.
//!
//! A router [built](crate::TapRouterBuilder::look_back) with a [`LookBack`] writes every event up to a level into a ring of
//! its thread, whether or not a session is open. A session [that looks back](crate::SessionOptions::look_back) begins with
//! the matching ones, from spans that have closed since as well.
//!
//! # What it costs
//! The arguments of all these events are evaluated, and `%value` and `?value` are formatted, all the time;
//! docs/performance.md has the numbers. An event of three numbers and a literal message takes 64 bytes, text takes its length,
//! and a span takes a record when it closes. Looking back enables no span.
//!
//! # What a session gets
//! First an [`Item::Horizon`](crate::Item::Horizon), then the past events, each with
//! [`is_past`](crate::CapturedEvent::is_past), in the order of their times, then the present ones. No event is missing or
//! there twice where the past ends. A past event is shown while its own record and the closings of its spans are in the
//! rings; the horizon says how far that reaches back on each thread.

mod horizon;
mod literals;
mod pool;
mod record;
pub(crate) mod ring;
mod rings;
mod settings;
mod values;

pub use horizon::{Horizon, ThreadHorizon};
pub use settings::LookBack;

pub(crate) use literals::Literals;
pub(crate) use pool::{Past, Writer, address_of, as_nanos, event_epoch};
pub(crate) use record::{Kind, Record, SpanName, SpanRecord};
pub(crate) use rings::RingRead;
pub(crate) use values::{EventText, EventValues, PastValue, values};
