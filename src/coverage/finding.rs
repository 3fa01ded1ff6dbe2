//! The causes that keep matching events from a session.

use crate::value::Shape;
use serde::{Deserialize, Serialize};

/// A cause that keeps matching events from a session, or shows them without their spans.
///
/// `Display` names the cause and the remedy in one line, with names escaped. Serialized as an object with the variant's
/// name in snake case as `finding`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// The router's layer is in no subscriber that the router knows of.
    NotInstalled,
    /// The system could not start the control thread, so callsites may not learn of sessions.
    NoControlThread,
    /// No event can satisfy the predicate.
    NeverMatches,
    /// No event callsite seen so far can match, and no other finding explains it.
    NothingMatches {
        /// The number of event callsites that have been reached.
        seen: usize,
    },
    /// The rebuild of the callsites' interest has not finished, because another layer delays it.
    RebuildPending,
    /// Levels more verbose than this were compiled out of the service (`max_level_*` features of `tracing`).
    CompiledOut {
        /// The most verbose remaining level.
        max_level: String,
    },
    /// A filter that is a layer of its own disables events for all layers.
    HiddenByGlobalFilter {
        /// The most severe hidden level.
        level: String,
        /// The target; `None`: every target that was tried.
        target: Option<String>,
    },
    /// A filter around the router's layer hides events or spans from it.
    HiddenFromLayer {
        /// The most severe hidden level.
        level: String,
        /// The hidden things: `events` or `spans`.
        what: String,
        /// The target; `None`: every target that was tried.
        target: Option<String>,
    },
    /// Another layer's most verbose level hides a level that the router wants, since `tracing` does not ask the router's layer.
    LevelHidden {
        /// The most severe hidden level.
        level: String,
    },
    /// Events were enabled repeatedly and never arrived: another layer's `event_enabled` returns false.
    RefusedByLayer {
        /// The most severe level of these events.
        level: String,
        /// Their target.
        target: String,
        /// The number of callsites of the target concerned.
        callsites: usize,
    },
    /// The predicate tests a field with the name of a metadata test: `level` for `@level`.
    MetadataAsField {
        /// The tested field, which no callsite declares.
        field: String,
        /// The test that was probably meant.
        near: String,
    },
    /// No callsite seen so far declares the tested field, but one declares a field of a similar name.
    MisspeltField {
        /// The tested field.
        field: String,
        /// The declared field.
        near: String,
    },
    /// No callsite seen so far has the tested metadata, but one has a similar text.
    MisspeltMetadata {
        /// The test: `@target`, `@span`, `@name` or `@file`.
        test: String,
        /// The text in the predicate.
        value: String,
        /// The similar text of a callsite.
        near: String,
    },
    /// The values seen so far have a shape for which the test can never be true.
    ValueShape {
        /// The tested field.
        field: String,
        /// The shapes of its values.
        shapes: Vec<Shape>,
    },
    /// The tested field is redacted: no test of it is ever true.
    RedactedField {
        /// The tested field.
        field: String,
    },
    /// The service denies the tested target: the router captures nothing of it.
    DeniedTarget {
        /// The tested target.
        target: String,
    },
    /// Tested or followed spans do not exist: neither the router, nor the session, nor another layer enables their level.
    SpanNotEnabled {
        /// The span's name.
        span: String,
        /// Its target.
        target: String,
        /// Its level.
        level: String,
        /// The tested field that it declares; `None` if its name is tested or followed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// Tested or followed spans are tracked only while a session is open, so older ones are invisible.
    SpanTooVerbose {
        /// The span's name.
        span: String,
        /// Its target.
        target: String,
        /// Its level.
        level: String,
        /// The tested field that it declares; `None` if its name is tested or followed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// Spans were created before their request matched, and so left out: events inside them are shown without them.
    SpanLeftOut {
        /// The span's name.
        span: String,
        /// Its target.
        target: String,
        /// Its level.
        level: String,
    },
    /// Spans declare a tested field that the router's `capture_fields` excludes.
    FieldNotCaptured {
        /// The tested field.
        field: String,
    },
    /// Events arrived outside any span, where they cannot match. Inside a span they could, and other events of their target
    /// were inside one with a tested field.
    OutsideSpans {
        /// Their target.
        target: String,
        /// How many arrived while a session was open, at least; no more than 100 are counted of one callsite.
        events: u64,
        /// The most severe level at which the same crate has spans that nobody enables, if it has any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spans: Option<String>,
    },
    /// Events arrived outside any span, so sampling and following treat each one by itself. The same crate has spans that
    /// nobody enables.
    OutsideRequests {
        /// Their target.
        target: String,
        /// How many arrived while a session was open, at least; no more than 100 are counted of one callsite.
        events: u64,
        /// The most severe level of the spans that nobody enables.
        spans: String,
    },
    /// Events of a callsite arrived outside any span, although others of it were inside spans with a tested field: most
    /// likely the work was spawned without its span. [`detached`](crate::context::detached) says that it is meant.
    LostContext {
        /// Their target.
        target: String,
        /// The source file of the callsite.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// The line in the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u32>,
        /// How many arrived so while a session was open; no more than 100 are counted.
        events: u64,
        /// Where such a task was spawned: `src/mail.rs:31:9`. Known with the feature `tokio`, `--cfg tokio_unstable`, and
        /// `note_spawn` of [`context`](crate::context) as the runtime's hook.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spawned_at: Option<String>,
        /// The name of the span that it was spawned in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spawned_in: Option<String>,
    },
    /// A guard of a span was held across `.await`: what ran next on the thread was inside that span, whatever it belongs to.
    GuardAcrossAwait {
        /// The span's name.
        span: String,
        /// Its target.
        target: String,
        /// The source file of its callsite.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// The line in the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u32>,
    },
    /// A root span only follows from a span that could match, so the events inside it are not inside that span.
    FollowsFrom {
        /// The root span's name.
        span: String,
        /// Its target.
        target: String,
        /// The span it follows from.
        from: String,
    },
    /// No event callsite seen so far can match. Records of the `log` crate may match: they have no callsite.
    LogRecordsAlone,
    /// No record of the `log` crate can arrive, because no bridge forwards them to `tracing`.
    NoLogRecords,
    /// The router's layer is in a subscriber more than once, so each event is captured more than once.
    InstalledTwice,
    /// The ids of a trace are tested, and no trace was active in any span so far.
    NoTrace {
        /// Why, as the [trace source](crate::TraceSource::why_none) says.
        reason: String,
    },
}

impl Finding {
    /// Its scope: the lower the rank, the more events it hides.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::NotInstalled | Self::NoControlThread | Self::NeverMatches | Self::NothingMatches { .. } => 0,
            Self::RebuildPending
            | Self::CompiledOut { .. }
            | Self::HiddenByGlobalFilter { .. }
            | Self::HiddenFromLayer { .. }
            | Self::LevelHidden { .. }
            | Self::RefusedByLayer { .. } => 1,
            Self::MetadataAsField { .. }
            | Self::MisspeltField { .. }
            | Self::MisspeltMetadata { .. }
            | Self::ValueShape { .. }
            | Self::RedactedField { .. }
            | Self::DeniedTarget { .. }
            | Self::NoTrace { .. } => 2,
            Self::SpanNotEnabled { .. }
            | Self::SpanTooVerbose { .. }
            | Self::SpanLeftOut { .. }
            | Self::FieldNotCaptured { .. } => 3,
            Self::OutsideSpans { .. }
            | Self::OutsideRequests { .. }
            | Self::LostContext { .. }
            | Self::GuardAcrossAwait { .. }
            | Self::FollowsFrom { .. }
            | Self::LogRecordsAlone
            | Self::NoLogRecords
            | Self::InstalledTwice => 4,
        }
    }

    /// Whether it alone explains that nothing can match.
    pub(crate) fn is_reason_for_nothing(&self) -> bool {
        self.rank() <= 3
    }

    /// The target of the callsites that it names; `None` if it names only what the predicate has.
    pub(crate) fn target_of_callsite(&self) -> Option<&str> {
        match self {
            Self::RefusedByLayer { target, .. }
            | Self::SpanNotEnabled { target, .. }
            | Self::SpanTooVerbose { target, .. }
            | Self::SpanLeftOut { target, .. }
            | Self::OutsideSpans { target, .. }
            | Self::OutsideRequests { target, .. }
            | Self::LostContext { target, .. }
            | Self::GuardAcrossAwait { target, .. }
            | Self::FollowsFrom { target, .. } => Some(target),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_most_comes_first_and_explains_why_nothing_matches() {
        let ranked = [
            Finding::NotInstalled,
            Finding::RebuildPending,
            Finding::NoTrace { reason: String::new() },
            Finding::FieldNotCaptured { field: "user".to_owned() },
            Finding::InstalledTwice,
        ];
        assert_eq!(ranked.each_ref().map(Finding::rank), [0, 1, 2, 3, 4]);
        assert_eq!(ranked.each_ref().map(Finding::is_reason_for_nothing), [true, true, true, true, false]);
        assert!(ranked.iter().all(|finding| finding.target_of_callsite().is_none()));
        let [span, target, from] = ["job", "jobs", "request"].map(str::to_owned);
        assert_eq!(Finding::FollowsFrom { span, target, from }.target_of_callsite(), Some("jobs"));
    }
}
