//! The settings of a router. They never change.

use crate::level::{verbosity_of, verbosity_of_filter};
use crate::past::LookBack;
use crate::predicate::{plain_name, target_within};
use crate::trace::TraceSource;
use rustc_hash::FxHashSet;
use std::sync::Arc;
use std::time::Duration;
use tracing_core::{LevelFilter, Metadata};

/// The target of the audit's events. No session ever captures them.
pub(crate) const AUDIT_TARGET: &str = "tracing_tap::audit";

/// Whether this is the target of the router's own events about its sessions.
pub(crate) fn is_audit(target: &str) -> bool {
    target_within(target, AUDIT_TARGET)
}

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) span_level: LevelFilter,
    /// The only span fields that are kept; `None`: all of them.
    pub(crate) capture_fields: Option<FxHashSet<Box<str>>>,
    pub(crate) deny_targets: Vec<Box<str>>,
    pub(crate) redact_fields: FxHashSet<Box<str>>,
    pub(crate) max_value_bytes: usize,
    pub(crate) max_event_fields: usize,
    pub(crate) max_sessions: usize,
    pub(crate) max_sessions_per_opener: usize,
    pub(crate) max_unindexed_sessions: usize,
    pub(crate) max_buffered_bytes: usize,
    /// What evaluating the predicate of a session of others may take of producers' time within a second.
    pub(crate) max_session_cost: Duration,
    /// What is kept of the past; `None`: nothing.
    pub(crate) look_back: Option<LookBack>,
    /// How many requests all sessions together hold until their outcome is known, and for how long.
    pub(crate) max_held_requests: usize,
    pub(crate) max_hold_time: Duration,
    /// Says which trace a thread is in.
    pub(crate) trace_source: Option<Arc<dyn TraceSource>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            span_level: LevelFilter::INFO,
            capture_fields: None,
            deny_targets: Vec::new(),
            redact_fields: FxHashSet::default(),
            max_value_bytes: 8 << 10,
            max_event_fields: 64,
            max_sessions: 64,
            max_sessions_per_opener: 8,
            max_unindexed_sessions: 16,
            max_buffered_bytes: 64 << 20,
            max_session_cost: Duration::from_millis(10),
            look_back: None,
            max_held_requests: 16_384,
            max_hold_time: Duration::from_secs(60),
            trace_source: None,
        }
    }
}

impl Config {
    /// Whether nothing of this target may ever be captured.
    pub(crate) fn denies(&self, target: &str) -> bool {
        is_audit(target) || self.deny_targets.iter().any(|prefix| target_within(target, prefix))
    }

    /// Whether there is any field whose values nobody sees.
    #[inline]
    pub(crate) fn redacts_any(&self) -> bool {
        !self.redact_fields.is_empty()
    }

    #[inline]
    pub(crate) fn redacts(&self, field: &str) -> bool {
        !self.redact_fields.is_empty() && self.redact_fields.contains(field)
    }

    /// Whether a span's field of this name is kept.
    #[inline]
    pub(crate) fn captures(&self, field: &str) -> bool {
        self.capture_fields.as_ref().is_none_or(|names| names.contains(field))
    }

    /// Whether events of this callsite are kept for sessions that look back.
    pub(crate) fn keeps_past_of(&self, metadata: &Metadata<'_>) -> bool {
        let wants = |past: &LookBack| past.wants(*metadata.level(), metadata.target());
        metadata.is_event() && self.look_back.as_ref().is_some_and(wants) && !self.denies(metadata.target())
    }

    /// Whether spans of this callsite are tracked even while no session is open.
    #[inline]
    pub(crate) fn always_tracks(&self, metadata: &Metadata<'_>) -> bool {
        verbosity_of(*metadata.level()) <= verbosity_of_filter(self.span_level) && !self.denies(metadata.target())
    }

    /// Whether spans of this callsite declare a field that is kept.
    #[inline]
    pub(crate) fn keeps_fields_of(&self, metadata: &Metadata<'_>) -> bool {
        match &self.capture_fields {
            None => !metadata.fields().is_empty(),
            Some(names) => metadata.fields().iter().any(|field| names.contains(plain_name(field.name()))),
        }
    }
}
