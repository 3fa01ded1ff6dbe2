//! What keeps matching events from a session.

use crate::value::Shape;
use serde::{Deserialize, Serialize};

/// Something that keeps matching events from a session, or shows them wrongly. `Display` says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// No layer of the router is in a subscriber that it knows of.
    NotInstalled,
    /// The control thread could not be started, so callsites never learn of sessions.
    NoControlThread,
    /// The predicate can be true of no event.
    NeverMatches,
    /// No event callsite seen so far can match, and no other finding says why.
    NothingMatches {
        /// How many event callsites have been reached.
        seen: usize,
    },
    /// Callsites are still being asked; another layer holds them up.
    RebuildPending,
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
    /// A filter around the router's layer keeps what it disables from the layer.
    WithheldFromLayer {
        /// The most severe level that is kept from it.
        level: String,
        /// What is kept from it: `events` or `spans`.
        what: String,
        /// Of which target; none: of every target that was tried.
        target: Option<String>,
    },
    /// `tracing` was told that nobody wants this level, though the router does: a layer of the stack speaks for others.
    LevelHidden {
        /// The most severe level that is hidden.
        level: String,
    },
    /// Events were enabled again and again and never arrived: another layer's `event_enabled` answers no.
    RefusedByLayer {
        /// The most severe level of these events.
        level: String,
        /// Their target.
        target: String,
        /// How many callsites of the target it concerns.
        callsites: usize,
    },
    /// A field is tested that has the name of a test of metadata: `level` for `@level`.
    MetadataAsField {
        /// The field the predicate tests, which no callsite declares.
        field: String,
        /// The test that was probably meant.
        near: String,
    },
    /// No callsite seen so far declares this field, but one declares a field with nearly that name.
    MisspeltField {
        /// The field the predicate tests.
        field: String,
        /// The field that is declared.
        near: String,
    },
    /// No callsite seen so far has what a test of metadata asks for, but one has nearly that.
    MisspeltMetadata {
        /// The test: `@target`, `@span`, `@name` or `@file`.
        test: String,
        /// What it asks for.
        value: String,
        /// What there is.
        near: String,
    },
    /// The values seen so far are of a kind that a test can never be true of.
    ValueShape {
        /// The field the predicate tests.
        field: String,
        /// What its values are like.
        shapes: Vec<Shape>,
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
    /// Spans that are tested or followed do not exist: they are more verbose than what anybody enables.
    SpanNotEnabled {
        /// The span's name.
        span: String,
        /// Its target.
        target: String,
        /// Its level.
        level: String,
        /// The tested field it declares; none where its name is tested or followed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// Spans that are tested or followed are only tracked while a session is open, so older ones are invisible.
    SpanTooVerbose {
        /// The span's name.
        span: String,
        /// Its target.
        target: String,
        /// Its level.
        level: String,
        /// The tested field it declares; none where its name is tested or followed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// Spans were left out before it was known that their request matches, so events in them are shown without them.
    SpanLeftOut {
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
    /// Events that could match inside a span arrived outside any span, where they cannot. Other events of their target have
    /// matched inside one.
    OutsideSpans {
        /// Their target.
        target: String,
        /// How many arrived while a session was open, at least; no more than 100 are counted of one callsite.
        events: u64,
        /// The most severe level at which the same crate has spans that nobody enables, if it has any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spans: Option<String>,
    },
    /// Events arrived outside any span, where sampling and following have no request to go by, while the same crate has
    /// spans that nobody enables.
    OutsideRequests {
        /// Their target.
        target: String,
        /// How many arrived while a session was open, at least; no more than 100 are counted of one callsite.
        events: u64,
        /// The most severe level of the spans that nobody enables.
        spans: String,
    },
    /// A root span only follows from a span that could match, so what happens in it is not inside that span.
    FollowsFrom {
        /// The root span's name.
        span: String,
        /// Its target.
        target: String,
        /// The span it follows from.
        from: String,
    },
    /// No event callsite seen so far can match. Records of the `log` crate may: they have none.
    LogRecordsAlone,
    /// No record of the `log` crate can arrive: no bridge hands them to `tracing`.
    NoLogRecords,
    /// The router's layer is in a subscriber more than once, so each event is seen as often.
    InstalledTwice,
}

impl Finding {
    /// How far it reaches: the lower, the more it keeps away.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::NotInstalled | Self::NoControlThread | Self::NeverMatches | Self::NothingMatches { .. } => 0,
            Self::RebuildPending
            | Self::CompiledOut { .. }
            | Self::HiddenByGlobalFilter { .. }
            | Self::WithheldFromLayer { .. }
            | Self::LevelHidden { .. }
            | Self::RefusedByLayer { .. } => 1,
            Self::MetadataAsField { .. }
            | Self::MisspeltField { .. }
            | Self::MisspeltMetadata { .. }
            | Self::ValueShape { .. }
            | Self::RedactedField { .. }
            | Self::DeniedTarget { .. } => 2,
            Self::SpanNotEnabled { .. }
            | Self::SpanTooVerbose { .. }
            | Self::SpanLeftOut { .. }
            | Self::FieldNotCaptured { .. } => 3,
            Self::OutsideSpans { .. }
            | Self::OutsideRequests { .. }
            | Self::FollowsFrom { .. }
            | Self::LogRecordsAlone
            | Self::NoLogRecords
            | Self::InstalledTwice => 4,
        }
    }

    /// Whether it explains by itself that nothing can match.
    pub(crate) fn is_reason_for_nothing(&self) -> bool {
        self.rank() <= 3
    }

    /// The target of the callsites it names, if it names some that the predicate does not.
    pub(crate) fn target_of_callsite(&self) -> Option<&str> {
        match self {
            Self::RefusedByLayer { target, .. }
            | Self::SpanNotEnabled { target, .. }
            | Self::SpanTooVerbose { target, .. }
            | Self::SpanLeftOut { target, .. }
            | Self::OutsideSpans { target, .. }
            | Self::OutsideRequests { target, .. }
            | Self::FollowsFrom { target, .. } => Some(target),
            _ => None,
        }
    }
}
