//! The veto of spans: without a session that asks for spans nothing is made that nobody else wants.

use super::{install, user, wait_for_the_veto, watch_42};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use testing::{Evaluations, Output, PATIENCE, events, info_printer, messages, wait_until};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

testing::isolated! {
    fn a_span_with_the_tested_field_or_name_is_never_vetoed() {
        let router = install();
        let with_spans = |predicate| SessionOptions::new(predicate).spans(LevelFilter::TRACE);
        let mut by_field = router.watch(with_spans(Predicate::eq("user", 42)));
        let mut by_name = router.watch(with_spans(Predicate::span("request")));
        for round in 0..1000 {
            tracing::trace_span!("conn", user = 42).in_scope(|| tracing::trace!("in her span"));
            tracing::trace_span!("request").in_scope(|| tracing::trace!("in a request"));
            tracing::trace_span!("other", n = 1).in_scope(|| tracing::trace!("in another"));
            assert_eq!(messages(&mut by_field), ["in her span"], "round {round}");
            assert_eq!(messages(&mut by_name), ["in a request"], "round {round}");
        }
    }

    fn a_verbose_span_is_made_for_no_session_by_default() {
        let router = install();
        let alice = user(42);
        let streams = [router.watch(Predicate::everything()), watch_42(&router), router.watch(Predicate::span("request"))];
        let evaluations = Evaluations::default();
        let made = || {
            let spans = [
                tracing::debug_span!("conn", user = 42, n = evaluations.count()),
                tracing::trace_span!("request", n = evaluations.count()),
                tracing::debug_span!(parent: &alice, "child", n = evaluations.count()),
                tracing::debug_span!(parent: None, "root", n = evaluations.count()),
            ];
            assert!(spans.iter().all(Span::is_disabled));
        };
        assert_eq!(evaluations.during(|| (0..100).for_each(|_| made())), 0);
        assert_eq!(evaluations.during(|| alice.in_scope(|| (0..100).for_each(|_| made()))), 0);
        drop(streams);
    }

    fn a_verbose_span_is_made_for_the_session_that_asks_alone() {
        let router = install();
        let evaluations = Evaluations::default();
        let work = || drop(tracing::debug_span!("work", n = evaluations.count()));
        let (alice, bob) = (user(42), user(43));
        let asks = router.watch(SessionOptions::new(Predicate::eq("user", 42)).spans(LevelFilter::DEBUG));
        let does_not = router.watch(Predicate::eq("user", 43));
        wait_for_the_veto(&evaluations, work);
        assert_eq!(evaluations.during(|| alice.in_scope(work)), 1);
        wait_for_the_veto(&evaluations, || bob.in_scope(work));
        drop((asks, does_not));
    }

    fn a_session_for_info_events_gets_the_verbose_spans_it_asks() {
        let router = install();
        let info = Predicate::eq("user", 42) & Predicate::level(tracing::Level::INFO);
        let mut stream = router.watch(SessionOptions::new(info).spans(LevelFilter::DEBUG));
        let alice = user(42);
        let evaluations = Evaluations::default();
        wait_for_the_veto(&evaluations, || drop(tracing::debug_span!("elsewhere", n = evaluations.count())));
        for round in 0..100 {
            let work = || tracing::debug_span!("work", n = 1).in_scope(|| tracing::info!("worked"));
            work();
            alice.in_scope(work);
            let seen = events(&mut stream);
            let names: Vec<_> = seen.iter().flat_map(|event| event.spans()).map(|span| span.name()).collect();
            assert_eq!((seen.len(), &names[..]), (1, &["conn", "work"][..]), "round {round}");
        }
    }

    fn a_verbose_spans_arguments_are_evaluated_for_the_user_alone() {
        let router = install();
        let evaluations = Evaluations::default();
        let work = || {
            let span = tracing::trace_span!("FramedWrite::buffer", frame = evaluations.count());
            span.in_scope(|| tracing::trace!("buffered"));
        };
        assert_eq!(evaluations.during(work), 0, "idle");
        let (alice, bob) = (user(42), user(43));
        let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).spans(LevelFilter::TRACE));
        wait_for_the_veto(&evaluations, work);
        wait_for_the_veto(&evaluations, || bob.in_scope(work));
        assert_eq!(evaluations.during(|| alice.in_scope(work)), 1);
        assert_eq!(messages(&mut stream), ["buffered"]);
    }

    // Neither turns a callsite off: without a session the levels alone keep the span from being made.
    fn beside_a_layer_that_is_not_there_a_session_enables_no_span() {
        let router = TapRouter::new();
        let absent = None::<tracing_subscriber::fmt::Layer<_>>;
        let others = tracing_subscriber::registry().with(absent).with(info_printer(&Output::default()));
        others.with(router.layer()).init();
        check_no_verbose_span_is_made(&router);
    }

    fn beside_a_reloadable_layer_a_session_enables_no_span() {
        let router = TapRouter::new();
        let (layer, _handle) = tracing_subscriber::reload::Layer::new(info_printer(&Output::default()));
        tracing_subscriber::registry().with(layer).with(router.layer()).init();
        check_no_verbose_span_is_made(&router);
    }

    // The thread knows nothing of the new session when the span is vetoed, and another layer's answer is lost with it.
    fn a_span_vetoed_in_an_argument_disturbs_no_other_layer() {
        let (router, output) = (TapRouter::new(), Output::default());
        let absent = None::<tracing_subscriber::fmt::Layer<_>>;
        let others = tracing_subscriber::registry().with(absent).with(info_printer(&output));
        others.with(router.layer()).init();
        let mut stream = watch_42(&router);
        let open_and_make_a_span = || {
            let opened = std::thread::scope(|scope| scope.spawn(|| watch_42(&router)).join().expect("it opens"));
            assert!(tracing::debug_span!("work").is_disabled());
            drop(opened);
            7
        };
        for _ in 0..3 {
            tracing::debug!(user = 42, n = open_and_make_a_span(), "for the session alone");
        }
        assert_eq!(messages(&mut stream), ["for the session alone"; 3]);
        assert_eq!(output.lines(), [""; 0]);
    }

    // The second router has callsites asked again, but no filter has changed.
    fn a_session_of_a_second_router_enables_no_span() {
        let (one, other) = (TapRouter::new(), TapRouter::new());
        let absent = None::<tracing_subscriber::fmt::Layer<_>>;
        let others = tracing_subscriber::registry().with(absent).with(info_printer(&Output::default()));
        others.with(one.layer()).with(other.layer()).init();
        assert!(tracing::debug_span!("work").is_disabled());
        let streams = [watch_42(&one), watch_42(&other)];
        assert!(tracing::debug_span!("work").is_disabled(), "nobody asks for it");
        drop(streams);
    }

    // The first router's layer would prevent them for everybody.
    fn a_session_with_spans_gets_them_beside_another_router() {
        let (one, other) = (TapRouter::new(), TapRouter::new());
        let others = tracing_subscriber::registry().with(info_printer(&Output::default()));
        others.with(one.layer()).with(other.layer()).init();
        let does_not = watch_42(&one);
        let asks = other.watch(SessionOptions::new(Predicate::everything()).spans(LevelFilter::DEBUG));
        assert!(!tracing::debug_span!("work").is_disabled());
        drop(asks);
        wait_until("its levels to be taken back", || tracing::debug_span!("work").is_disabled());
        drop(does_not);
    }

    // The session's rebuild is then the first to ask about the callsite, which is nobody's change of mind.
    fn a_callsite_first_reached_during_a_rebuild_enables_no_span() {
        let router = TapRouter::new();
        let (reached, wait_for_reached) = mpsc::channel();
        let (go_on, wait_for_go) = mpsc::channel();
        let holds = HoldsUp { reached, go_on: Mutex::new(wait_for_go) };
        let absent = None::<tracing_subscriber::fmt::Layer<_>>;
        let others = tracing_subscriber::registry().with(absent).with(info_printer(&Output::default()));
        others.with(router.layer()).with(holds).init();
        assert!(tracing::debug_span!("before").is_disabled());
        let worker = std::thread::Builder::new().name(WORKER.to_owned());
        let worker = worker.spawn(|| tracing::info!(target: "held_up", "first reached")).expect("a thread starts");
        wait_for_reached.recv_timeout(PATIENCE).expect("the callsite is reached");
        let stream = watch_42(&router);
        go_on.send(()).expect("the worker waits");
        worker.join().expect("the worker ends");
        assert!(tracing::debug_span!("work").is_disabled(), "nobody asks for it");
        drop(stream);
    }
}

const WORKER: &str = "worker";

/// Holds up the worker where it reaches a callsite, before the layers inside are asked about it.
struct HoldsUp {
    reached: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl<S: Subscriber> Layer<S> for HoldsUp {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if std::thread::current().name() == Some(WORKER) && metadata.target() == "held_up" {
            self.reached.send(()).expect("the test waits");
            self.go_on.lock().expect("nobody panics").recv_timeout(PATIENCE).expect("the test lets go");
        }
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

/// While nobody asks for spans, whatever sessions are open.
#[track_caller]
fn check_no_verbose_span_is_made(router: &TapRouter) {
    let request = tracing::info_span!("request");
    let is_made = || request.in_scope(|| !tracing::debug_span!("work").is_disabled());
    assert!(!is_made(), "without a session");
    let stream = watch_42(router);
    assert!(!is_made(), "with a session");
    drop(stream);
}
