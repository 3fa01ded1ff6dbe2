use super::*;
use crate::config::Config;
use crate::layer::testing::with_event;
use crate::missing::MissingReason;
use crate::predicate::Predicate;
use crate::queue::budget::Budget;
use crate::session::sample::RootSerial;
use crate::session::scope::{Added, CapturedChain};
use crate::session::{EndReason, Follow, SessionId, SessionOptions};

fn opened(options: impl FnOnce(SessionOptions) -> SessionOptions) -> Arc<OpenSession> {
    let options = options(SessionOptions::new(Predicate::everything()));
    Arc::new(OpenSession::new(SessionId(1), options, Arc::new(Budget::new(1 << 20))))
}

/// What is said of an event.
fn of_event<R>(look: impl FnOnce(&Incoming<'_>) -> R) -> R {
    let shared = Shared::new(Config::default());
    with_event(42, |event| look(&Incoming::new(event, &Facts::of(event), false, &shared)))
}

#[test]
fn only_what_follows_or_holds_an_event_is_put_aside() {
    let aside = |session: &Arc<OpenSession>, is_followed| {
        of_event(|incoming| {
            let matching = Matching { session: Arc::clone(session), sampled: Sampled::In, is_followed };
            let is_admitted = incoming.admitted(matching).is_some();
            let has_aside = incoming.has_aside();
            let all: Vec<_> = incoming.take_aside().iter().map(|aside| (aside.follows, aside.holds)).collect();
            assert_eq!(has_aside, !all.is_empty());
            (is_admitted, all)
        })
    };
    let plain = opened(|any| any);
    assert_eq!([aside(&plain, false), aside(&plain, true)], [(true, vec![]), (true, vec![])]);
    let following = opened(|any| any.follow(Follow::Span));
    assert_eq!(aside(&following, false), (true, vec![(true, false)]));
    assert_eq!(aside(&following, true), (true, vec![]), "it follows already");
    following.mark_ended(EndReason::Closed);
    assert_eq!(aside(&following, false), (false, vec![]), "it has ended");
    assert_eq!(aside(&opened(|any| any.only_if(Predicate::everything())), false), (false, vec![(false, true)]));
}

/// Whether an event outside the sample is refused before it is captured, and how often that was counted.
fn refused(session: &Arc<OpenSession>, is_followed: bool) -> (bool, u64) {
    let matching = [Matching { session: Arc::clone(session), sampled: Sampled::Out, is_followed }];
    let is_refused = of_event(|incoming| incoming.is_refused_by_all(matching.iter()));
    (is_refused, session.kept_back().unwrap().totals()[MissingReason::SampledOut])
}

#[test]
fn an_event_that_no_session_would_admit_is_refused() {
    let sampling = opened(|any| any.sample(2));
    assert_eq!([refused(&sampling, false), refused(&sampling, false)], [(true, 1), (true, 2)]);
    let following = || opened(|any| any.sample(2).follow(Follow::Span));
    assert_eq!(refused(&following(), false), (false, 0), "following begins at what is kept back, too");
    assert_eq!(refused(&following(), true), (true, 1));
    let ended = opened(|any| any.sample(2));
    ended.mark_ended(EndReason::Closed);
    assert_eq!(refused(&ended, false), (true, 0), "it does not count any more");
}

/// A root that the session's sampling leaves out.
fn root_outside(session: &OpenSession) -> RootSerial {
    let mut roots = (1..).filter_map(RootSerial::from_number);
    roots.find(|root| session.sampled(|| Some(*root)) == Sampled::Out).unwrap()
}

#[test]
fn a_scope_whose_sessions_all_leave_it_out_refuses_its_events() {
    let (sampling, plain) = (opened(|any| any.sample(2)), opened(|any| any));
    let root = root_outside(&sampling);
    let scope = |sessions: &[Arc<OpenSession>]| {
        let added = Added { span: None, found: Sessions::new(), followers: Sessions::new(), root: Some(root) };
        Scope::outside(sessions).inside(&added, CapturedChain::new, || root)
    };
    let is_refused = |scope: &Scope| of_event(|incoming| incoming.is_refused_in(scope));
    assert!(is_refused(&scope(&[Arc::clone(&sampling)])));
    assert!(!is_refused(&scope(&[plain, sampling])), "one of them shows it");
}

#[test]
fn an_event_may_be_watched_if_the_index_waits_for_its_value() {
    let shared = Shared::new(Config::default());
    let options = SessionOptions::new(Predicate::eq("user", 42));
    shared.sieve.add(&OpenSession::new(SessionId(1), options, Arc::new(Budget::new(0))));
    let may_be_watched = |user, tested| with_event(user, |event| may_be_watched(event, TestedFields(tested), &shared));
    assert!(may_be_watched(42, 1) && !may_be_watched(43, 1));
    assert!(!may_be_watched(42, 0), "no field of it is tested");
}
