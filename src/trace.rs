//! The trace that a span belongs to, as another library knows it.
//!
//! The router asks a [`TraceSource`] for the [`TraceContext`] that is active on a thread, keeps it with the thread's current
//! span, shows it with each event and tests it as the fields `trace_id` and `span_id`. The crate `tracing-tap-otel` has a
//! source for OpenTelemetry.

use crate::value::{TextRef, ValueRef};
use std::fmt;
use tracing_core::Metadata;

/// The name under which a trace id is shown and tested.
pub(crate) const TRACE_ID: &str = "trace_id";
/// The name under which the id of a span in a trace is shown and tested.
pub(crate) const SPAN_ID: &str = "span_id";

/// Whether a test of this field is about traces.
pub(crate) fn is_of_trace(name: &str) -> bool {
    name == TRACE_ID || name == SPAN_ID
}

/// The ids of a trace and of a span in it, as in the header `traceparent` of W3C Trace Context.
///
/// ```
/// use tracing_tap::TraceContext;
///
/// let context = TraceContext::new(0x4bf92f3577b34da6a3ce929d0e0e4736, 0x00f067aa0ba902b7, 1).expect("no id is 0");
/// assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(context.span_id(), "00f067aa0ba902b7");
/// assert!(context.is_sampled());
/// assert_eq!(TraceContext::new(0, 1, 0), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Lower-case hexadecimal digits.
    trace_id: [u8; 32],
    span_id: [u8; 16],
    flags: u8,
}

/// Says which trace a thread is in. Given to [`TapRouterBuilder::trace_source`](crate::TapRouterBuilder::trace_source).
///
/// It is asked on the threads that log, but rarely: at the first event inside a span while an open session tests `trace_id`
/// or `span_id`, and at the first event inside a span that a session captures. Where nothing was active, a later event inside the
/// span asks again. An answer is kept with the span, so it must be the same for as long as the span is open.
///
/// ```
/// use tracing_subscriber::prelude::*;
/// use tracing_tap::{Item, TapRouter, TraceContext, TraceSource};
///
/// /// A program with one trace.
/// #[derive(Debug)]
/// struct OneTrace;
///
/// impl TraceSource for OneTrace {
///     fn active(&self) -> Option<TraceContext> {
///         TraceContext::new(0xabc, 0x7, 1)
///     }
/// }
///
/// let router = TapRouter::builder().trace_source(OneTrace).build();
/// tracing_subscriber::registry().with(router.layer()).init();
/// let mut stream = router.watch("trace_id $= abc")?;
/// tracing::info_span!("request").in_scope(|| tracing::debug!("accepted"));
/// let event = stream.drain().find_map(Item::into_event).expect("one event has matched");
/// assert_eq!(event.trace().expect("it is in a trace").span_id(), "0000000000000007");
/// # Ok::<_, tracing_tap::PredicateError>(())
/// ```
pub trait TraceSource: fmt::Debug + Send + Sync {
    /// The context that is active on this thread, if any. Must not log, lock or start anything: it runs in the middle of an
    /// event.
    fn active(&self) -> Option<TraceContext>;

    /// Whether [`active`](Self::active) may be asked during an event of this callsite; default yes.
    ///
    /// No for events that the library itself logs while it changes what is active.
    fn may_be_asked_during(&self, callsite: &Metadata<'_>) -> bool {
        let _ = callsite;
        true
    }

    /// Why no context was active in any span so far, for [coverage](crate::Coverage). `callsites` are those reached so far.
    fn why_none(&self, callsites: &[&'static Metadata<'static>]) -> String {
        let _ = callsites;
        "no trace was active in any span so far".to_owned()
    }
}

impl TraceContext {
    /// A context of these ids, whose lowest flag says that the trace is sampled; `None` if an id is 0, which stands for none.
    pub fn new(trace_id: u128, span_id: u64, flags: u8) -> Option<Self> {
        if trace_id == 0 || span_id == 0 {
            return None;
        }
        let (mut trace_digits, mut span_digits) = ([0; 32], [0; 16]);
        write_hex(&mut trace_digits, &trace_id.to_be_bytes());
        write_hex(&mut span_digits, &span_id.to_be_bytes());
        Some(Self { trace_id: trace_digits, span_id: span_digits, flags })
    }

    /// Reads ids as [`trace_id`](Self::trace_id) and [`span_id`](Self::span_id) write them; `None` if they are not.
    pub fn from_hex(trace_id: &str, span_id: &str, flags: u8) -> Option<Self> {
        let trace_number = u128::from_str_radix(trace_id, 16).ok()?;
        let span_number = u64::from_str_radix(span_id, 16).ok()?;
        let read = Self::new(trace_number, span_number, flags)?;
        (read.trace_id() == trace_id && read.span_id() == span_id).then_some(read)
    }

    /// The id of the trace: 32 hexadecimal digits in lower case.
    pub fn trace_id(&self) -> &str {
        text_of(&self.trace_id)
    }

    /// The id of the span: 16 hexadecimal digits in lower case.
    pub fn span_id(&self) -> &str {
        text_of(&self.span_id)
    }

    /// The trace flags of W3C Trace Context. 0 of a context that was read back from JSON, which does not carry them.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the trace is recorded, by [`flags`](Self::flags).
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// What predicates test of it, by name.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        let value = |text| ValueRef::Str(TextRef { text, cut: false });
        [(TRACE_ID, value(self.trace_id())), (SPAN_ID, value(self.span_id()))].into_iter()
    }
}

fn write_hex(out: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (digits, byte) in out.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Hexadecimal digits are text.
fn text_of(digits: &[u8]) -> &str {
    str::from_utf8(digits).unwrap_or_default()
}

/// As in `traceparent`.
impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({}-{}-{:02x})", self.trace_id(), self.span_id(), self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_only_as_they_are_written() {
        let context = TraceContext::new(0xa1, 0xb2, 1).unwrap();
        assert_eq!(TraceContext::from_hex(context.trace_id(), context.span_id(), 1), Some(context));
        let (trace_id, span_id) = (context.trace_id().to_uppercase(), context.span_id().to_owned());
        assert_eq!(TraceContext::from_hex(&trace_id, &span_id, 1), None, "upper case");
        assert_eq!(TraceContext::from_hex("a1", "b2", 1), None, "short");
        assert_eq!(TraceContext::from_hex(&"0".repeat(32), &span_id, 1), None, "no trace");
        assert_eq!(format!("{context:?}").len(), "TraceContext(--01)".len() + 48);
    }
}
