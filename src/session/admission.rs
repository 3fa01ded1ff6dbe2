//! The limits that an event must pass before it is captured: sampling, then the rate, then the number of events.

use super::rate::TokenBucket;
use super::sample::{RootSerial, Sampled, Sampler};
use super::withheld::{Withholder, Withholding};
use super::{SessionId, SessionOptions};
use crate::sync::atomic::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use std::time::Instant;

/// What becomes of an event that matched, before it is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is entitled to a place in the ring.
    Admitted,
    /// It was withheld and counted.
    Withheld,
    /// As before, and the control thread is to be left word, so that the reader is told.
    WithheldUntold,
    /// The session had ended: to it, the event never happened.
    Ended,
}

/// The limits of one session, where it has any.
#[derive(Debug)]
pub(crate) struct Limiter {
    sampler: Option<Sampler>,
    bucket: Option<TokenBucket>,
    opened_at: Instant,
    max_events: Option<u64>,
    /// Events admitted, counted only where their number is limited.
    admitted: CachePadded<AtomicU64>,
    pub(crate) withholder: Withholder,
}

impl Limiter {
    /// Nothing for a session without limits, which then pays one branch.
    pub(crate) fn new(id: SessionId, session: &SessionOptions) -> Option<Self> {
        let sampler = Sampler::new(session.sample, id);
        let bucket = session.max_rate.map(TokenBucket::new);
        let max_events = session.max_events;
        (sampler.is_some() || bucket.is_some() || max_events.is_some()).then(|| Self {
            sampler,
            bucket,
            opened_at: Instant::now(),
            max_events,
            admitted: CachePadded::default(),
            withholder: Withholder::new(),
        })
    }

    /// What sampling says of all events below a root; `root` is asked for only where there is sampling.
    pub(crate) fn sampled(&self, root: impl FnOnce() -> Option<RootSerial>) -> Sampled {
        self.sampler.as_ref().map_or(Sampled::In, |sampler| sampler.decide(root()))
    }

    /// Admits an event that matched, or counts why not.
    #[inline]
    pub(crate) fn admit(&self, sampled: Sampled) -> Admission {
        if self.sampler.as_ref().is_some_and(|sampler| !sampler.takes_event(sampled)) {
            return self.withhold(Withholding::Sampling);
        }
        if self.bucket.as_ref().is_some_and(|bucket| !bucket.take(self.opened_at.elapsed())) {
            return self.withhold(Withholding::Rate);
        }
        // Relaxed: only the number counts.
        match self.max_events {
            Some(max_events) if self.admitted.fetch_add(1, Ordering::Relaxed) >= max_events => Admission::Ended,
            _ => Admission::Admitted,
        }
    }

    /// What withholds an event that matches now, if that is certain. Takes nothing and counts nothing.
    #[inline]
    pub(crate) fn withholds_now(&self, sampled: Sampled) -> Option<Withholding> {
        match sampled {
            Sampled::Out => Some(Withholding::Sampling),
            Sampled::EachByItself if self.sampler.is_some() => None,
            _ => {
                let is_empty = self.bucket.as_ref()?.is_empty(self.opened_at.elapsed());
                is_empty.then_some(Withholding::Rate)
            }
        }
    }

    /// Counts an event that is withheld.
    pub(crate) fn withhold(&self, reason: Withholding) -> Admission {
        if self.withholder.count(reason) { Admission::WithheldUntold } else { Admission::Withheld }
    }

    /// Whether as many events were admitted as may be. Whoever admitted the last one is told so after its push.
    #[inline]
    pub(crate) fn is_used_up(&self) -> bool {
        // Relaxed: a thread sees at least the count it has made itself.
        self.max_events.is_some_and(|max_events| self.admitted.load(Ordering::Relaxed) >= max_events)
    }
}
