//! Behind a filter of its own the layer does not see all spans that the thread enters.

use super::{LogsInHooks, user};
use std::time::Duration;
use testing::{Output, info_printer, messages, wait_until};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

/// A router whose layer does not see the spans of the name `hidden`. Another layer sees them.
fn install() -> TapRouter {
    let router = TapRouter::new();
    let ours = router.layer().with_filter(filter_fn(|metadata| metadata.name() != "hidden"));
    tracing_subscriber::registry().with(info_printer(&Output::default())).with(LogsInHooks).with(ours).init();
    router
}

isolated! {
    fn a_child_of_a_hidden_span_is_in_the_parent_of_that() {
        let router = install();
        let (hers, his) = (user(42), user(43));
        let hidden = tracing::info_span!(parent: &hers, "hidden");
        let _guards = (his.entered(), hidden.entered());
        let mut stream = router.watch(Predicate::eq("user", 42));
        // The first look at where the thread is: the filter is found by what is around this event, which matches nothing.
        tracing::debug!("in his span");
        tracing::info_span!("request").in_scope(|| tracing::debug!("in her request"));
        assert_eq!(messages(&mut stream), ["in her request"]);
    }

    fn it_is_so_where_requests_are_timed_no_more() {
        let router = install();
        let (hers, his) = (user(42), user(43));
        let hidden = tracing::info_span!(parent: &hers, "hidden");
        let mut stream = router.watch(Predicate::eq("user", 42));
        hidden.in_scope(|| tracing::debug!("the filter is found"));
        let slow = SessionOptions::new(Predicate::everything()).slower_than(Duration::from_secs(1));
        drop(router.watch(slow));
        wait_until("the session to be closed", || router.sessions().len() == 1);
        // From here on the thread is followed.
        tracing::debug!("outside");
        let request = || tracing::info_span!("request").in_scope(|| tracing::debug!("in her request"));
        his.in_scope(|| hidden.in_scope(request));
        assert_eq!(messages(&mut stream), ["in her request"]);
    }

    fn what_a_layer_logs_on_exit_is_outside_there_too() {
        let router = install();
        let mut stream = router.watch(Predicate::eq("user", 42));
        let in_a_hidden_span = || tracing::info_span!("hidden").in_scope(|| tracing::debug!(user = 42, "seen"));
        in_a_hidden_span();
        assert_eq!(messages(&mut stream), ["seen"]);
        // From here on the thread is followed.
        tracing::debug!("outside");
        tracing::info_span!("noisy", user = 42).in_scope(|| tracing::debug!("inside"));
        let seen = messages(&mut stream);
        assert!(seen.contains(&"inside".to_owned()) && !seen.contains(&"left".to_owned()), "{seen:?}");
    }
}
