//! When each thread is in a span that a session watches: what a profiler needs to know which samples are a session's.
//!
//! [`TapRouter::intervals`](crate::TapRouter::intervals) begins, and the returned [`Intervals`] read. Spans are recorded where the
//! session's [timings](crate::SessionOptions::timings) would report their close. A thread that enters or leaves such a span
//! appends one record to a queue of its own; other threads and spans do nothing. The queues are bounded, and what finds no
//! place is counted and marked where it is missing.

mod error;
mod options;
mod queue;
mod reader;
mod record;
mod recording;
mod writer;

pub use error::IntervalsError;
pub use options::IntervalOptions;
pub use reader::{Intervals, ThreadIntervals};
pub use record::{IntervalRecord, SpanPath};

pub(crate) use recording::Recordings;
pub(crate) use writer::{LookedUp, WatchedSpan};
