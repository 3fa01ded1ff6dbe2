//! Slow requests: shown whole once the duration has passed, while they run or when they end.

use super::{check_account, everything, failing, install, request, whole};
use std::time::{Duration, Instant};
use testing::{PATIENCE, messages, wait_until};
use tracing_tap::{Follow, Item, MissingReason, SessionOptions};

const HOUR: Duration = Duration::from_secs(3_600);

fn slower_than(millis: u64) -> SessionOptions {
    everything().slower_than(Duration::from_millis(millis))
}

/// Lets so much time pass.
fn pass(millis: u64) {
    let until = Instant::now() + Duration::from_millis(millis);
    wait_until("time to pass", || Instant::now() >= until);
}

isolated! {
    fn a_request_that_was_slow_is_shown_when_it_ends() {
        let router = install();
        let mut stream = router.watch(slower_than(20).follow(Follow::Root));
        request(0, 200);
        tracing::info_span!("request").in_scope(|| {
            tracing::info!("slow begins");
            pass(30);
            tracing::info!("slow ends");
        });
        assert_eq!(messages(&mut stream), ["slow begins", "slow ends"]);
        assert_eq!(stream.stats().missing[MissingReason::NotChosen], 3);
        check_account(stream.stats());
    }

    fn time_counts_from_the_beginning_of_the_span() {
        let router = install();
        let mut named = router.watch(slower_than(20).follow(Follow::Named("handler".to_owned())));
        let mut stream = router.watch(slower_than(20));
        tracing::info_span!("request").in_scope(|| {
            let handler = tracing::info_span!("handler");
            pass(30);
            handler.in_scope(|| tracing::info!("only at its end"));
        });
        tracing::info_span!("request").in_scope(|| tracing::info!("fast"));
        assert_eq!([&mut stream, &mut named].map(messages), [["only at its end"], ["only at its end"]]);
    }

    fn a_request_that_still_runs_is_shown_without_another_event() {
        let router = install();
        let mut stream = router.watch(slower_than(30));
        let span = tracing::info_span!("request");
        span.in_scope(|| tracing::info!("stuck"));
        let item = stream.blocking_recv_timeout(PATIENCE);
        assert_eq!(item.and_then(Item::into_event).unwrap().message(), "stuck");
        span.in_scope(|| tracing::info!("goes on"));
        assert_eq!(messages(&mut stream), ["goes on"]);
    }

    fn many_requests_that_run_are_each_shown_once_slow() {
        let router = install();
        let mut stream = router.watch(slower_than(30));
        let spans: Vec<_> = (0..50).map(|number| tracing::info_span!("request", number)).collect();
        spans.iter().for_each(|span| span.in_scope(|| tracing::info!("stuck")));
        let shown = (0..50).map_while(|_| stream.blocking_recv_timeout(PATIENCE)).filter_map(Item::into_event).count();
        assert_eq!((shown, stream.stats().held), (50, 0));
    }

    fn a_duration_of_zero_shows_everything() {
        let router = install();
        let mut stream = router.watch(slower_than(0));
        request(0, 200);
        tracing::info!("outside");
        assert_eq!(messages(&mut stream), [whole(0), vec!["outside".to_owned()]].concat());
    }

    fn outside_of_a_request_nothing_is_slow() {
        let router = install();
        let mut stream = router.watch(slower_than(20));
        tracing::info!("outside");
        assert_eq!((messages(&mut stream).len(), stream.stats().missing[MissingReason::NotChosen]), (0, 1));
    }

    fn either_outcome_suffices() {
        let router = install();
        let mut stream = router.watch(failing().slower_than(Duration::from_millis(20)));
        request(0, 200);
        request(1, 500);
        tracing::info_span!("request").in_scope(|| {
            tracing::info!("begins");
            pass(30);
        });
        assert_eq!(messages(&mut stream), [whole(1), vec!["begins".to_owned()]].concat());
    }

    fn a_request_older_than_the_session_counts_from_its_opening() {
        let router = install();
        let span = tracing::info_span!("request");
        pass(30);
        let mut stream = router.watch(everything().slower_than(HOUR));
        span.in_scope(|| tracing::info!("not an hour old"));
        drop(span);
        assert_eq!(messages(&mut stream).len(), 0);
    }

    fn a_duration_past_the_bound_on_holding_is_refused() {
        let router = install();
        let error = router.try_watch(everything().slower_than(HOUR)).unwrap_err();
        assert!(error.is_hold_too_long(), "{error}");
        let text = "the session was not opened: `slower_than` is 3600s, and a request is held for at most 60s, `max_hold_time`";
        assert_eq!(error.to_string(), text);
        assert_eq!(router.stats().refused_by.max_hold_time, 1);
        assert!(router.try_watch(everything().slower_than(Duration::from_secs(60))).is_ok());
    }
}
