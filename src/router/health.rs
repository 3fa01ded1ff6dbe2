//! What a router counts about itself.

use super::refusal::Reason;
use crate::session::{EndReason, SessionStats};
use crate::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a router has done so far, and how it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterStats {
    /// Sessions open now.
    pub open_sessions: usize,
    /// Sessions opened so far.
    pub opened_sessions: u64,
    /// Sessions ended so far, by reason.
    pub ended: EndStats,
    /// Sessions that [`try_watch`](crate::TapRouter::try_watch) refused so far: the sum of `refused_by`.
    pub refused: u64,
    /// The refused, by what they were refused for.
    pub refused_by: RefusalStats,
    /// The sum over all sessions, closed ones included.
    pub events: SessionStats,
    /// Bytes held by events that wait to be read.
    pub buffered_bytes: usize,
    /// Bytes held by the tables of regular expressions in sessions' predicates, counted for each session.
    pub predicate_bytes: usize,
    /// Bytes held by the past of all threads, in a router that [looks back](crate::TapRouterBuilder::look_back); 0 until it is
    /// switched on, shortly after the layer was installed.
    pub look_back_bytes: usize,
    /// Events that arrived while a value or a waker ran its own code for this router, and were not routed.
    pub suppressed: u64,
    /// Callsites of events and spans known; in several subscribers, of each.
    pub callsites: usize,
    /// Of these, the ones that are vetoed at present wherever no session can match: nothing of them is evaluated there.
    pub vetoed_callsites: usize,
    /// Callsites with events outside any span while a session was open, although other events of theirs were inside spans
    /// with a tested field; see [`LostContext`](crate::coverage::Finding::LostContext).
    pub lost_context_callsites: u64,
    /// The number of these events, at least: no more than 100 are counted of one callsite.
    pub lost_context_events: u64,
    /// The number of times that this router rebuilt the interest of all callsites.
    pub rebuilds: u64,
    /// How long that took altogether.
    pub rebuild_time: Duration,
}

/// Sessions that were ended, by [`EndReason`]. Those whose stream was dropped count as closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndStats {
    /// Closed, or their stream dropped.
    pub closed: u64,
    /// Their time was over.
    pub expired: u64,
    /// They had admitted as many events as they might.
    pub max_events: u64,
    /// The router was shut down.
    pub shutdown: u64,
    /// Evaluating their predicate took too much of the service's time.
    pub too_costly: u64,
}

/// Sessions that were refused, by the limit that was reached or by what they asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusalStats {
    /// As many as there may be were open.
    pub max_sessions: u64,
    /// Their opener had as many open as one may.
    pub max_sessions_per_opener: u64,
    /// As many that require no field to equal a value were open as there may be.
    pub max_unindexed_sessions: u64,
    /// They tested a redacted field.
    pub redacted_field: u64,
    /// Their predicate might have taken too much of the service's time or memory.
    pub too_costly: u64,
    /// They looked back, and the router keeps no past.
    pub no_look_back: u64,
    /// They waited for slow requests longer than the router holds any.
    pub max_hold_time: u64,
}

/// Counts of the router that no producer writes.
#[derive(Debug, Default)]
pub(super) struct Health {
    ended: [AtomicU64; 5],
    refused: [AtomicU64; 7],
    rebuilds: AtomicU64,
    rebuild_ns: AtomicU64,
}

// Every operation on these is relaxed: they are numbers for people, each correct by itself, and order nothing.
impl Health {
    pub(super) fn count_end(&self, reason: EndReason) {
        let place = match reason {
            EndReason::Closed => 0,
            EndReason::Expired => 1,
            EndReason::MaxEvents => 2,
            EndReason::Shutdown => 3,
            EndReason::TooCostly => 4,
        };
        self.ended[place].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refusal(&self, reason: Reason) {
        let place = match reason {
            Reason::MaxSessions => 0,
            Reason::MaxSessionsPerOpener => 1,
            Reason::MaxUnindexedSessions => 2,
            Reason::RedactedField => 3,
            Reason::TooCostly => 4,
            Reason::MaxHoldTime => 5,
            Reason::NoLookBack => 6,
        };
        self.refused[place].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_rebuild(&self, took: Duration) {
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
        // 584 years of nanoseconds fit.
        self.rebuild_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Sets what is counted here.
    pub(super) fn fill(&self, stats: &mut RouterStats) {
        let [closed, expired, max_events, shutdown, too_costly] = load(&self.ended);
        stats.ended = EndStats { closed, expired, max_events, shutdown, too_costly };
        let refused = load(&self.refused);
        let [
            max_sessions,
            max_sessions_per_opener,
            max_unindexed_sessions,
            redacted_field,
            too_costly,
            max_hold_time,
            no_look_back,
        ] = refused;
        stats.refused_by = RefusalStats {
            max_sessions,
            max_sessions_per_opener,
            max_unindexed_sessions,
            redacted_field,
            too_costly,
            max_hold_time,
            no_look_back,
        };
        stats.refused = refused.iter().sum();
        stats.rebuilds = self.rebuilds.load(Ordering::Relaxed);
        stats.rebuild_time = Duration::from_nanos(self.rebuild_ns.load(Ordering::Relaxed));
    }
}

fn load<const N: usize>(counts: &[AtomicU64; N]) -> [u64; N] {
    counts.each_ref().map(|count| count.load(Ordering::Relaxed))
}
