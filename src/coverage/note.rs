//! What is worth knowing about what a session can see, and nothing to worry about.

use super::words::{Visible, counted};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// Something worth knowing about what a session can see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// How many of the event callsites seen so far can match: the predicate allows it, and nothing hides them.
    Callsites {
        /// Those that can match.
        can_match: usize,
        /// All that have been reached.
        seen: usize,
    },
    /// No callsite seen so far declares this field. Callsites are seen when they are first reached.
    UnseenField {
        /// The field the predicate tests.
        field: String,
    },
    /// No callsite seen so far has what `@target`, `@span`, `@name` or `@file` asks for.
    Unseen {
        /// The test: `@target`, `@span`, `@name` or `@file`.
        test: String,
        /// What it asks for.
        value: String,
    },
    /// Events that could match inside a span arrived outside any span, and may belong there: an accept loop, a periodic
    /// report. Either no event of their target has matched inside a span yet, or their crate has no span that could make
    /// them match: they are a library's.
    OutsideSpans {
        /// Their target.
        target: String,
        /// How many arrived while a session was open, at least; no more than 100 are counted of one callsite.
        events: u64,
        /// The most severe level at which the same crate has spans that nobody enables, if it has any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spans: Option<String>,
    },
    /// `tokio` makes root spans, since another layer or the session enables them. What happens in one is not inside the
    /// span that its task was spawned in, or that `block_on` was called in.
    RootSpans {
        /// The name of these spans.
        span: String,
        /// Their target.
        target: String,
    },
    /// No span callsite seen so far has the name that is followed.
    UnseenSpan {
        /// The name.
        span: String,
    },
    /// A span has been followed for so long that it is hardly one request: everything that happens in it belongs to the
    /// session.
    FollowedForLong {
        /// The span's name.
        span: String,
        /// For how long.
        seconds: u64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Visible(f))
    }
}

impl Note {
    fn write(&self, f: &mut Visible<'_, '_>) -> fmt::Result {
        match self {
            Self::Callsites { can_match, seen } => {
                write!(f, "{can_match} of {seen} event callsites seen so far can match")
            }
            Self::UnseenField { field } => write!(
                f,
                "no callsite seen so far declares a field `{field}`; callsites are seen when they are first reached"
            ),
            Self::Unseen { test, value } => {
                write!(f, "nothing seen so far has `{test} = {value}`; callsites are seen when they are first reached")
            }
            Self::OutsideSpans { target, events, spans } => {
                let counted = counted(*events);
                write!(
                    f,
                    "at least {counted} of target `{target}` arrived outside any span, where no span can make them match"
                )?;
                let Some(level) = spans else { return Ok(()) };
                write!(f, "; the spans of their crate at {level} are enabled by nobody")?;
                if target.starts_with("tower_http") {
                    f.write_str(
                        ": to have them match, declare the tested field in a span by `TraceLayer`'s `make_span_with`",
                    )?;
                }
                Ok(())
            }
            Self::RootSpans { span, target } => write!(
                f,
                "the spans `{span}` of target `{target}` are roots: what happens in a task, or in `block_on`, is not inside \
                 the span around it; give that code its span with `.instrument(span)` or `.in_current_span()`"
            ),
            Self::UnseenSpan { span } => write!(
                f,
                "no span `{span}` was seen so far, so nothing is followed; callsites are seen when they are first reached"
            ),
            Self::FollowedForLong { span, seconds } => write!(
                f,
                "the span `{span}` has been followed for {seconds} s, and everything that happens in it belongs to the \
                 session: if it is no request, follow a span inside it by its name"
            ),
        }
    }
}
