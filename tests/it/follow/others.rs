//! Whom following concerns: neither other requests, nor other sessions, nor spans that come later.

use super::{errors, failing, failing_request, install, named};
use testing::{Evaluations, messages, wait_until};
use tracing_tap::{Follow, Predicate, SessionOptions};

isolated! {
    fn others_are_not_evaluated_while_one_is_followed() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Root));
        let evaluations = Evaluations::default();
        let (mine, theirs) = (tracing::info_span!("conn", id = 1), tracing::info_span!("conn", id = 2));
        let event = || tracing::debug!(counted = evaluations.count(), "event");
        mine.in_scope(|| tracing::info!(status = 500, "failed"));
        // The first one tells where its callsite takes its parent from.
        wait_until("the callsite is learned", || evaluations.during(|| theirs.in_scope(event)) == 0);
        assert_eq!(evaluations.during(|| (0..100).for_each(|_| theirs.in_scope(event))), 0);
        assert_eq!(evaluations.during(|| mine.in_scope(event)), 1);
        assert_eq!(messages(&mut stream), ["failed", "event"]);
    }

    fn nobody_else_is_evaluated_before_and_after_the_hit() {
        let router = install();
        let mut stream = router.watch(errors(named("conn")));
        let evaluations = Evaluations::default();
        let (mine, theirs) = (tracing::info_span!("conn", id = 1), tracing::info_span!("conn", id = 2));
        let event = || tracing::debug!(counted = evaluations.count(), "event");
        mine.in_scope(|| tracing::error!("failed"));
        // The first one tells where its callsite takes its parent from.
        wait_until("the callsite is learned", || evaluations.during(|| theirs.in_scope(event)) == 0);
        assert_eq!(evaluations.during(|| (0..100).for_each(|_| theirs.in_scope(event))), 0);
        assert_eq!(evaluations.during(|| mine.in_scope(event)), 1);
        assert_eq!(messages(&mut stream), ["failed", "event"]);
    }

    fn each_session_follows_for_itself() {
        let router = install();
        let mut whole = router.watch(failing(Follow::Root));
        let mut alone = router.watch(failing(Follow::Event));
        let mut other = router.watch(SessionOptions::new(Predicate::eq("path", "/a")).follow(Follow::Root));
        failing_request();
        let later = ["failed", "handler after", "query after", "request after", "conn after", "next request"];
        assert_eq!(messages(&mut whole), later);
        assert_eq!(messages(&mut alone), ["failed"]);
        let mut of_other = vec!["request before", "handler before"];
        of_other.extend(later);
        assert_eq!(messages(&mut other), of_other);
    }

    fn a_closed_session_follows_no_more() {
        let router = install();
        let root = tracing::info_span!("conn", id = 1);
        let mut first = router.watch(failing(Follow::Root));
        root.in_scope(|| tracing::info!(status = 500, "failed"));
        assert!(router.close(first.id()));
        let mut second = router.watch(failing(Follow::Root));
        root.in_scope(|| tracing::debug!("later"));
        assert_eq!(messages(&mut first), ["failed"]);
        assert!(messages(&mut second).is_empty());
        root.in_scope(|| tracing::info!(status = 500, "failed again"));
        root.in_scope(|| tracing::debug!("much later"));
        assert_eq!(messages(&mut second), ["failed again", "much later"]);
    }

    fn ids_of_spans_that_recur_are_not_followed() {
        let router = install();
        let mut stream = router.watch(failing(Follow::Root));
        let mut ids = std::collections::HashSet::new();
        // Ids of a thread recur after 8,191 spans.
        for round in 0..20_000 {
            let root = tracing::info_span!("request", round);
            let is_new = ids.insert(root.id().map(|id| id.into_u64()));
            root.in_scope(|| if is_new { tracing::info!(status = 500, "failed") } else { tracing::debug!("innocent") });
        }
        assert!(ids.len() < 20_000, "no id recurred");
        assert!(messages(&mut stream).iter().all(|message| message == "failed"));
    }
}
