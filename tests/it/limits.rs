//! Events that a session's rate, sampling and maximum keep back: never captured, counted by reason, announced.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod announcing;
mod rate;
mod sampling;
mod together;

use testing::{Output, info_printer};
use tracing_subscriber::prelude::*;
use tracing_tap::{EndReason, EventStream, Item, MissingReason, Predicate, SessionOptions, SessionStats, TapRouter};

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
    router
}

fn everything() -> SessionOptions {
    SessionOptions::new(Predicate::everything())
}

fn of_42() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42))
}

/// What a reader got: events, and missing ones by reason.
#[derive(Debug, Default, PartialEq, Eq)]
struct Announced {
    events: u64,
    overflow: u64,
    rate: u64,
    sampling: u64,
    ended: Option<EndReason>,
}

impl Announced {
    /// Takes note of an item; sequence numbers are those of what was to be delivered.
    fn note(&mut self, item: &Item) {
        match item {
            Item::Event { sequence, .. } => {
                assert_eq!(
                    *sequence,
                    self.events + self.overflow,
                    "an event that is kept back takes no sequence number"
                );
                self.events += 1;
            }
            Item::Missing(missing) => {
                assert!(missing.count > 0, "{missing}");
                *match missing.reason {
                    MissingReason::Overflow => &mut self.overflow,
                    MissingReason::RateLimited => &mut self.rate,
                    MissingReason::SampledOut => &mut self.sampling,
                    other => panic!("{other:?} is not announced"),
                } += missing.count;
            }
            Item::Ended(reason) => assert_eq!(self.ended.replace(*reason), None),
            other => panic!("an item of an unknown kind: {other:?}"),
        }
    }

    /// Reads to the end.
    fn read(&mut self, stream: &mut EventStream) {
        while let Some(item) = stream.blocking_recv_timeout(testing::PATIENCE) {
            self.note(&item);
        }
        assert!(self.ended.is_some(), "the session ends in time: {self:?}");
    }

    /// Whether this is what the session says it has counted, once it is over.
    #[track_caller]
    fn check(&self, stats: SessionStats) {
        check_account(stats);
        let announced = (self.events, self.overflow, self.rate, self.sampling);
        let [overflow, rate, sampling] =
            [MissingReason::Overflow, MissingReason::RateLimited, MissingReason::SampledOut]
                .map(|it| stats.missing[it]);
        assert_eq!(announced, (stats.delivered, overflow, rate, sampling), "{stats:?}");
    }
}

#[track_caller]
fn check_account(stats: SessionStats) {
    assert_eq!(stats.matched, stats.delivered + stats.buffered + stats.missing.total(), "{stats:?}");
    assert_eq!(stats.lost, stats.missing[MissingReason::Overflow] + stats.missing[MissingReason::Closed], "{stats:?}");
}
