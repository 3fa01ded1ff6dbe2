//! Information about what a session can see, which needs no action.

use super::words::{Visible, counted};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// Information about what a session can see, which needs no action.
///
/// `Display` prints it in one line, with names escaped. Serialized as an object with the variant's name in snake case as
/// `note`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// The number of event callsites that can match: the predicate allows it, and nothing hides them.
    Callsites {
        /// The number of callsites that can match.
        can_match: usize,
        /// The number of callsites that have been reached.
        seen: usize,
    },
    /// No callsite seen so far declares this field. A callsite is seen when it is first reached.
    UnseenField {
        /// The tested field.
        field: String,
    },
    /// No callsite seen so far has the tested metadata.
    Unseen {
        /// The test: `@target`, `@span`, `@name` or `@file`.
        test: String,
        /// The text in the predicate.
        value: String,
    },
    /// Events arrived outside any span and cannot match there, although they could inside one. That may be intended: an
    /// accept loop, a periodic report. Either no event of their target has matched inside a span yet, or they belong to a
    /// library: their crate has no span that could make them match.
    OutsideSpans {
        /// Their target.
        target: String,
        /// How many arrived while a session was open, at least; no more than 100 are counted of one callsite.
        events: u64,
        /// The most severe level at which the same crate has spans that nobody enables, if it has any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spans: Option<String>,
    },
    /// Another layer or the session enables root spans of `tokio`. Events inside one are not inside the span that its task
    /// was spawned in, or that `block_on` was called in.
    RootSpans {
        /// The name of these spans.
        span: String,
        /// Their target.
        target: String,
    },
    /// No span callsite seen so far has the followed name.
    UnseenSpan {
        /// The name.
        span: String,
    },
    /// A span has been followed for so long that it is probably not one request. All events inside it belong to the session.
    FollowedForLong {
        /// The span's name.
        span: String,
        /// The time for which it has been followed, in seconds.
        seconds: u64,
    },
    /// No trace was active in any span so far, so events have no ids of one.
    NoTrace {
        /// Why, as the [trace source](crate::TraceSource::why_none) says.
        reason: String,
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
                "no callsite seen so far declares the field `{field}`; a callsite is seen when it is first reached"
            ),
            Self::Unseen { test, value } => {
                write!(f, "no callsite seen so far has `{test} = {value}`; a callsite is seen when it is first reached")
            }
            Self::OutsideSpans { target, events, spans } => {
                let counted = counted(*events);
                write!(
                    f,
                    "at least {counted} of target `{target}` arrived outside any span, so no span could make them match"
                )?;
                let Some(level) = spans else { return Ok(()) };
                write!(f, "; no layer enables the spans of their crate at {level}")?;
                if target.starts_with("tower_http") {
                    f.write_str(
                        ": to make them match, declare the tested field in a span with `TraceLayer`'s `make_span_with`",
                    )?;
                }
                Ok(())
            }
            Self::RootSpans { span, target } => write!(
                f,
                "the spans `{span}` of target `{target}` are roots: events in a task, or in `block_on`, are not inside the \
                 span around it; attach the span with `.instrument(span)` or `.in_current_span()`"
            ),
            Self::NoTrace { reason } => f.write_str(reason),
            Self::UnseenSpan { span } => write!(
                f,
                "no span `{span}` was seen so far, so nothing is followed; a callsite is seen when it is first reached"
            ),
            Self::FollowedForLong { span, seconds } => write!(
                f,
                "the span `{span}` has been followed for {seconds} s, and all events inside it belong to the session: if it \
                 is not a request, follow a span inside it by name"
            ),
        }
    }
}
