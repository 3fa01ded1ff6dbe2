//! The limits that an event must pass before it is captured: sampling, then the rate, then the number of events.

use super::kept_back::{KeptBackBy, KeptBackCounts};
use super::rate::TokenBucket;
use super::sample::{RootSerial, Sampled, Sampler};
use super::{SessionId, SessionOptions};
use crate::past::event_epoch;
use crate::sync::atomic::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use std::time::Instant;

/// The decision about a matching event, before it is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It passed all limits, and must be pushed.
    Admitted,
    /// A limit kept it back, and it was counted.
    KeptBack,
    /// A limit kept it back, and the control thread must announce that to the reader.
    KeptBackUnannounced,
    /// The session had ended, so the event does not count.
    Ended,
    /// It happened before the session was opened, which looks back: it is read from its ring.
    Past,
    /// It must be held until the outcome of its request is known; the other limits are asked then.
    Held,
}

/// What the limits say of the events of a request that is to be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// They passed all limits, and must be pushed.
    Admitted,
    RateLimited,
    /// The session may not admit as many any more: it ends.
    UsedUp,
}

/// The limits of one session.
#[derive(Debug)]
pub(crate) struct Limiter {
    sampler: Option<Sampler>,
    bucket: Option<TokenBucket>,
    opened_at: Instant,
    max_events: Option<u64>,
    /// Whether events wait for the outcome of their request.
    holds: bool,
    /// Events admitted; counted only if their number is limited.
    admitted: CachePadded<AtomicU64>,
    /// Events of later epochs are present, others past; 0 if it does not look back.
    since: AtomicU64,
    pub(crate) kept_back: KeptBackCounts,
}

impl Limiter {
    /// `None` for a session without limits, which then costs one branch.
    pub(crate) fn new(id: SessionId, session: &SessionOptions) -> Option<Self> {
        let sampler = Sampler::new(session.sample, id);
        let bucket = session.max_rate.map(TokenBucket::new);
        let max_events = session.max_events;
        let (holds, looks_back) = (session.decides_by_outcome(), session.look_back.is_some());
        (sampler.is_some() || bucket.is_some() || max_events.is_some() || holds || looks_back).then(|| Self {
            sampler,
            holds,
            bucket,
            opened_at: Instant::now(),
            max_events,
            admitted: CachePadded::default(),
            since: AtomicU64::new(0),
            kept_back: KeptBackCounts::new(),
        })
    }

    /// The sampling decision for all events below a root. Calls `root` only if the session samples.
    pub(crate) fn sampled(&self, root: impl FnOnce() -> Option<RootSerial>) -> Sampled {
        self.sampler.as_ref().map_or(Sampled::In, |sampler| sampler.decide(root()))
    }

    /// Admits an event that matched, or counts why not.
    #[inline]
    pub(crate) fn admit(&self, sampled: Sampled) -> Admission {
        if self.is_of_past() {
            return Admission::Past;
        }
        if self.sampler.as_ref().is_some_and(|sampler| !sampler.takes_event(sampled)) {
            return self.keep_back(KeptBackBy::Sampling);
        }
        if self.holds {
            return Admission::Held;
        }
        if self.bucket.as_ref().is_some_and(|bucket| !bucket.take(self.opened_at.elapsed())) {
            return self.keep_back(KeptBackBy::Rate);
        }
        self.admit_one()
    }

    /// Whether the event that this thread routes belongs to the past of a session that looks back.
    #[inline]
    fn is_of_past(&self) -> bool {
        // Relaxed: who sees a later epoch sees what was stored before that was published.
        let since = self.since.load(Ordering::Relaxed);
        since > 0 && event_epoch() <= since
    }

    /// Admits an event of the past, or counts why not. The rate is about what the service does now.
    pub(crate) fn admit_past(&self, sampled: Sampled) -> Admission {
        match self.sampler.as_ref().is_some_and(|sampler| !sampler.takes_event(sampled)) {
            true => self.keep_back(KeptBackBy::Sampling),
            false if self.holds => Admission::Held,
            false => self.admit_one(),
        }
    }

    /// The epoch with which its past ends.
    pub(crate) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// Sets the epoch with which its past ends.
    pub(crate) fn set_since(&self, epoch: u64) {
        self.since.store(epoch, Ordering::Relaxed);
    }

    #[inline]
    fn admit_one(&self) -> Admission {
        // Relaxed: only the number counts.
        match self.max_events {
            Some(max_events) if self.admitted.fetch_add(1, Ordering::Relaxed) >= max_events => Admission::Ended,
            _ => Admission::Admitted,
        }
    }

    /// What withholds an event that matches now, if that is certain. Takes nothing and counts nothing.
    #[inline]
    pub(crate) fn keeps_back_now(&self, sampled: Sampled) -> Option<KeptBackBy> {
        match sampled {
            _ if self.is_of_past() => None,
            Sampled::Out => Some(KeptBackBy::Sampling),
            Sampled::EachByItself if self.sampler.is_some() => None,
            _ if self.holds => None,
            _ => {
                let is_empty = self.bucket.as_ref()?.is_empty(self.opened_at.elapsed());
                is_empty.then_some(KeptBackBy::Rate)
            }
        }
    }

    /// Admits the events of a request that is to be released, all or none.
    pub(crate) fn admit_released(&self, events: u64) -> Release {
        if self.bucket.as_ref().is_some_and(|bucket| !bucket.take_many(events, self.opened_at.elapsed())) {
            return Release::RateLimited;
        }
        self.admit_number(events)
    }

    /// The same by their number alone.
    pub(crate) fn admit_number(&self, events: u64) -> Release {
        let Some(max_events) = self.max_events else { return Release::Admitted };
        let more = |admitted: u64| admitted.checked_add(events).filter(|sum| *sum <= max_events);
        // Relaxed: as in `admit`.
        match self.admitted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Release::Admitted,
            Err(_) => Release::UsedUp,
        }
    }

    /// How many events were admitted so far, if their number is limited.
    pub(crate) fn admitted(&self) -> u64 {
        // Relaxed: as in `is_used_up`.
        self.admitted.load(Ordering::Relaxed)
    }

    /// Counts an event that is kept back.
    pub(crate) fn keep_back(&self, reason: KeptBackBy) -> Admission {
        if self.kept_back.count(reason) { Admission::KeptBackUnannounced } else { Admission::KeptBack }
    }

    /// Whether as many events were admitted as may be. Checked by the producer after its push.
    #[inline]
    pub(crate) fn is_used_up(&self) -> bool {
        // Relaxed: a thread sees at least the count it has made itself.
        self.max_events.is_some_and(|max_events| self.admitted.load(Ordering::Relaxed) >= max_events)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::past::Past;
    use crate::predicate::Predicate;
    use std::time::Duration;

    fn limiter(options: impl FnOnce(SessionOptions) -> SessionOptions) -> Limiter {
        let options = options(SessionOptions::new(Predicate::eq("user", 42)).max_events(10));
        Limiter::new(SessionId(1), &options).unwrap()
    }

    #[test]
    fn what_is_certainly_kept_back_is_known_before_the_capture() {
        let kept_back = |limiter: &Limiter| {
            [Sampled::In, Sampled::Out, Sampled::EachByItself].map(|sampled| limiter.keeps_back_now(sampled))
        };
        let (sampling, rate) = (Some(KeptBackBy::Sampling), Some(KeptBackBy::Rate));
        assert_eq!(kept_back(&limiter(|any| any)), [None, sampling, None]);
        let spent = limiter(|any| any.max_rate(1));
        assert_eq!(kept_back(&spent), [None, sampling, None], "there is a token left");
        assert_eq!(spent.admit(Sampled::In), Admission::Admitted);
        assert_eq!(kept_back(&spent), [rate, sampling, rate]);
        let sampled = limiter(|any| any.max_rate(1).sample(2));
        assert_eq!(sampled.admit(Sampled::In), Admission::Admitted);
        assert_eq!(kept_back(&sampled), [rate, sampling, None], "each has yet to be decided");
        let held = limiter(|any| any.max_rate(1).slower_than(Duration::from_secs(1)));
        assert_eq!(held.admit(Sampled::In), Admission::Held);
        assert_eq!(held.admit_released(1), Release::Admitted);
        assert_eq!(kept_back(&held), [None, sampling, None], "the rate is asked once it is released");
    }

    #[test]
    fn admitted_events_are_counted_up_to_their_limit() {
        let limiter = limiter(|any| any);
        assert_eq!((limiter.admitted(), limiter.is_used_up()), (0, false));
        assert_eq!(limiter.admit_released(9), Release::Admitted);
        assert_eq!((limiter.admitted(), limiter.is_used_up()), (9, false));
        assert_eq!(limiter.admit_released(2), Release::UsedUp, "all or none");
        assert_eq!(limiter.admit(Sampled::In), Admission::Admitted);
        assert_eq!((limiter.admitted(), limiter.is_used_up()), (10, true));
        assert_eq!(limiter.admit(Sampled::In), Admission::Ended);
    }

    /// The epochs of events, and whether each is past for a session whose past ends with this epoch.
    fn past_of(since: u64) -> [(Option<u64>, bool); 4] {
        let limiter = limiter(|any| any.look_back(Duration::from_secs(1)).sample(2));
        limiter.set_since(since);
        [Some(0), Some(5), Some(6), None].map(|epoch| {
            Past::set_event_epoch(epoch);
            let is_past = limiter.keeps_back_now(Sampled::Out).is_none();
            assert_eq!(limiter.admit(Sampled::In) == Admission::Past, is_past);
            Past::set_event_epoch(None);
            (epoch, is_past)
        })
    }

    #[test]
    fn the_past_of_a_session_ends_with_its_epoch() {
        assert_eq!(past_of(5), [(Some(0), true), (Some(5), true), (Some(6), false), (None, false)]);
        assert!(past_of(0).iter().all(|(_, is_past)| !is_past), "it does not look back, or not yet");
    }
}
