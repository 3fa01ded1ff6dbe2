//! Static probes (USDT) of the provider `tracing_tap`, by which tools of the kernel see what sessions do.
//!
//! A probe is one `nop` in the code and a note in the ELF file about where its arguments are. Without the feature `usdt`, and on
//! systems without such probes, it is nothing.

#[cfg(feature = "usdt")]
macro_rules! at {
    ($name:ident, $argument:expr) => {
        probe::probe!(tracing_tap, $name, $argument)
    };
}

#[cfg(not(feature = "usdt"))]
macro_rules! at {
    ($name:ident, $argument:expr) => {
        let _ = $argument;
    };
}

/// A session was opened. Its number.
#[inline]
pub(crate) fn session_open(session: u64) {
    at!(session_open, session);
}

/// A session was closed. Its number.
#[inline]
pub(crate) fn session_close(session: u64) {
    at!(session_close, session);
}

/// An event, or the close of a span, has matched a session. The session's number.
#[inline]
pub(crate) fn matched(session: u64) {
    at!(matched, session);
}

/// A session has lost an event that it was to get. The session's number.
#[inline]
pub(crate) fn lost(session: u64) {
    at!(lost, session);
}

/// This thread has entered a span that a session with timings watches. The span's id.
#[inline]
pub(crate) fn scope_enter(span: u64) {
    at!(scope_enter, span);
}

/// This thread has left such a span. The span's id. Missing if no session was open any more.
#[inline]
pub(crate) fn scope_exit(span: u64) {
    at!(scope_exit, span);
}
