//! The veto: what nobody needs is stopped before its arguments are evaluated, and nothing else ever is.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod spans;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use testing::{Evaluations, Output, info_printer, messages, printer, wait_until};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span, Subscriber};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, reload};
use tracing_tap::{EventStream, Predicate, TapRouter};

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
    router
}

fn watch_42(router: &TapRouter) -> EventStream {
    router.watch(Predicate::eq("user", 42))
}

fn user(user: u32) -> Span {
    tracing::info_span!("conn", user)
}

#[track_caller]
fn wait_for_the_veto(evaluations: &Evaluations, emit: impl Fn()) {
    wait_until("the veto", || evaluations.during(&emit) == 0);
    assert_eq!(evaluations.during(|| (0..1000).for_each(|_| emit())), 0, "the veto is not steady");
}

/// Somewhere for one thread to stop until the test lets it go on.
#[derive(Default)]
struct Stop {
    state: Mutex<StopState>,
    changed: Condvar,
}

#[derive(Default)]
struct StopState {
    is_armed: bool,
    is_reached: bool,
}

impl Stop {
    fn arm(&self) {
        *self.state.lock().unwrap() = StopState { is_armed: true, is_reached: false };
    }

    fn reach(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_reached = state.is_armed;
        let waited = self.changed.wait_timeout_while(state, testing::PATIENCE, |state| state.is_armed).unwrap();
        assert!(!waited.1.timed_out(), "nobody let go");
    }

    fn wait_until_reached(&self) {
        wait_until("a thread to reach the stop", || self.state.lock().unwrap().is_reached);
    }

    fn release(&self) {
        self.state.lock().unwrap().is_armed = false;
        self.changed.notify_all();
    }
}

/// A filter that can change its mind, and be stopped between forming an answer and giving it.
struct Moody {
    wants: AtomicBool,
    asked: AtomicUsize,
    stop: Stop,
    /// The name of the thread that is stopped.
    stops: &'static str,
}

impl Moody {
    fn new(stops: &'static str) -> Arc<Self> {
        Arc::new(Self { wants: AtomicBool::new(false), asked: AtomicUsize::new(0), stop: Stop::default(), stops })
    }

    fn change_mind(&self, wants: bool) {
        self.wants.store(wants, Ordering::SeqCst);
        tracing::callsite::rebuild_interest_cache();
    }
}

struct OfMoody(Arc<Moody>);

impl<S> Filter<S> for OfMoody {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.is_span() || metadata.target() == "moody" && self.0.wants.load(Ordering::SeqCst)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        let wants = self.0.wants.load(Ordering::SeqCst);
        if metadata.target() != "moody" {
            return Interest::never();
        }
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if std::thread::current().name() == Some(self.0.stops) {
            self.0.stop.reach();
        }
        if wants { Interest::always() } else { Interest::never() }
    }
}

/// Counts the events that reach it, and how often it is asked about callsites.
#[derive(Clone, Default)]
struct Counter {
    events: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl<S: Subscriber> Layer<S> for Counter {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Interest::always()
    }

    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        self.events.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counter {
    fn events(&self) -> usize {
        self.events.load(Ordering::SeqCst)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// For how long a count must stay the same to be taken for one that has come to rest.
const QUIET: Duration = Duration::from_millis(300);

#[track_caller]
fn wait_for_rest(counter: &Counter) {
    let mut last = (counter.asked(), Instant::now());
    wait_until("the control threads to come to rest", || {
        if counter.asked() != last.0 {
            last = (counter.asked(), Instant::now());
        }
        last.1.elapsed() >= QUIET
    });
}

isolated! {
    fn a_record_that_only_a_test_beside_the_index_asks_for_is_seen() {
        let router = install();
        let mut stream = router.watch(Predicate::eq("user", 42) & !Predicate::eq("closed", true));
        let span = tracing::info_span!("conn", user = 42, closed = true);
        let evaluations = Evaluations::default();
        let emit = || span.in_scope(|| tracing::debug!(counted = evaluations.count(), "event"));
        for round in 0..3 {
            wait_for_the_veto(&evaluations, emit);
            span.record("closed", false);
            assert_eq!(evaluations.during(emit), 1, "round {round}");
            assert_eq!(messages(&mut stream), ["event"], "round {round}");
            span.record("closed", true);
            assert_eq!(evaluations.during(emit), 0, "round {round}");
        }
        // The same where the thread stays inside.
        let _inside = span.enter();
        tracing::debug!(counted = evaluations.count(), "not yet");
        span.record("closed", false);
        tracing::debug!(counted = evaluations.count(), "now");
        assert_eq!(messages(&mut stream), ["now"]);
    }

    fn arguments_are_evaluated_for_the_watched_user_alone() {
        let router = install();
        let evaluations = Evaluations::default();
        let emit = || {
            tracing::debug!(n = evaluations.count(), "debug");
            tracing::trace!(n = evaluations.count(), "trace {}", evaluations.count());
        };
        assert_eq!(evaluations.during(emit), 0, "idle");
        let (alice, bob) = (user(42), user(43));
        let mut stream = watch_42(&router);
        wait_for_the_veto(&evaluations, emit);
        for round in 0..1000 {
            assert_eq!(evaluations.during(|| bob.in_scope(emit)), 0, "round {round}");
            assert_eq!(evaluations.during(|| alice.in_scope(emit)), 3, "round {round}");
            assert_eq!(evaluations.during(emit), 0, "round {round}");
            assert_eq!(messages(&mut stream).len(), 2, "round {round}");
        }
        drop(stream);
        wait_until("rest", || evaluations.during(|| alice.in_scope(emit)) == 0);
    }

    fn a_level_that_no_session_wants_in_this_scope_is_vetoed_in_it() {
        let router = install();
        let evaluations = Evaluations::default();
        let emit = || tracing::trace!(n = evaluations.count(), "trace");
        let mut hers = router.watch(Predicate::eq("user", 42) & Predicate::level(tracing::Level::DEBUG));
        let mut his = router.watch(Predicate::eq("user", 43));
        wait_for_the_veto(&evaluations, emit);
        let (alice, bob) = (user(42), user(43));
        wait_for_the_veto(&evaluations, || alice.in_scope(emit));
        assert_eq!(evaluations.during(|| bob.in_scope(emit)), 1);
        assert_eq!(messages(&mut his), ["trace"]);
        assert!(messages(&mut hers).is_empty());
    }

    fn a_vetoed_event_comes_back_with_the_session_that_matches_it() {
        let router = install();
        let evaluations = Evaluations::default();
        let emit = || tracing::debug!(n = evaluations.count(), "routed");
        let first = watch_42(&router);
        let bob = user(43);
        wait_for_the_veto(&evaluations, || bob.in_scope(emit));
        for round in 0..200 {
            let mut second = router.watch(Predicate::eq("user", 43));
            bob.in_scope(emit);
            assert_eq!(messages(&mut second), ["routed"], "round {round}");
            drop(second);
            bob.in_scope(emit);
        }
        wait_for_the_veto(&evaluations, || bob.in_scope(emit));
        drop(first);
    }

    fn a_layer_reloaded_to_want_a_vetoed_callsite_gets_it() {
        let (router, counter) = (TapRouter::new(), Counter::default());
        let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
        tracing_subscriber::registry().with(counter.clone().with_filter(filter)).with(router.layer()).init();
        let evaluations = Evaluations::default();
        let emit = || tracing::debug!(n = evaluations.count(), "debug");
        let mut stream = watch_42(&router);
        for round in 0..200 {
            wait_until("the veto", || evaluations.during(emit) == 0);
            handle.reload(LevelFilter::DEBUG).expect("the layer lives");
            let before = counter.events();
            (0..20).for_each(|_| emit());
            assert_eq!(counter.events() - before, 20, "round {round}");
            handle.reload(LevelFilter::INFO).expect("the layer lives");
            let before = counter.events();
            (0..20).for_each(|_| emit());
            assert_eq!(counter.events() - before, 0, "round {round}");
        }
        assert!(messages(&mut stream).is_empty());
    }

    fn an_env_filter_reloaded_to_want_a_vetoed_callsite_gets_it() {
        let (router, output) = (TapRouter::new(), Output::default());
        let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
        tracing_subscriber::registry().with(router.layer()).with(printer(&output).with_filter(filter)).init();
        let evaluations = Evaluations::default();
        let emit = || tracing::debug!(n = evaluations.count(), "debug");
        let _stream = watch_42(&router);
        let bob = user(43);
        wait_for_the_veto(&evaluations, || bob.in_scope(emit));
        handle.reload(EnvFilter::new("info,[other]=trace,it::veto=debug")).expect("the layer lives");
        bob.in_scope(emit);
        assert_eq!(output.lines().len(), 1);
    }

    fn an_answer_from_before_a_reload_is_not_stored() {
        let (router, counter, moody) = (TapRouter::new(), Counter::default(), Moody::new("tracing-tap"));
        let filtered = counter.clone().with_filter(OfMoody(Arc::clone(&moody)));
        tracing_subscriber::registry().with(filtered).with(router.layer()).init();
        let evaluations = Evaluations::default();
        let emit = || tracing::debug!(target: "moody", n = evaluations.count(), "debug");
        let _stream = watch_42(&router);
        for round in 0..10 {
            wait_until("the veto", || evaluations.during(emit) == 0);
            // Forgetting makes the control thread ask; it is stopped with `never` in its hands.
            moody.stop.arm();
            moody.change_mind(false);
            moody.stop.wait_until_reached();
            moody.change_mind(true);
            moody.stop.release();
            let before = counter.events();
            let emitted = AtomicUsize::new(0);
            wait_until("the control thread to be through", || {
                emit();
                emitted.fetch_add(1, Ordering::SeqCst) >= 50
            });
            assert_eq!(counter.events() - before, emitted.into_inner(), "round {round}");
            moody.change_mind(false);
        }
    }

    fn a_callsite_with_the_tested_field_is_never_vetoed() {
        let router = install();
        let mut indexed = watch_42(&router);
        let mut linear = router.watch(Predicate::starts_with("path", "/admin"));
        let mut alternative = router.watch(Predicate::eq(["tenant", "tenant_id"], "7"));
        let evaluations = Evaluations::default();
        wait_for_the_veto(&evaluations, || tracing::debug!(n = evaluations.count(), "nobody's"));
        for round in 0..1000 {
            tracing::debug!(user = 43, "his");
            tracing::debug!(user = 42, "hers");
            tracing::debug!(path = "/", "not admin");
            tracing::debug!(path = "/admin/x", "admin");
            tracing::debug!(tenant_id = 8, "not hers");
            tracing::debug!(tenant_id = 7, "hers");
            tracing::debug!("nobody's");
            assert_eq!(messages(&mut indexed), ["hers"], "round {round}");
            assert_eq!(messages(&mut linear), ["admin"], "round {round}");
            assert_eq!(messages(&mut alternative), ["hers"], "round {round}");
        }
    }

    fn an_event_whose_callsite_is_being_registered_passes() {
        let (router, moody) = (TapRouter::new(), Moody::new("registering"));
        // Asked before us: when it stops we do not know the callsite.
        let first = Counter::default().with_filter(OfMoody(Arc::clone(&moody)));
        tracing_subscriber::registry().with(router.layer()).with(first).init();
        fn emit() {
            tracing::debug!(target: "moody", "routed");
        }
        let mut stream = watch_42(&router);
        let (alice, bob) = (user(42), user(43));
        moody.stop.arm();
        let registering = std::thread::Builder::new().name("registering".to_owned()).spawn(emit).unwrap();
        moody.stop.wait_until_reached();
        for _ in 0..10 {
            alice.in_scope(emit);
            bob.in_scope(emit);
        }
        assert_eq!(messages(&mut stream).len(), 10);
        moody.stop.release();
        registering.join().unwrap();
        for _ in 0..10 {
            alice.in_scope(emit);
            bob.in_scope(emit);
        }
        assert_eq!(messages(&mut stream).len(), 10);
    }

    fn the_veto_is_back_after_every_watch() {
        let router = install();
        let evaluations = Evaluations::default();
        let emit = || tracing::trace!(n = evaluations.count(), "trace");
        let mut open = vec![watch_42(&router)];
        wait_for_the_veto(&evaluations, emit);
        for number in 0..20_u32 {
            let target = format!("target_{number}");
            open.push(router.watch(Predicate::eq("user", number + 100) & Predicate::target(target)));
            wait_for_the_veto(&evaluations, emit);
        }
        while let Some(closed) = open.pop() {
            drop(closed);
            if !open.is_empty() {
                wait_for_the_veto(&evaluations, emit);
            }
        }
    }

    fn one_more_session_asks_others_nothing_again() {
        let (router, moody) = (TapRouter::new(), Moody::new("nobody"));
        let filtered = Counter::default().with_filter(OfMoody(Arc::clone(&moody)));
        tracing_subscriber::registry().with(filtered).with(router.layer()).init();
        let evaluations = Evaluations::default();
        let emit = || tracing::debug!(target: "moody", n = evaluations.count(), "debug");
        let asked = || moody.asked.load(Ordering::SeqCst);
        let _first = watch_42(&router);
        wait_for_the_veto(&evaluations, emit);
        let before = asked();
        let _same_reach = router.watch(Predicate::eq("user", 43));
        let _more_reach = router.watch(Predicate::eq("user", 44) & Predicate::target("moody"));
        wait_for_the_veto(&evaluations, emit);
        // The next question comes after all that the control thread had to ask before.
        let after = asked();
        moody.change_mind(false);
        wait_until("a question to the layer that wants the callsite", || asked() - after == 2);
        assert_eq!(after - before, 1, "the rebuild asks once, and nobody has forgotten the answer");
    }

    fn two_routers_come_to_rest_and_the_veto_is_back() {
        let (first, second, counter) = (TapRouter::new(), TapRouter::new(), Counter::default());
        let nothing_wanted = counter.clone().with_filter(tracing_subscriber::filter::filter_fn(|_| false));
        let registry = tracing_subscriber::registry().with(nothing_wanted);
        registry.with(first.layer()).with(second.layer()).init();
        let asks = Counter::default();
        let evaluations = Evaluations::default();
        let emit = || tracing::debug!(n = evaluations.count(), "nobody's");
        emit();
        let mut hers = watch_42(&first);
        let mut his = second.watch(Predicate::eq("user", 43));
        // A further subscriber sees every question that a rebuild asks.
        let witness = tracing::Dispatch::new(tracing_subscriber::registry().with(asks.clone()).with(LevelFilter::OFF));
        wait_for_rest(&asks);
        let (alice, bob) = (user(42), user(43));
        for _ in 0..100 {
            alice.in_scope(|| tracing::debug!("hers"));
            bob.in_scope(|| tracing::debug!("his"));
            tracing::debug!("nobody's");
        }
        assert_eq!(messages(&mut hers).len(), 100);
        assert_eq!(messages(&mut his).len(), 100);
        drop(witness);
        // Each is another layer to the other: while both want a callsite, neither vetoes it.
        assert_eq!(evaluations.during(emit), 1);
        drop(hers);
        wait_for_the_veto(&evaluations, emit);
        bob.in_scope(|| tracing::debug!("his"));
        assert_eq!(messages(&mut his), ["his"]);
    }

    fn a_callsite_with_the_second_tested_field_is_not_vetoed() {
        let router = install();
        let mut stream = router.watch(Predicate::eq("user", 2) & Predicate::ge("n", 1));
        let evaluations = Evaluations::default();
        let emit = |n: i32| tracing::debug!(n, count = evaluations.count(), "n is {n}");
        let (watched, other) = (user(2), user(3));
        wait_for_the_veto(&evaluations, || other.in_scope(|| emit(1)));
        for round in 0..100 {
            watched.in_scope(|| emit(0));
            watched.in_scope(|| emit(1));
            other.in_scope(|| emit(1));
            emit(1);
            assert_eq!(messages(&mut stream), ["n is 1"], "round {round}");
        }
    }

    fn a_negated_test_beside_the_index_is_left_to_the_event() {
        let router = install();
        let mut stream = router.watch(Predicate::eq("user", 2) & !Predicate::eq("kind", "ping"));
        let watched = user(2);
        for round in 0..100 {
            watched.in_scope(|| {
                tracing::debug!(kind = "ping", "ping");
                tracing::debug!(kind = "data", "data");
                tracing::debug!("without kind");
                tracing::info_span!("message", kind = "ping").in_scope(|| tracing::debug!("in a ping"));
            });
            assert_eq!(messages(&mut stream), ["data", "without kind"], "round {round}");
        }
    }

    fn hints_and_log_records_are_never_vetoed() {
        let router = install();
        let _stream = watch_42(&router);
        let evaluations = Evaluations::default();
        wait_for_the_veto(&evaluations, || tracing::debug!(n = evaluations.count(), "nobody's"));
        for _ in 0..100 {
            assert!(tracing::enabled!(tracing::Level::DEBUG));
            assert!(tracing::event_enabled!(tracing::Level::DEBUG));
        }
    }
}
