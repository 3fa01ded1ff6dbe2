//! The texts of findings, each with its remedy.

use super::Finding;
use crate::predicate::visible;
use crate::value::Shape;
use std::fmt::{self, Write};

/// Names from the predicate and from callsites are escaped.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Visible(f))
    }
}

/// Escapes the hidden characters of all text written to it.
pub(super) struct Visible<'a, 'f>(pub(super) &'a mut fmt::Formatter<'f>);

impl fmt::Write for Visible<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&visible(text))
    }
}

impl Finding {
    fn write(&self, f: &mut Visible<'_, '_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str(
                "the router's layer is in no subscriber: add `.with(router.layer())` to the registry",
            ),
            Self::NoControlThread => f.write_str(
                "the system could not start a thread, so callsites may not learn of the session; the next session tries \
                 again",
            ),
            Self::NoTrace { reason } => f.write_str(reason),
            Self::NeverMatches => f.write_str("no event can satisfy the predicate"),
            Self::NothingMatches { seen: 0 } => f.write_str(
                "no event callsite has been reached yet; a callsite is seen when it is first reached",
            ),
            Self::NothingMatches { seen } => write!(
                f,
                "none of the {seen} event callsites seen so far can match; a callsite is seen when it is first reached"
            ),
            Self::RebuildPending => {
                f.write_str("the rebuild of the callsites' interest has not finished, another layer delays it: ask again")
            }
            Self::InstalledTwice => f.write_str(
                "the router's layer is in one subscriber more than once, so each event is captured more than once: add \
                 `.with(router.layer())` once",
            ),
            Self::LogRecordsAlone => f.write_str(
                "none of the event callsites seen so far can match; records of the `log` crate may, since they have no \
                 callsite",
            ),
            Self::NoLogRecords => f.write_str(
                "records of the `log` crate do not arrive: no bridge forwards them to `tracing`; call \
                 `tracing_log::LogTracer::init()` at start, as `.init()` of `tracing-subscriber` does by default",
            ),
            Self::CompiledOut { .. }
            | Self::HiddenByGlobalFilter { .. }
            | Self::HiddenFromLayer { .. }
            | Self::LevelHidden { .. }
            | Self::RefusedByLayer { .. } => self.write_hidden(f),
            Self::SpanNotEnabled { .. }
            | Self::SpanTooVerbose { .. }
            | Self::SpanLeftOut { .. }
            | Self::OutsideSpans { .. }
            | Self::OutsideRequests { .. }
            | Self::FollowsFrom { .. } => self.write_of_spans(f),
            Self::LostContext { .. } | Self::GuardAcrossAwait { .. } => self.write_of_context(f),
            _ => self.write_of_tests(f),
        }
    }

    /// Events and spans hidden by the service or by another layer.
    fn write_hidden(&self, f: &mut Visible<'_, '_>) -> fmt::Result {
        match self {
            Self::CompiledOut { max_level } => write!(
                f,
                "events more verbose than {max_level} were compiled out: build without the `max_level_*` features of `tracing`"
            ),
            Self::HiddenByGlobalFilter { level, target } => {
                write_what(f, "events", level, target.as_deref())?;
                f.write_str(
                    " are hidden by a global filter: a filter that is a layer of its own disables them for all layers; \
                     attach it to the layer it is meant for, `fmt::layer().with_filter(filter)`",
                )
            }
            Self::HiddenFromLayer { level, what, target } => write_hidden_from_layer(f, level, what, target.as_deref()),
            Self::LevelHidden { level } => write!(
                f,
                "events at {level} are hidden by another layer's most verbose level: of layers joined by `.and_then(..)` \
                 only the last is asked for its level; add each to the registry with `.with(..)`"
            ),
            Self::RefusedByLayer { level, target, callsites } => {
                write_what(f, "events", level, Some(target))?;
                write!(
                    f,
                    " were enabled and never arrived ({callsites} {}): the `event_enabled` of another layer rejects them for \
                     all layers; let it reject in `on_event`, or make it a filter with `with_filter`",
                    if *callsites == 1 { "callsite" } else { "callsites" }
                )
            }
            _ => Ok(()),
        }
    }

    /// Spans that do not supply the tested fields or names.
    fn write_of_spans(&self, f: &mut Visible<'_, '_>) -> fmt::Result {
        match self {
            Self::SpanNotEnabled { span, target, level, field } => {
                write_span(f, [span, target, level], field.as_deref())?;
                write!(
                    f,
                    ", and no layer enables them: open the session with `spans={}` (`SessionOptions::spans`), or build the \
                     router with `span_level(LevelFilter::{level})`",
                    level.to_lowercase()
                )?;
                write_trace_layer(f, target)
            }
            Self::SpanTooVerbose { span, target, level, field } => {
                write_span(f, [span, target, level], field.as_deref())?;
                write!(
                    f,
                    ", and those created while no session was open are invisible: build the router with \
                     `span_level(LevelFilter::{level})`"
                )?;
                write_trace_layer(f, target)
            }
            Self::SpanLeftOut { span, target, level } => write!(
                f,
                "spans `{span}` of target `{target}` were created before their request matched, so its events are shown \
                 without them: record the tested field before they are created, give them `parent: &span`, fall back with \
                 `.or_current()`, or build the router with `span_level(LevelFilter::{level})`"
            ),
            Self::OutsideSpans { target, events, spans } => {
                write!(
                    f,
                    "at least {} of target `{target}` arrived outside any span, so no span could make them match: attach \
                     the span to spawned tasks with `.instrument(span)` or `.in_current_span()`",
                    counted(*events)
                )?;
                spans.as_ref().map_or(Ok(()), |level| {
                    write!(
                        f,
                        "; or open the session with `spans={}`, since their crate's spans at that level are not enabled",
                        level.to_lowercase()
                    )
                })
            }
            Self::OutsideRequests { target, events, spans } => write!(
                f,
                "at least {} of target `{target}` arrived outside any span, so each is sampled and followed by itself: open \
                 the session with `spans={}`, since their crate's spans at that level are not enabled",
                counted(*events),
                spans.to_lowercase()
            ),
            Self::FollowsFrom { span, target, from } => write!(
                f,
                "spans `{span}` of target `{target}` only follow from `{from}`, so events in them are not inside it: \
                 create them with `parent: &span`, or give them the tested field"
            ),
            _ => Ok(()),
        }
    }

    /// Context that got lost, or that is another's.
    fn write_of_context(&self, f: &mut Visible<'_, '_>) -> fmt::Result {
        match self {
            Self::LostContext { target, file, line, events, spawned_at, spawned_in } => {
                write_lost(f, target, Location { file, line: *line }, *events)?;
                if let (Some(at), Some(span)) = (spawned_at, spawned_in) {
                    write!(f, ", in a task spawned at {at} in the span `{span}`")?;
                }
                f.write_str(
                    ": likely a `spawn` without `.instrument(..)`/`.in_current_span()`; if it is meant, mark the work with \
                     `.detached()`",
                )
            }
            Self::GuardAcrossAwait { span, target, file, line } => {
                write!(f, "a guard of the span `{span}` of target `{target}`")?;
                Location { file, line: *line }.write(f)?;
                f.write_str(
                    " is held across `.await`, so events of other tasks are shown inside that span: use `.instrument(span)` \
                     in place of `span.enter()`",
                )
            }
            _ => Ok(()),
        }
    }

    /// Tests that can never be true.
    fn write_of_tests(&self, f: &mut Visible<'_, '_>) -> fmt::Result {
        match self {
            Self::MetadataAsField { field, near } => write!(
                f,
                "no callsite seen so far declares the field `{field}`: did you mean `{near}`, which tests the event itself?"
            ),
            Self::MisspeltField { field, near } => {
                write!(f, "no callsite seen so far declares the field `{field}`: did you mean `{near}`?")
            }
            Self::MisspeltMetadata { test, value, near } => {
                write!(f, "no callsite seen so far has `{test} = {value}`: did you mean `{near}`?")
            }
            Self::ValueShape { field, shapes } => {
                write!(f, "the test of `{field}` cannot be true of the values seen so far, which are ")?;
                write_shapes(f, shapes)?;
                write!(f, ": search their text with `{field} *= ..`, or record the bare value in the service")
            }
            Self::FieldNotCaptured { field } => {
                write!(f, "the field `{field}` of spans is not kept: add it to the router's `capture_fields`")
            }
            Self::RedactedField { field } => write!(f, "the field `{field}` is redacted: no test of it is ever true"),
            Self::DeniedTarget { target } => {
                write!(f, "the service denies events of target `{target}`: no session captures them")
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn counted(events: u64) -> String {
    if events == 1 { "1 event".to_owned() } else { format!("{events} events") }
}

/// A place in the sources, as far as a callsite records it.
#[derive(Clone, Copy)]
pub(super) struct Location<'a> {
    pub(super) file: &'a Option<String>,
    pub(super) line: Option<u32>,
}

impl Location<'_> {
    fn write(self, f: &mut Visible<'_, '_>) -> fmt::Result {
        let Some(file) = self.file else { return Ok(()) };
        write!(f, " at {file}")?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// Events of a callsite outside any span although others are inside.
pub(super) fn write_lost(f: &mut Visible<'_, '_>, target: &str, location: Location<'_>, events: u64) -> fmt::Result {
    write!(f, "at least {} of target `{target}`", counted(events))?;
    location.write(f)?;
    f.write_str(" arrived outside any span, and others of that callsite inside spans with a tested field")
}

fn write_what(f: &mut Visible<'_, '_>, what: &str, level: &str, target: Option<&str>) -> fmt::Result {
    write!(f, "{what} at {level}")?;
    target.map_or(Ok(()), |target| write!(f, " of target `{target}`"))
}

fn write_hidden_from_layer(f: &mut Visible<'_, '_>, level: &str, what: &str, target: Option<&str>) -> fmt::Result {
    write_what(f, what, level, target)?;
    f.write_str(" are kept from the router's layer by a filter around it")?;
    if what == "spans" {
        f.write_str(", and events in them may be attributed to the span around, perhaps another user's")?;
    }
    f.write_str(": install `router.layer()` without `with_filter`")
}

fn write_span(f: &mut Visible<'_, '_>, [span, target, level]: [&str; 3], field: Option<&str>) -> fmt::Result {
    write!(f, "spans `{span}` of target `{target}` ")?;
    match field {
        Some(field) => write!(f, "declare `{field}` but are {level}"),
        None => write!(f, "are {level}"),
    }
}

fn write_trace_layer(f: &mut Visible<'_, '_>, target: &str) -> fmt::Result {
    if !target.starts_with("tower_http") {
        return Ok(());
    }
    f.write_str(", or give the spans of `TraceLayer` another level with `make_span_with`")
}

fn write_shapes(f: &mut Visible<'_, '_>, shapes: &[Shape]) -> fmt::Result {
    for (index, shape) in shapes.iter().enumerate() {
        write!(f, "{}{shape}", if index == 0 { "" } else { " and " })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_says_what_it_is() {
        let reason = "no layer of tracing-opentelemetry".to_owned();
        for (finding, words) in [
            (Finding::NotInstalled, "the router's layer is in no subscriber"),
            (Finding::NoControlThread, "could not start a thread"),
            (Finding::NoTrace { reason: reason.clone() }, &*reason),
            (Finding::NeverMatches, "no event can satisfy the predicate"),
            (Finding::NothingMatches { seen: 0 }, "no event callsite has been reached"),
            (Finding::NothingMatches { seen: 7 }, "none of the 7 event callsites"),
            (Finding::RebuildPending, "has not finished"),
            (Finding::InstalledTwice, "more than once"),
            (Finding::LogRecordsAlone, "records of the `log` crate may"),
            (Finding::NoLogRecords, "no bridge forwards them"),
            (Finding::CompiledOut { max_level: "INFO".to_owned() }, "more verbose than INFO were compiled out"),
        ] {
            assert!(finding.to_string().contains(words), "{finding:?}: {finding}");
        }
    }

    #[test]
    fn one_event_is_no_plural() {
        assert_eq!([0, 1, 2].map(counted), ["0 events", "1 event", "2 events"]);
    }
}
