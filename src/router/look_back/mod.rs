//! Looking back: what a session that has just opened gets of the past.
//!
//! # The seam
//! Every event in a ring has the epoch in which it happened. A session that looks back draws a number between two epochs
//! before it is published: events of earlier epochs are its past, and are read from the rings, whatever a producer decides
//! about them; events of later ones are its present, and a thread that sees such an epoch sees the session. The rings are
//! read after the epochs have moved, so that an event that is not in a ring by then and is not being written either will see
//! the later epoch.
//!
//! A session that follows is published first with no present at all. Producers mark what it follows as ever, and deliver
//! nothing. Then what the past has it follow is marked, and only then does its present begin.
//!
//! A session that decides by outcome holds its requests meanwhile, whatever comes: what the past has of them has its place
//! before.

mod deciding;
mod event;
mod reading;
mod requests;
mod spans;

use super::core::Core;
use crate::past::{Horizon, Past, ThreadHorizon, as_nanos};
use crate::session::open::OpenSession;
use crate::session::published::Epoch;
use reading::Reading;
use std::sync::Arc;
use std::time::Duration;

/// In place of the epoch with which the past ends, while there is no present yet. Less than that of an event that is in no
/// ring.
const NOT_YET: u64 = u64::MAX - 1;

/// How many threads a horizon names, those that reach back least.
const MAX_THREADS: usize = 32;

const NANOS_PER_MS: u64 = 1_000_000;

impl Core {
    /// Draws the line between the past and the present of a session that is about to be published, if it looks back.
    pub(super) fn begin_past(&self, session: &OpenSession) {
        if let Some(past) = self.shared.past.as_ref().filter(|_| self.has_past(session)) {
            session.begin_past_requests(past.now());
            session.set_since(if session.follows() { NOT_YET } else { Epoch::between() });
        }
    }

    fn has_past(&self, session: &OpenSession) -> bool {
        session.limits.look_back.is_some() && self.shared.past.is_some()
    }

    /// Reads the past of a session that has just been published, if it looks back.
    pub(super) fn look_back(&self, session: &Arc<OpenSession>) -> Option<Horizon> {
        let asked = session.limits.look_back?;
        let asked_ms = asked.as_millis().try_into().unwrap_or(u64::MAX);
        let Some(past) = self.shared.past.as_ref().filter(|_| self.has_past(session)) else {
            return Some(Horizon { asked_ms, ..Horizon::default() });
        };
        let _reading = past.lock_reading();
        if session.follows() {
            let mut reading = self.read_past(past, session, asked);
            reading.mark_followed();
            self.begin_present(session);
        }
        let mut reading = self.read_past(past, session, asked);
        match session.outcome() {
            Some(outcome) => reading.deliver_by_outcome(outcome),
            None => reading.deliver(),
        }
        session.end_past_requests();
        let horizon = Horizon { asked_ms, ..horizon(past, &reading, asked) };
        Some(if session.limits.confinement.is_some() { without_others(horizon) } else { horizon })
    }

    fn read_past<'a>(&'a self, past: &'a Past, session: &'a Arc<OpenSession>, asked: Duration) -> Reading<'a> {
        Reading::new(&self.shared, past, session, asked, self.live_instances())
    }
}

/// How far a reading reaches back.
fn horizon(past: &Past, reading: &Reading<'_>, asked: Duration) -> Horizon {
    let Some(since) = past.since() else { return Horizon::default() };
    let asked = as_nanos(asked);
    let whole = asked.min(as_nanos(past.settings.max_age)).min(reading.now.saturating_sub(since));
    let reach = |until: u64| reading.now.saturating_sub(until).min(whole);
    let overwritten = reading.rings.iter().filter(|ring| ring.overwritten.events > 0);
    let mut threads: Vec<_> = overwritten
        .filter(|ring| reading.now.saturating_sub(ring.overwritten.until) < whole)
        .map(|ring| ThreadHorizon {
            thread: ring.thread.as_deref().unwrap_or_default().to_owned(),
            reaches_ms: reach(ring.overwritten.until) / NANOS_PER_MS,
            overwritten: ring.overwritten.events,
        })
        .collect();
    threads.sort_by_key(|thread| thread.reaches_ms);
    let shortest = threads.first().map(|thread| thread.reaches_ms);
    let sum = threads.iter().map(|thread| thread.overwritten).sum();
    threads.truncate(MAX_THREADS);
    Horizon {
        asked_ms: 0,
        reaches_ms: shortest.unwrap_or(whole.div_ceil(NANOS_PER_MS)),
        overwritten: sum,
        unresolved: reading.unresolved,
        unkept: past.unkept_since(reading.now - whole) + reading.unfinished,
        threads,
    }
}

/// What the opener of a confined session may know.
fn without_others(horizon: Horizon) -> Horizon {
    let Horizon { asked_ms, reaches_ms, .. } = horizon;
    Horizon { asked_ms, reaches_ms, ..Horizon::default() }
}
