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
    /// Events that could match inside a span arrived outside any span. None of their target has matched inside one yet, so
    /// they may belong there: an accept loop, a periodic report.
    OutsideSpans {
        /// Their target.
        target: String,
        /// How many arrived while a session was open, at least; no more than 100 are counted of one callsite.
        events: u64,
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
            Self::OutsideSpans { target, events } => write!(
                f,
                "at least {} of target `{target}` arrived outside any span, where no span can make them match",
                counted(*events)
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
