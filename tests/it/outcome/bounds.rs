//! What is held is bounded, whatever a request does, and every bound is counted; limits are asked at the release.

use super::{check_account, everything, failed, failing, install, install_with, read_to_end, request, whole};
use std::time::Duration;
use testing::{messages, wait_until};
use tracing_tap::{EndReason, EventStream, MissingReason, Overflow, TapRouter};

/// What is missing of these reasons, in this order.
#[track_caller]
fn missing<const N: usize>(stream: &EventStream, reasons: [MissingReason; N]) -> [u64; N] {
    check_account(stream.stats());
    reasons.map(|reason| stream.stats().missing[reason])
}

isolated! {
    fn a_request_of_more_events_than_the_buffer_holds_is_undecided() {
        let router = install();
        let mut stream = router.watch(failing().capacity(3));
        for events in [3, 4] {
            tracing::info_span!("request").in_scope(|| {
                (1..events).for_each(|number| tracing::info!(number, "before"));
                tracing::info!(status = 500, "failed {events}");
                tracing::info!("after {events}");
            });
            assert_eq!(messages(&mut stream).len(), if events == 3 { 3 } else { 0 }, "{events}");
        }
        assert_eq!(missing(&stream, [MissingReason::Undecided, MissingReason::Overflow]), [5, 1]);
    }

    fn at_the_bound_in_bytes_the_oldest_request_goes() {
        let router = install();
        let mut stream = router.watch(failing().capacity_bytes(6_000));
        let text = "x".repeat(1_000);
        let spans: Vec<_> = (0..4).map(|number| tracing::info_span!("request", number)).collect();
        for span in &spans {
            span.in_scope(|| (0..2).for_each(|_| tracing::info!("{text}")));
        }
        assert!(router.stats().buffered_bytes <= 6_000);
        let undecided = stream.stats().missing[MissingReason::Undecided];
        assert!((2..=6).contains(&undecided) && undecided.is_multiple_of(2), "{undecided}");
        for span in &spans {
            span.in_scope(|| tracing::info!(status = 500, "failed"));
        }
        let shown: Vec<_> = testing::events(&mut stream);
        assert_eq!(shown.len() as u64 % 3, 0, "each is shown whole or not at all");
        let last = shown.last().and_then(|event| event.find("number")).and_then(tracing_tap::Value::as_u64);
        assert_eq!(last, Some(3), "the latest is still there");
        check_account(stream.stats());
        drop(spans);
        assert_eq!(stream.stats().held, 0);
    }

    fn what_all_sessions_hold_counts_in_the_router_s_bytes() {
        let router = install_with(TapRouter::builder().max_buffered_bytes(10_000).build());
        let streams = [(); 3].map(|()| router.watch(failing()));
        let _span = tracing::info_span!("request").entered();
        let text = "x".repeat(500);
        (0..50).for_each(|_| tracing::info!("{text}"));
        assert!(router.stats().buffered_bytes <= 10_000, "{:?}", router.stats());
        assert!(streams.iter().any(|stream| stream.stats().missing[MissingReason::Undecided] > 0));
        streams.iter().for_each(|stream| check_account(stream.stats()));
    }

    fn at_the_bound_in_requests_the_oldest_goes() {
        let router = install_with(TapRouter::builder().max_held_requests(2).build());
        let mut stream = router.watch(failing());
        let spans: Vec<_> = (0..3).map(|number| tracing::info_span!("request", number)).collect();
        spans.iter().for_each(|span| span.in_scope(|| tracing::info!("begins")));
        assert_eq!(missing(&stream, [MissingReason::Undecided]), [1]);
        spans.iter().for_each(|span| span.in_scope(|| tracing::info!(status = 500, "failed")));
        assert_eq!(messages(&mut stream).len(), 4);
        assert_eq!(missing(&stream, [MissingReason::Undecided]), [2], "with what it logs afterwards");
        drop(spans);
        (0..100).for_each(|number| request(number, 200));
        assert_eq!(missing(&stream, [MissingReason::Undecided, MissingReason::NotChosen]), [2, 300], "others have room");
    }

    fn a_request_that_takes_too_long_is_given_up() {
        let router = install_with(TapRouter::builder().max_hold_time(Duration::from_millis(30)).build());
        let mut stream = router.watch(failing());
        let span = tracing::info_span!("request");
        span.in_scope(|| tracing::info!("begins"));
        wait_until("the request to be given up", || stream.stats().held == 0);
        span.in_scope(|| tracing::info!(status = 500, "failed"));
        assert_eq!((messages(&mut stream).len(), missing(&stream, [MissingReason::Undecided])), (0, [2]));
        assert_eq!(router.stats().buffered_bytes, 0);
    }

    fn what_is_given_up_is_reported_to_the_reader() {
        let router = install_with(TapRouter::builder().max_held_requests(1).build());
        let mut stream = router.watch(failing());
        let spans: Vec<_> = (0..2).map(|number| tracing::info_span!("request", number)).collect();
        spans.iter().for_each(|span| span.in_scope(|| tracing::info!("begins")));
        let item = stream.blocking_recv_timeout(testing::PATIENCE).unwrap();
        let is_report = matches!(item, tracing_tap::Item::Missing(missing) if missing.reason == MissingReason::Undecided);
        assert!(is_report, "{item:?}");
    }

    fn the_rate_is_asked_for_a_whole_request_at_its_release() {
        let router = install();
        let mut stream = router.watch(failing().max_rate(4));
        (0..3).for_each(|number| request(number, 200));
        request(3, 500);
        request(4, 500);
        assert_eq!(messages(&mut stream), whole(3));
        assert_eq!(missing(&stream, [MissingReason::RateLimited, MissingReason::NotChosen]), [3, 9]);
    }

    fn the_number_of_events_is_that_of_released_ones() {
        let router = install();
        let mut stream = router.watch(failing().max_events(6));
        (0..5).for_each(|number| request(number, if number < 3 { 200 } else { 500 }));
        let (shown, _, ended) = read_to_end(&mut stream);
        assert_eq!((shown, ended), ([whole(3), whole(4)].concat(), Some(EndReason::MaxEvents)));
        wait_until("the session to be closed", || router.sessions().is_empty());
        let mut stream = router.watch(failing().max_events(5));
        (0..2).for_each(|number| request(number, 500));
        let (shown, missing, ended) = read_to_end(&mut stream);
        assert_eq!((shown, ended), (whole(0), Some(EndReason::MaxEvents)), "no part of the second is shown");
        assert_eq!(missing, [(MissingReason::Undecided, 3)]);
        check_account(stream.stats());
    }

    fn a_request_without_room_is_lost_whole() {
        let router = install();
        let mut stream = router.watch(failing().capacity(5).overflow(Overflow::DropNewest));
        (0..3).for_each(|number| request(number, 500));
        assert_eq!(messages(&mut stream), whole(0));
        assert_eq!(missing(&stream, [MissingReason::Overflow]), [6]);
        request(3, 500);
        assert_eq!(messages(&mut stream), whole(3), "there is room again");
    }

    fn the_oldest_make_room_for_a_request_unless_told_otherwise() {
        let router = install();
        let mut stream = router.watch(failing().capacity(3));
        (0..3).for_each(|number| request(number, 500));
        assert_eq!(messages(&mut stream), whole(2));
        assert_eq!(missing(&stream, [MissingReason::Overflow]), [6]);
    }

    fn sampling_decides_when_a_request_begins() {
        let router = install();
        let mut stream = router.watch(failing().sample(3).capacity(1_000));
        (0..300).for_each(|number| request(number, if number % 2 == 0 { 200 } else { 500 }));
        let shown = messages(&mut stream);
        assert!(shown.len() > 30 && shown.len() < 300, "{}", shown.len());
        for request in shown.chunks(3) {
            let number = request[0].rsplit(' ').next().unwrap().parse().unwrap();
            assert_eq!(request, whole(number));
        }
        let [sampled_out, not_chosen] = missing(&stream, [MissingReason::SampledOut, MissingReason::NotChosen]);
        assert_eq!(shown.len() as u64 + sampled_out + not_chosen, 900);
        assert!(sampled_out > 300 && not_chosen > 30, "{sampled_out} {not_chosen}");
    }

    fn a_session_without_outcome_holds_nothing() {
        let router = install();
        let mut stream = router.watch(everything());
        request(0, 200);
        assert_eq!(messages(&mut stream), whole(0));
        assert_eq!(stream.stats().held, 0);
        let _ = failed();
    }
}
