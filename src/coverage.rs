//! Why a session sees nothing, or not all: what was found, said so that one can act on it.

use crate::predicate::visible;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// What a session can and cannot see, at the moment it was asked for.
///
/// A *finding* is something that keeps matching events from the session, with what to do about it. A *note* is worth
/// knowing and nothing to worry about. Got from [`EventStream::coverage`](crate::EventStream::coverage) and
/// [`TapRouter::coverage`](crate::TapRouter::coverage); `Display` is for people.
///
/// ```
/// use tracing_tap::{Finding, Predicate, TapRouter};
///
/// // Nobody has put the router's layer into a subscriber.
/// let coverage = TapRouter::new().coverage(&Predicate::eq("user", 42));
/// assert!(!coverage.is_clear());
/// assert_eq!(coverage.findings()[0], Finding::NotInstalled);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Vec<Note>,
}

/// Something that keeps matching events from a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// No layer of the router is in a subscriber that it knows of.
    NotInstalled,
    /// The control thread could not be started, so callsites never learn of sessions.
    NoControlThread,
    /// Callsites are still being asked; another layer holds them up.
    RebuildPending,
    /// The predicate can be true of no event.
    NeverMatches,
    /// Levels more verbose than this were compiled out of the service (`max_level_*` features of `tracing`).
    CompiledOut {
        /// The most verbose level that is left.
        max_level: String,
    },
    /// A filter that is a layer of its own disables events for everyone.
    HiddenByGlobalFilter {
        /// The most severe level that is hidden.
        level: String,
        /// Of which target; none: of every target that was tried.
        target: Option<String>,
    },
    /// A filter around the router's layer withholds what it disables.
    WithheldFromLayer {
        /// The most severe level that is withheld.
        level: String,
        /// What is withheld: `events` or `spans`.
        what: String,
        /// Of which target; none: of every target that was tried.
        target: Option<String>,
    },
    /// `tracing` was told that nobody wants this level, though the router does: a layer of the stack speaks for others.
    LevelHidden {
        /// The most severe level that is hidden.
        level: String,
    },
    /// Spans that declare a tested field are not tracked while no session is open, so those already open cannot match.
    SpanTooVerbose {
        /// The span's name.
        span: String,
        /// Its target.
        target: String,
        /// Its level.
        level: String,
        /// The tested field it declares.
        field: String,
    },
    /// Spans of the name that is followed are not tracked while no session is open, so those already open cannot be.
    FollowedSpanTooVerbose {
        /// The span's name.
        span: String,
        /// Its target.
        target: String,
        /// Its level.
        level: String,
    },
    /// Spans declare a tested field, but the router keeps only the fields it was told to capture.
    FieldNotCaptured {
        /// The field the predicate tests.
        field: String,
    },
    /// No callsite seen so far declares this field, but one declares a field with nearly that name.
    MisspeltField {
        /// The field the predicate tests.
        field: String,
        /// The field that is declared.
        near: String,
    },
    /// The field is redacted: no test is ever true of it.
    RedactedField {
        /// The field the predicate tests.
        field: String,
    },
    /// The router captures nothing of this target, whatever a session asks.
    DeniedTarget {
        /// The target the predicate tests.
        target: String,
    },
}

/// Something worth knowing about what a session can see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// How many of the event callsites seen so far can match, by their level and target.
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
    /// No span callsite seen so far has the name that is followed.
    UnseenSpan {
        /// The name.
        span: String,
    },
    /// A span has been followed for long, so that it is hardly one request: all that happens in it belongs to the
    /// session.
    FollowedForLong {
        /// The span's name.
        span: String,
        /// For how long.
        seconds: u64,
    },
}

impl Coverage {
    /// Whether nothing was found that keeps matching events from the session.
    pub fn is_clear(&self) -> bool {
        self.findings.is_empty()
    }

    /// What keeps matching events from the session, the most far-reaching first.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What is worth knowing besides.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut line = |f: &mut fmt::Formatter<'_>, text: &dyn fmt::Display| {
            let newline = if std::mem::take(&mut first) { "" } else { "\n" };
            write!(f, "{newline}{text}")
        };
        for finding in &self.findings {
            line(f, finding)?;
        }
        for note in &self.notes {
            line(f, note)?;
        }
        Ok(())
    }
}

/// Names that a predicate has made up are shown like those of callsites, without what a terminal obeys.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Visible(f))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Visible(f))
    }
}

/// Escapes what is hidden of all that is written to it.
struct Visible<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Visible<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&visible(text))
    }
}

impl Finding {
    fn write(&self, f: &mut Visible<'_, '_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str(
                "nothing can match: the router's layer is in no subscriber; add `.with(router.layer())` to the registry",
            ),
            Self::NoControlThread => f.write_str(
                "nothing may match: the system refused to start a thread; the next session tries again",
            ),
            Self::RebuildPending => f.write_str(
                "not everything may match yet: callsites are still being asked, and another layer holds them up",
            ),
            Self::NeverMatches => f.write_str("nothing can match: the predicate is true of no event"),
            Self::CompiledOut { max_level } => write!(
                f,
                "events more verbose than {max_level} were compiled out: build without the `max_level_*` features of `tracing`"
            ),
            Self::HiddenByGlobalFilter { level, target } => {
                write_what(f, "events", level, target.as_deref())?;
                f.write_str(
                    " are hidden by a global filter: a filter that is a layer of its own disables them for everyone; \
                     make it the filter of the layer it is for, `fmt::layer().with_filter(filter)`",
                )
            }
            Self::WithheldFromLayer { level, what, target } => write_withheld(f, level, what, target.as_deref()),
            Self::LevelHidden { level } => write!(
                f,
                "events at {level} are hidden by another layer's most verbose level: where layers are joined by \
                 `.and_then(..)` only the last is asked for its own; add each to the registry with `.with(..)`"
            ),
            Self::SpanTooVerbose { span, target, level, field } => write_too_verbose(f, [span, target, level, field]),
            Self::FollowedSpanTooVerbose { span, target, level } => write!(
                f,
                "spans `{span}` of target `{target}` are {level}: those that were opened while no session was open cannot \
                 be followed; build the router with `span_level(LevelFilter::{level})`"
            ),
            Self::FieldNotCaptured { field } => write!(
                f,
                "the field `{field}` of spans is not kept: name it in `capture_fields` where the router is built"
            ),
            Self::MisspeltField { field, near } => {
                write!(f, "no callsite seen so far declares a field `{field}`: did you mean `{near}`?")
            }
            Self::RedactedField { field } => write!(f, "the field `{field}` is redacted: no test is ever true of it"),
            Self::DeniedTarget { target } => {
                write!(f, "events of target `{target}` are denied by the service: no session captures them")
            }
        }
    }
}

fn write_what(f: &mut Visible<'_, '_>, what: &str, level: &str, target: Option<&str>) -> fmt::Result {
    write!(f, "{what} at {level}")?;
    target.map_or(Ok(()), |target| write!(f, " of target `{target}`"))
}

fn write_withheld(f: &mut Visible<'_, '_>, level: &str, what: &str, target: Option<&str>) -> fmt::Result {
    write_what(f, what, level, target)?;
    f.write_str(" are withheld by a filter around the router's layer")?;
    if what == "spans" {
        f.write_str(", and events in them may be taken for events of the span around, perhaps somebody else's")?;
    }
    f.write_str(": install `router.layer()` without `with_filter`")
}

fn write_too_verbose(f: &mut Visible<'_, '_>, [span, target, level, field]: [&str; 4]) -> fmt::Result {
    write!(
        f,
        "spans `{span}` of target `{target}` declare `{field}` but are {level}: those that were opened while no session \
         was open cannot match; build the router with `span_level(LevelFilter::{level})`"
    )?;
    if target.starts_with("tower_http") {
        f.write_str(", or give the spans of `TraceLayer` another level with `make_span_with`")?;
    }
    Ok(())
}

impl Note {
    fn write(&self, f: &mut Visible<'_, '_>) -> fmt::Result {
        match self {
            Self::Callsites { can_match, seen } => {
                write!(f, "{can_match} of {seen} event callsites seen so far can match by level and target")
            }
            Self::UnseenField { field } => write!(
                f,
                "no callsite seen so far declares a field `{field}`; callsites are seen when they are first reached"
            ),
            Self::UnseenSpan { span } => write!(
                f,
                "no span `{span}` was seen so far, so nothing is followed; callsites are seen when they are first reached"
            ),
            Self::FollowedForLong { span, seconds } => write!(
                f,
                "the span `{span}` has been followed for {seconds} s, and all that happens in it belongs to the session: \
                 if it is no request, follow a span inside it by its name"
            ),
        }
    }
}
