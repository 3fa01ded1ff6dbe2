//! Sampling of requests: each is shown whole or not at all.

use super::SessionId;
use crate::sync::Numbers;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::num::{NonZeroU32, NonZeroU64};

/// Names a root span within the process; never given twice, which ids of spans are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RootSerial(NonZeroU64);

/// What sampling says of the events of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampled {
    /// All of them are seen.
    In,
    /// None of them is.
    Out,
    /// They are outside any span: each is decided by itself.
    EachByItself,
}

/// Takes one root span in so many, and one event in so many outside any span.
///
/// Nothing is kept per root: whether one is taken is computed from its serial, so all its events on all threads get
/// the same answer for as long as it lives. Another session takes other roots.
#[derive(Debug)]
pub(crate) struct Sampler {
    one_in: NonZeroU32,
    session: SessionId,
    /// Events outside any span so far.
    outside: AtomicU64,
}

impl RootSerial {
    pub(crate) fn next() -> Self {
        static ROOTS: Numbers = Numbers::new();
        Self(NonZeroU64::MIN.saturating_add(ROOTS.next() - 1))
    }

    #[cfg(test)]
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }
}

impl Sampler {
    /// `None` if everything is taken.
    pub(crate) fn new(one_in: u32, session: SessionId) -> Option<Self> {
        let one_in = NonZeroU32::new(one_in).filter(|one_in| one_in.get() > 1)?;
        Some(Self { one_in, session, outside: AtomicU64::new(0) })
    }

    /// The decision for all events below this root, or for those outside any span.
    pub(crate) fn decide(&self, root: Option<RootSerial>) -> Sampled {
        match root {
            None => Sampled::EachByItself,
            Some(root) if self.takes(root.number()) => Sampled::In,
            Some(_) => Sampled::Out,
        }
    }

    /// Whether the next event is taken.
    pub(crate) fn takes_event(&self, sampled: Sampled) -> bool {
        match sampled {
            Sampled::In => true,
            Sampled::Out => false,
            // Relaxed: only each number's being given once matters.
            Sampled::EachByItself => self.takes(self.outside.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// The remainder of 64 well mixed bits is even enough.
    fn takes(&self, number: u64) -> bool {
        mixed(number ^ mixed(self.session.0)).is_multiple_of(u64::from(self.one_in.get()))
    }
}

/// The finalizer of SplitMix64: every bit of the input moves about half of those of the output.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(one_in: u32, session: u64) -> Sampler {
        Sampler::new(one_in, SessionId(session)).unwrap()
    }

    fn taken_of(numbers: impl Iterator<Item = u64>, sampler: &Sampler) -> usize {
        let serials = numbers.filter_map(RootSerial::from_number);
        serials.filter(|serial| sampler.decide(Some(*serial)) == Sampled::In).count()
    }

    #[test]
    fn none_or_one_in_one_is_everything() {
        assert!(Sampler::new(0, SessionId(1)).is_none());
        assert!(Sampler::new(1, SessionId(1)).is_none());
    }

    #[test]
    fn one_root_in_so_many_is_sampled_whatever_the_pattern() {
        for session in [1, 2, 3, 1_000, u64::MAX] {
            for one_in in [2, 3, 10, 64] {
                let expected = 100_000 / one_in as usize;
                for stride in [1, 2, 64] {
                    let taken = taken_of((1..=100_000).map(|number| number * stride), &sampler(one_in, session));
                    let near = expected * 9 / 10..=expected * 11 / 10;
                    assert!(near.contains(&taken), "{taken} of 100,000 for one in {one_in}, session {session}");
                }
            }
        }
    }

    /// Otherwise the serials of one thread, or of one session, are taken in runs.
    #[test]
    fn every_bit_of_a_serial_moves_about_half_of_those_that_decide() {
        for bit in 0..64 {
            let moved: u32 = (0..1_000).map(|number| (mixed(number) ^ mixed(number ^ 1 << bit)).count_ones()).sum();
            assert!((31_500..32_500).contains(&moved), "bit {bit}: {moved} in 1,000 numbers");
        }
    }

    #[test]
    fn a_root_is_taken_or_not_however_often_one_asks() {
        let sampler = sampler(3, 7);
        for serial in (1..100).filter_map(RootSerial::from_number) {
            let first = sampler.decide(Some(serial));
            assert!((0..3).all(|_| sampler.decide(Some(serial)) == first));
            assert_eq!(sampler.takes_event(first), first == Sampled::In);
        }
    }

    #[test]
    fn two_sessions_take_different_roots() {
        let (one, other) = (sampler(2, 1), sampler(2, 2));
        let serials = (1..=10_000).filter_map(RootSerial::from_number);
        let same = serials.filter(|serial| one.decide(Some(*serial)) == other.decide(Some(*serial))).count();
        assert!((4_500..=5_500).contains(&same), "{same} of 10,000");
    }

    #[test]
    fn outside_any_span_about_one_event_in_so_many_is_taken() {
        let sampler = sampler(10, 1);
        assert_eq!(sampler.decide(None), Sampled::EachByItself);
        let taken = (0..100_000).filter(|_| sampler.takes_event(Sampled::EachByItself)).count();
        assert!((9_000..=11_000).contains(&taken), "{taken} of 100,000");
    }

    #[test]
    fn the_largest_number_takes_next_to_nothing() {
        assert!(taken_of(1..=100_000, &sampler(u32::MAX, 1)) <= 1);
    }

    #[test]
    fn serials_are_given_once() {
        let serials: Vec<_> = (0..1_000).map(|_| RootSerial::next().number()).collect();
        assert!(serials.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
