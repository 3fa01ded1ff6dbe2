//! Decided by outcome: a session shows a request whole, once it has had the wanted outcome, or nothing of it.

mod bounds;
mod histories;
mod slow;
mod threads;

use testing::measure::check_account;
use testing::{events, messages};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{EndReason, EventStream, Follow, Item, MissingReason, Predicate, SessionOptions, TapRouter};

fn install() -> TapRouter {
    install_with(TapRouter::new())
}

fn install_with(router: TapRouter) -> TapRouter {
    let info = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(info).with(router.layer()).init();
    router
}

fn everything() -> SessionOptions {
    SessionOptions::new(Predicate::everything())
}

fn failed() -> Predicate {
    Predicate::ge("status", 500)
}

fn failing() -> SessionOptions {
    everything().only_if(failed())
}

/// A request of three events.
fn request(number: u64, status: u64) {
    tracing::info_span!("request", number).in_scope(|| {
        tracing::trace!("accepted {number}");
        tracing::info_span!("handler").in_scope(|| tracing::debug!("handled {number}"));
        tracing::info!(status, "answered {number}");
    });
}

fn whole(number: u64) -> Vec<String> {
    ["accepted", "handled", "answered"].map(|word| format!("{word} {number}")).to_vec()
}

/// Reads to the end, and returns the messages, what is missing, and the reason.
fn read_to_end(stream: &mut EventStream) -> (Vec<String>, Vec<(MissingReason, u64)>, Option<EndReason>) {
    let (mut messages, mut missing, mut ended) = (Vec::new(), Vec::new(), None);
    while let Some(item) = stream.blocking_recv_timeout(testing::PATIENCE) {
        match item {
            Item::Event { event, .. } => messages.push(event.message().to_owned()),
            Item::Missing(one) => missing.push((one.reason, one.count)),
            Item::Ended(reason) => ended = Some(reason),
            other => panic!("an item of an unknown kind: {other:?}"),
        }
    }
    (messages, missing, ended)
}

isolated! {
    fn a_failing_request_is_shown_whole_and_no_other() {
        let router = install();
        let mut stream = router.watch(failing().follow(Follow::Root));
        (0..4).for_each(|number| request(number, if number % 2 == 0 { 200 } else { 503 }));
        assert_eq!(messages(&mut stream), [whole(1), whole(3)].concat());
        let stats = stream.stats();
        assert_eq!((stats.matched, stats.delivered, stats.held), (12, 6, 0));
        assert_eq!(stats.missing[MissingReason::NotChosen], 6);
        check_account(stats);
    }

    fn nothing_is_shown_before_the_outcome_and_everything_at_it() {
        let router = install();
        let mut stream = router.watch(failing());
        let span = tracing::info_span!("request").entered();
        tracing::trace!("first");
        tracing::debug!("second");
        assert_eq!((messages(&mut stream).len(), stream.stats().held), (0, 2));
        assert!(router.stats().buffered_bytes > 0, "what is held counts");
        tracing::warn!(status = 500, "third");
        assert_eq!(messages(&mut stream), ["first", "second", "third"]);
        tracing::trace!("fourth");
        assert_eq!(messages(&mut stream), ["fourth"], "later events follow as they come");
        drop(span);
        assert_eq!(router.stats().buffered_bytes, 0);
        check_account(stream.stats());
    }

    fn a_request_is_its_roots_whatever_the_session_follows() {
        let router = install();
        let named = |name: &str| Follow::Named(name.to_owned());
        let [mut event, mut span, mut root] =
            [Follow::Event, Follow::Span, Follow::Root].map(|follow| router.watch(failing().follow(follow)));
        let mut handler = router.watch(failing().follow(named("handler")));
        let mut nowhere = router.watch(failing().follow(named("nowhere")));
        tracing::info_span!("conn").in_scope(|| {
            tracing::debug!("conn");
            for status in [200, 500] {
                tracing::info_span!("handler").in_scope(|| {
                    tracing::debug!("handler {status}");
                    tracing::info!(status, "answered {status}");
                });
            }
        });
        let all = ["conn", "handler 200", "answered 200", "handler 500", "answered 500"];
        for stream in [&mut event, &mut span, &mut root] {
            assert_eq!(messages(stream), all);
        }
        assert_eq!(messages(&mut handler), ["handler 500", "answered 500"]);
        assert_eq!(messages(&mut nowhere), ["answered 500"], "outside of a request each event is decided alone");
        [event, span, root, handler, nowhere].iter().for_each(|stream| check_account(stream.stats()));
    }

    fn events_outside_of_any_request_are_decided_alone() {
        let router = install();
        let mut stream = router.watch(failing());
        tracing::info!("before");
        tracing::error!(status = 500, "failed");
        tracing::info!(status = 200, "after");
        assert_eq!(messages(&mut stream), ["failed"]);
        assert_eq!(stream.stats().missing[MissingReason::NotChosen], 2);
    }

    fn only_events_of_the_session_decide() {
        let router = install();
        let mut of_others = router.watch(SessionOptions::new(Predicate::level(tracing::Level::ERROR)).only_if(failed()));
        let mut confined = router.watch(failing().confined_to(Predicate::eq("tenant", 7)));
        tracing::info_span!("request", tenant = 8).in_scope(|| {
            tracing::error!("error");
            tracing::info!(status = 500, "answered");
        });
        tracing::info_span!("request", tenant = 7).in_scope(|| tracing::info!(status = 500, "ours"));
        assert_eq!((messages(&mut of_others).len(), messages(&mut confined)), (0, vec!["ours".to_owned()]));
        assert_eq!((of_others.stats().matched, confined.stats().matched), (1, 1));
    }

    fn what_is_followed_decides_as_well() {
        let router = install();
        let errors = SessionOptions::new(Predicate::level(tracing::Level::ERROR)).follow(Follow::Root).only_if(failed());
        let mut stream = router.watch(errors);
        for status in [200, 500] {
            tracing::info_span!("request").in_scope(|| {
                tracing::debug!("before {status}");
                tracing::error!("error {status}");
                tracing::debug!("between {status}");
                tracing::info!(status, "answered {status}");
            });
        }
        assert_eq!(messages(&mut stream), ["error 500", "between 500", "answered 500"]);
    }

    fn a_value_recorded_on_a_span_decides_at_the_next_event_inside() {
        let router = install();
        let mut stream = router.watch(failing());
        let request = |status: u64, ends_with_event: bool| {
            let span = tracing::info_span!("request", status = tracing::field::Empty).entered();
            tracing::debug!("begins {status}");
            span.record("status", status);
            if ends_with_event {
                tracing::debug!("ends {status}");
            }
        };
        request(200, true);
        request(500, true);
        request(501, false);
        assert_eq!(messages(&mut stream), ["begins 500", "ends 500"]);
    }

    fn spans_levels_and_targets_decide_too() {
        let router = install();
        let only_if = |text: &str| everything().only_if(text.parse().unwrap());
        let mut streams = ["@level = error", "@span = handler", "@target = elsewhere", "not status >= 0", "message *= oh"]
            .map(|text| router.watch(only_if(text)));
        tracing::info_span!("one").in_scope(|| tracing::error!(status = 1, "first"));
        tracing::info_span!("two").in_scope(|| {
            tracing::info_span!("handler").in_scope(|| tracing::info!(status = 1, "second"));
        });
        tracing::info_span!("three").in_scope(|| tracing::info!(target: "elsewhere", status = 1, "third"));
        tracing::info_span!("four").in_scope(|| tracing::info!("fourth"));
        tracing::info_span!("five").in_scope(|| tracing::info!(status = 1, "oh no"));
        let shown = streams.each_mut().map(messages);
        assert_eq!(shown, [["first"], ["second"], ["third"], ["fourth"], ["oh no"]].map(|one| one.map(str::to_owned).to_vec()));
    }

    fn redacted_and_denied_values_decide_nothing() {
        let router = install_with(TapRouter::builder().redact_fields(["secret"]).deny_targets(["private"]).build());
        let secret = || everything().only_if(Predicate::eq("secret", 7));
        let error = router.try_watch(secret()).unwrap_err();
        assert!(error.is_redacted_field(), "{error}");
        assert_eq!(error.field(), Some("secret"));
        let (mut stream, mut failing) = (router.watch(secret()), router.watch(failing()));
        tracing::info_span!("request").in_scope(|| {
            tracing::info!(secret = 7, "known");
            tracing::info!(target: "private", status = 500, "hidden");
        });
        assert_eq!((messages(&mut stream).len(), messages(&mut failing).len()), (0, 0));
        assert_eq!((stream.stats().matched, failing.stats().matched), (1, 1));
    }

    fn a_costly_outcome_is_refused_as_a_costly_predicate_is() {
        let router = install();
        let costly = (0..20).map(|number| Predicate::contains("message", format!("{number}"))).fold(failed(), Predicate::or);
        assert!(router.try_watch(everything().only_if(costly)).unwrap_err().is_too_costly());
    }

    fn an_outcome_that_takes_too_much_time_ends_the_session() {
        let router = install_with(TapRouter::builder().max_session_cost(std::time::Duration::from_micros(200)).build());
        let parts = (0..9).map(|number| Predicate::contains("message", format!("no {number}")));
        let outcome = parts.fold(Predicate::eq("message", "no"), Predicate::or);
        let mut stream = router.try_watch(everything().only_if(outcome)).unwrap();
        let text = "x".repeat(4_000);
        (0..200).for_each(|_| tracing::info_span!("request").in_scope(|| tracing::info!("{text}")));
        assert_eq!(read_to_end(&mut stream).2, Some(EndReason::TooCostly));
        check_account(stream.stats());
    }

    fn what_is_held_at_the_end_is_undecided() {
        let router = install();
        let mut stream = router.watch(failing());
        let _open = tracing::info_span!("request").entered();
        (0..3).for_each(|_| tracing::info!("held"));
        router.close(stream.id());
        tracing::info!(status = 500, "too late");
        let (shown, missing, ended) = read_to_end(&mut stream);
        assert_eq!((shown.len(), missing, ended), (0, vec![(MissingReason::Undecided, 3)], Some(EndReason::Closed)));
        check_account(stream.stats());
        let dropped = router.watch(failing());
        tracing::info!("not chosen");
        tracing::info_span!("inner").in_scope(|| tracing::info!("held"));
        drop(dropped);
        testing::wait_until("the session to be freed", || router.stats().buffered_bytes == 0);
        check_account(router.stats().events);
    }

    fn what_was_not_chosen_is_counted_once_at_the_end() {
        let router = install();
        let mut stream = router.watch(failing());
        (0..5).for_each(|number| request(number, 200));
        assert_eq!(stream.drain().count(), 0, "it is no news");
        router.close(stream.id());
        let (shown, missing, _) = read_to_end(&mut stream);
        assert_eq!((shown.len(), missing), (0, vec![(MissingReason::NotChosen, 15)]));
    }

    fn several_sessions_decide_each_for_itself() {
        let router = install();
        let mut plain = router.watch(everything());
        let mut failing = router.watch(failing());
        let mut slow = router.watch(everything().slower_than(std::time::Duration::ZERO));
        let mut user = router.watch(SessionOptions::new(Predicate::eq("number", 1)).only_if(failed()));
        (0..3).for_each(|number| request(number, 499 + number));
        let shared: Vec<_> = [events(&mut plain), events(&mut slow)].map(|events| events.len()).to_vec();
        assert_eq!(shared, [9, 9]);
        assert_eq!(messages(&mut failing), [whole(1), whole(2)].concat());
        assert_eq!(messages(&mut user), whole(1));
    }

    fn a_request_older_than_the_session_is_shown_from_then_on() {
        let router = install();
        let span = tracing::info_span!("request").entered();
        tracing::info!("before");
        let mut stream = router.watch(failing());
        tracing::info!("after");
        tracing::info!(status = 500, "failed");
        drop(span);
        assert_eq!(messages(&mut stream), ["after", "failed"]);
    }

    fn coverage_says_that_no_request_can_have_the_outcome() {
        let router = install();
        request(0, 200);
        assert!(router.coverage_of(&failing()).is_clear());
        let misspelt = everything().only_if(Predicate::ge("statsu", 500));
        let coverage = router.coverage_of(&misspelt);
        assert_eq!(coverage.verdict(), tracing_tap::Verdict::Nothing);
        assert!(coverage.to_string().contains("did you mean `status`?"), "{coverage}");
        let or_slow = router.coverage_of(&misspelt.slower_than(std::time::Duration::from_secs(1)));
        assert!(or_slow.is_clear(), "{or_slow}");
    }

    fn verbose_spans_that_a_session_asks_for_make_requests() {
        let router = install();
        let mut stream = router.watch(failing().spans(LevelFilter::DEBUG));
        for status in [200, 500] {
            tracing::debug_span!("request").in_scope(|| {
                tracing::debug!("handled {status}");
                tracing::info!(status, "answered {status}");
            });
        }
        assert_eq!(messages(&mut stream), ["handled 500", "answered 500"]);
    }
}
