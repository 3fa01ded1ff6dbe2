//! What a thread records.

use crate::event::CapturedSpan;
use std::sync::Arc;

/// The spans from the root to a watched one.
pub type SpanPath = Arc<[Arc<CapturedSpan>]>;

/// One record of a thread, in the order in which it happened there. Times are nanoseconds since
/// [`Intervals::origin`](super::Intervals::origin).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IntervalRecord {
    /// The session watches a span that the thread is about to enter. From here on `span` names it on this thread, until a
    /// later record of this kind gives the name to another.
    Watched {
        /// The span's name in the records of this thread.
        span: u64,
        /// The spans from the root to this one, as they were when the thread entered.
        path: SpanPath,
    },
    /// The thread is in the span from this moment on.
    Entered {
        /// The span.
        span: u64,
        /// When.
        at_ns: u64,
    },
    /// The thread is in the span no more. If it has entered it several times, it leaves the last one.
    Exited {
        /// The span.
        span: u64,
        /// When.
        at_ns: u64,
    },
    /// Records are missing here: from the record before on it is not known in which spans the thread is, but for those that
    /// it enters later.
    Lost {
        /// How many, at least: a span whose path finds no place is not recorded again before it does.
        records: u64,
        /// Whether the thread may be in watched spans that it entered before. If not, it is known again where it is.
        is_inside: bool,
    },
}
