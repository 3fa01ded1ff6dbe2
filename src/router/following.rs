//! Notes for a session that follows: the followed span grows with time.

use super::core::Core;
use super::coverage::Matched;
use crate::coverage::{Coverage, Note};
use crate::layer::Instance;
use crate::session::open::OpenSession;

use std::sync::Arc;
use std::time::{Duration, Instant};

/// A span that is followed for longer is probably not one request. Its whole age is unknown: a clock read for each span
/// would also cost the spans that no session follows.
const LONG: Duration = Duration::from_secs(10);

impl Core {
    /// What a session that is open can see.
    pub(super) fn coverage_of_session(&self, session: &Arc<OpenSession>) -> Coverage {
        let matched = if session.stats().matched > 0 { Matched::Something } else { Matched::Nothing };
        let mut coverage = self.coverage_of(&session.limits, matched);
        for instance in self.live_instances().iter().filter(|_| session.follows()) {
            coverage.notes.extend(long_followed(instance, session, Instant::now(), LONG));
        }
        coverage
    }
}

/// The spans that a session has followed for at least this long.
fn long_followed(instance: &Instance, session: &Arc<OpenSession>, now: Instant, at_least: Duration) -> Vec<Note> {
    let followed = instance.followed_by(session).into_iter();
    let since = followed.map(|(span, since)| (span, now.saturating_duration_since(since)));
    let long = since.filter(|(_, duration)| *duration >= at_least);
    long.map(|(span, duration)| Note::FollowedForLong { span: span.to_owned(), seconds: duration.as_secs() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Follow, Predicate, SessionOptions, TapRouter};
    use tracing_subscriber::prelude::*;

    #[test]
    fn a_span_that_is_followed_for_long_is_noted() {
        let router = TapRouter::new();
        let _default = tracing_subscriber::registry().with(router.layer()).set_default();
        let stream = router.watch(SessionOptions::new(Predicate::ge("status", 500)).follow(Follow::Root));
        let main = tracing::info_span!("main", pid = 7);
        let noted = |seconds| {
            let at = Instant::now() + Duration::from_secs(seconds);
            long_followed(&router.instance(), stream.session(), at, LONG)
        };
        main.in_scope(|| tracing::info!(status = 200, "fine"));
        assert_eq!(noted(1_000), [], "nothing is followed yet");
        main.in_scope(|| tracing::info!(status = 500, "failed"));
        assert_eq!(noted(0), []);
        assert!(matches!(&noted(90)[..], [Note::FollowedForLong { span, seconds: 90 }] if span == "main"));
    }

    /// Else a scope that is decided in between would go on following it.
    #[test]
    fn who_sees_the_epoch_of_a_close_sees_that_it_has_ended() {
        let router = TapRouter::new();
        let _default = tracing_subscriber::registry().with(router.layer()).set_default();
        let instance = router.instance();
        for round in 0..200 {
            let stream = router.watch(Predicate::eq("user", 42));
            let (before, session) = (instance.epoch(), stream.session());
            let deadline = Instant::now() + Duration::from_secs(20);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while instance.epoch() == before {
                        assert!(Instant::now() < deadline, "the epoch does not move");
                    }
                    assert!(session.ended().is_some(), "round {round}");
                });
                router.close(stream.id());
            });
        }
    }

    #[test]
    fn a_late_rest_forgets_nothing_of_a_session_opened_meanwhile() {
        let router = TapRouter::new();
        let _default = tracing_subscriber::registry().with(router.layer()).set_default();
        let failing = || SessionOptions::new(Predicate::ge("status", 500)).follow(Follow::Root);
        let (ended, mut stream) = (router.watch(failing()), router.watch(failing()));
        let request = tracing::info_span!("request", path = "/a");
        request.in_scope(|| tracing::info!(status = 500, "failed"));
        router.close(ended.id());
        // As the last step of a pass that found no session open, just before this one was.
        router.instance().clear_scopes();
        request.in_scope(|| tracing::info!("after"));
        let messages: Vec<_> = stream.drain().filter_map(crate::Item::into_event).collect();
        assert_eq!(messages.iter().map(|event| event.message()).collect::<Vec<_>>(), ["failed", "after"]);
        assert!(long_followed(&router.instance(), ended.session(), Instant::now(), Duration::ZERO).is_empty());
    }
}
