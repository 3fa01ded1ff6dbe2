//! What a session asks for, and what belongs to it: the slow model, and the same in the crate's words.

use super::callsites::LEVELS;
use super::evaluator::{Around, Happened, Pred};
use std::time::Duration;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_tap::{Follow, Predicate, SessionOptions};

/// Everything that says which events a session gets.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) predicate: Pred,
    /// What the opener is confined to.
    pub(crate) scope: Option<Pred>,
    pub(crate) follow: Follow,
    /// The most verbose events that it shows, followed or not.
    pub(crate) max_level: Level,
    pub(crate) limit: Limit,
    /// The most verbose spans that it enables where it may match.
    pub(crate) spans: LevelFilter,
    /// Which router it is opened with, of those that there are.
    pub(crate) router: usize,
    /// It begins with what its router has kept.
    pub(crate) looks_back: bool,
    /// It shows requests in which this happens.
    pub(crate) only_if: Option<Pred>,
    /// It shows requests that are as slow as this.
    pub(crate) slower_than: Option<Slow>,
    /// The predicates reach the router by way of their text.
    pub(crate) by_text: bool,
}

/// What keeps a session from getting all that it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Limit {
    #[default]
    None,
    /// One root in so many is shown.
    OneIn(u32),
    /// It ends with so many events.
    Events(u64),
    /// So many at once, and then as many a second.
    Rate(u64),
}

/// A duration that needs no clock: each history takes longer than the one, and none as long as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slow {
    Everything,
    Nothing,
}

impl Asked {
    /// A session that is nothing but its predicate.
    pub(crate) fn about(predicate: Pred) -> Self {
        let (follow, max_level, limit, spans) = (Follow::Event, Level::TRACE, Limit::None, LevelFilter::OFF);
        Self {
            predicate,
            scope: None,
            follow,
            max_level,
            limit,
            spans,
            router: 0,
            looks_back: false,
            only_if: None,
            slower_than: None,
            by_text: false,
        }
    }

    /// What an event must be that nothing was followed to.
    pub(crate) fn confined(&self) -> Pred {
        let bounds = self.scope.clone().into_iter().chain(self.level_bound());
        bounds.fold(self.predicate.clone(), |predicate, bound| Pred::And(predicate.into(), bound.into()))
    }

    fn level_bound(&self) -> Option<Pred> {
        (self.max_level != Level::TRACE).then_some(Pred::Level(self.max_level))
    }

    /// Whether the event belongs to the session. Where it is followed, only what the predicate says of its target counts:
    /// all else could be anything. The opener's scope and the maximum level hold all the same.
    pub(crate) fn is_about(&self, event: &Happened, is_followed: bool) -> bool {
        let by_predicate = if is_followed {
            self.predicate.by_target(event.target) != Some(false)
        } else {
            self.predicate.matches(event)
        };
        let mut bounds = self.scope.clone().into_iter().chain(self.level_bound());
        by_predicate && bounds.all(|bound| bound.matches(event))
    }

    /// Whether some event in these spans belongs to the session without a field of its own.
    pub(crate) fn may_match_in(&self, spans: &[Around], is_followed: bool) -> bool {
        LEVELS.into_iter().any(|level| {
            ["app", "app::db", "apple", "elsewhere"].into_iter().any(|target| {
                let event = Happened { level, target, fields: Vec::new(), spans: spans.to_vec() };
                self.is_about(&event, is_followed)
            })
        })
    }

    pub(crate) fn to_session(&self) -> SessionOptions {
        let session = SessionOptions::new(self.worded(&self.predicate)).follow(self.follow.clone()).spans(self.spans);
        let session = session.max_level(self.max_level.into());
        let session = if self.looks_back { session.look_back(Duration::from_secs(600)) } else { session };
        let session = match self.limit {
            Limit::None => session,
            Limit::OneIn(roots) => session.sample(roots),
            Limit::Events(events) => session.max_events(events),
            Limit::Rate(per_second) => session.max_rate(per_second),
        };
        let session = match &self.only_if {
            Some(wanted) => session.only_if(self.worded(wanted)),
            None => session,
        };
        let session = match self.slower_than {
            Some(Slow::Everything) => session.slower_than(Duration::ZERO),
            Some(Slow::Nothing) => session.slower_than(Duration::from_secs(3_600)),
            None => session,
        };
        match &self.scope {
            Some(scope) => session.confined_to(self.worded(scope)),
            None => session,
        }
    }

    fn worded(&self, predicate: &Pred) -> Predicate {
        let predicate = predicate.to_predicate();
        if self.by_text { predicate.to_string().parse().expect("what is printed can be read") } else { predicate }
    }
}
