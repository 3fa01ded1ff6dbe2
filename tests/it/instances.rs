//! What is learned and cached belongs to one layer in one subscriber: several of them in a process never mix.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testing::measure::live_bytes;
use testing::{Evaluations, Output, events, info_printer, messages, printer, wait_until};
use tracing::dispatcher::with_default;
use tracing::{Dispatch, Span, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::prelude::*;
use tracing_tap::context::{CurrentScope, InContext};
use tracing_tap::coverage::Finding;
use tracing_tap::{EndReason, Item, Predicate, TapRouter};

fn user(user: u32) -> Span {
    tracing::info_span!("conn", user)
}

fn subscriber(router: &TapRouter) -> Dispatch {
    Dispatch::new(tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()))
}

/// Another layer that tells when it is dropped.
struct TellsWhenDropped(Arc<AtomicBool>);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<S: Subscriber> Layer<S> for TellsWhenDropped {}

/// How many threads of this process have the control thread's name.
fn control_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux lists the threads of a process");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "tracing-tap").count()
}

isolated! {
    fn layers_that_come_and_go_idle_leave_nothing_behind() {
        let router = TapRouter::new();
        let come_and_go = |count: usize| (0..count).for_each(|_| drop(router.layer::<tracing_subscriber::Registry>()));
        come_and_go(100);
        let before = live_bytes();
        come_and_go(10_000);
        let kept = live_bytes().saturating_sub(before);
        assert!(kept < 64 << 10, "{kept} bytes are left of 10,000 layers");
        // Neither do those that were in a subscriber.
        let be_used = |count: usize| (0..count).for_each(|_| with_default(&subscriber(&router), || tracing::info!("handled")));
        be_used(100);
        let before = live_bytes();
        be_used(1_000);
        let kept = live_bytes().saturating_sub(before);
        assert!(kept < 64 << 10, "{kept} bytes are left of 1,000 subscribers");
    }

    fn two_routers_in_one_subscriber_get_their_own_events_each() {
        let (first, second, output) = (TapRouter::new(), TapRouter::builder().capture_fields(["user"]).build(), Output::default());
        tracing_subscriber::registry().with(first.layer()).with(info_printer(&output)).with(second.layer()).init();
        let (alice, bob) = (user(42), user(43));
        let mut hers = first.watch(Predicate::eq("user", 42));
        let mut his = second.watch(Predicate::eq("user", 43));
        let mut paths = second.watch(Predicate::eq("path", "/"));
        for round in 0..100 {
            alice.in_scope(|| tracing::debug!("hers"));
            bob.in_scope(|| tracing::trace!("his"));
            tracing::info!("printed");
            tracing::info_span!("request", path = "/").in_scope(|| tracing::debug!("a path that one of them keeps"));
            let late = tracing::info_span!("conn", user = tracing::field::Empty).entered();
            tracing::debug!("nobody's");
            late.record("user", 42);
            tracing::debug!("hers now");
            late.record("user", 43);
            tracing::debug!("his now");
            assert_eq!(messages(&mut hers), ["hers", "hers now"], "round {round}");
            assert_eq!(messages(&mut his), ["his", "his now"], "round {round}");
            assert!(messages(&mut paths).is_empty(), "round {round}");
        }
        assert_eq!(output.lines().len(), 100);
        drop(hers);
        bob.in_scope(|| tracing::debug!("his"));
        assert_eq!(messages(&mut his), ["his"]);
    }

    fn two_routers_in_two_subscribers_on_one_thread_do_not_mix() {
        let (first, second) = (TapRouter::new(), TapRouter::new());
        let (outer, inner) = (subscriber(&first), subscriber(&second));
        let mut hers = first.watch(Predicate::eq("user", 42));
        let mut his = second.watch(Predicate::eq("user", 43));
        for round in 0..100 {
            with_default(&outer, || {
                // The ids of both registries are the same.
                let alice = user(42);
                alice.in_scope(|| {
                    tracing::debug!("hers");
                    with_default(&inner, || {
                        tracing::debug!("outside of all that this subscriber knows");
                        let bob = user(43);
                        bob.in_scope(|| tracing::debug!("his"));
                        user(42).in_scope(|| tracing::debug!("hers in another subscriber"));
                    });
                    tracing::debug!("hers again");
                });
                user(43).in_scope(|| tracing::debug!("his in another subscriber"));
            });
            assert_eq!(messages(&mut hers), ["hers", "hers again"], "round {round}");
            assert_eq!(messages(&mut his), ["his"], "round {round}");
        }
    }

    fn a_carried_span_is_known_by_its_subscriber_and_its_id() {
        let (first, second) = (TapRouter::new(), TapRouter::new());
        let (outer, inner) = (subscriber(&first), subscriber(&second));
        let capture = |subscriber| with_default(subscriber, || user(42).in_scope(|| (Span::current().id(), CurrentScope::capture())));
        let ((her_id, hers), (his_id, his)) = (capture(&outer), capture(&inner));
        assert_eq!(her_id, his_id, "ids of two registries are the same");
        let mut stream = first.watch(Predicate::eq("user", 42));
        with_default(&outer, || {
            his.run(|| {
                tracing::debug!("outside, for this subscriber");
                hers.run(|| tracing::debug!("hers"));
                tracing::debug!("outside again");
            });
        });
        assert_eq!(messages(&mut stream), ["hers"]);
    }

    fn a_poll_that_ends_in_another_subscriber_names_no_guard() {
        let (first, second) = (TapRouter::new(), TapRouter::new());
        let (outer, inner) = (subscriber(&first), subscriber(&second));
        let (hers, his) = (first.watch(Predicate::eq("user", 42)), second.watch(Predicate::eq("user", 42)));
        let span = with_default(&inner, || user(42));
        with_default(&inner, || span.in_scope(|| with_default(&outer, || {
            // A future that another subscriber is the default after, as where a guard of one is kept.
            let mut kept = None;
            let mut work = Box::pin(std::future::poll_fn(|_| {
                kept = Some(tracing::dispatcher::set_default(&inner));
                std::task::Poll::<()>::Pending
            }).detached());
            let waker = std::task::Waker::noop();
            assert!(work.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        })));
        for stream in [hers, his] {
            let coverage = stream.coverage();
            let found = coverage.findings().iter().any(|found| matches!(found, Finding::GuardAcrossAwait { .. }));
            assert!(!found, "{coverage}");
        }
    }

    fn vetoed_events_are_found_lost_next_to_another_subscriber() {
        let evaluations = Evaluations::default();
        let store = || tracing::debug!(n = evaluations.count(), "stored");
        let (first, second) = (TapRouter::new(), TapRouter::new());
        let (outer, inner) = (subscriber(&first), subscriber(&second));
        let streams = [&first, &second].map(|router| router.watch(Predicate::eq("user", 42)));
        with_default(&inner, || {
            wait_until("the veto", || evaluations.during(store) == 0);
            user(7).in_scope(|| {
                tracing::debug!("decided here");
                with_default(&outer, || tracing::debug!("decided last, by another subscriber"));
                tracing::debug!("by what was decided before that");
                store();
            });
            (0..5).for_each(|_| store());
        });
        assert_eq!(second.stats().lost_context_events, 5);
        drop(streams);
    }

    fn all_subscribers_of_a_router_are_served_by_one_rebuild() {
        let router = TapRouter::new();
        let subscribers: [_; 16] = std::array::from_fn(|_| subscriber(&router));
        let mut stream = router.watch(Predicate::eq("user", 42));
        // One more if another thread made a subscriber meanwhile.
        assert!((1..=2).contains(&router.stats().rebuilds), "{:?}", router.stats());
        for subscriber in &subscribers {
            with_default(subscriber, || user(42).in_scope(|| tracing::trace!("hers")));
        }
        assert_eq!(messages(&mut stream), ["hers"; 16]);
    }

    fn a_router_in_two_subscribers_decides_by_each_ones_spans() {
        let router = TapRouter::new();
        let (outer, inner) = (subscriber(&router), subscriber(&router));
        fn emit(text: &str) {
            tracing::debug!("{text}");
        }
        let mut stream = router.watch(Predicate::eq("user", 42));
        for round in 0..100 {
            with_default(&outer, || {
                user(42).in_scope(|| {
                    emit("in her span");
                    with_default(&inner, || {
                        emit("outside");
                        user(43).in_scope(|| emit("in his span"));
                        emit("outside");
                    });
                    emit("in her span again");
                });
                user(43).in_scope(|| {
                    emit("in his span");
                    with_default(&inner, || user(42).in_scope(|| {
                        emit("in her span, inside");
                        with_default(&outer, || emit("in his span"));
                        emit("in her span, inside");
                    }));
                    emit("in his span");
                });
            });
            assert_eq!(
                messages(&mut stream),
                ["in her span", "in her span again", "in her span, inside", "in her span, inside"],
                "round {round}"
            );
        }
    }

    fn what_is_learned_in_one_subscriber_is_not_believed_in_another() {
        let (router, output) = (TapRouter::new(), Output::default());
        let quiet = subscriber(&router);
        let printing = Dispatch::new(tracing_subscriber::registry().with(printer(&output)).with(router.layer()));
        let _stream = router.watch(Predicate::eq("user", 42));
        let evaluations = Evaluations::default();
        let emit = || tracing::debug!(n = evaluations.count(), "debug");
        with_default(&quiet, || wait_until("the veto", || evaluations.during(emit) == 0));
        for round in 0..100 {
            let before = output.lines().len();
            with_default(&printing, emit);
            assert_eq!(output.lines().len(), before + 1, "round {round}");
            with_default(&quiet, emit);
            assert_eq!(output.lines().len(), before + 1, "round {round}");
        }
    }

    fn two_layers_of_one_router_deliver_each_event_twice() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).with(router.layer()).init();
        let alice = user(42);
        let mut stream = router.watch(Predicate::eq("user", 42));
        for _ in 0..100 {
            alice.in_scope(|| tracing::debug!("hers"));
            user(43).in_scope(|| tracing::debug!("his"));
            // Installed twice it is called twice; what matters is that neither layer hides anything from the other.
            assert_eq!(messages(&mut stream), ["hers", "hers"]);
        }
    }

    fn a_layer_made_while_a_session_is_open_serves_it() {
        let router = TapRouter::new();
        let mut stream = router.watch(Predicate::eq("user", 42));
        tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
        tracing::debug!(user = 42, "routed");
        assert_eq!(messages(&mut stream), ["routed"]);
    }

    fn dropping_subscriber_and_router_ends_the_control_thread() {
        let (router, dropped) = (TapRouter::new(), Arc::<AtomicBool>::default());
        let other = TellsWhenDropped(Arc::clone(&dropped));
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(other).with(router.layer()));
        let mut stream = router.watch(Predicate::eq("user", 42));
        with_default(&dispatch, || user(42).in_scope(|| tracing::debug!("hers")));
        assert_eq!(control_threads(), 1);
        let second = std::thread::spawn({
            let dispatch = dispatch.clone();
            move || with_default(&dispatch, || user(42).in_scope(|| tracing::debug!("hers")))
        });
        second.join().unwrap();
        drop(dispatch);
        // The control thread may hold it for as long as it is asking.
        wait_until("the other layers to be dropped", || dropped.load(Ordering::SeqCst));
        assert_eq!(control_threads(), 1, "the router lives");
        assert_eq!(messages(&mut stream).len(), 2);

        drop(router);
        wait_until("the control thread to end", || control_threads() == 0);
        assert!(matches!(stream.blocking_recv_timeout(testing::PATIENCE), Some(Item::Ended(EndReason::Shutdown))));
        assert!(stream.blocking_recv().is_none());
    }

    fn the_layer_keeps_the_router_at_work_without_handles() {
        let router = TapRouter::new();
        let dispatch = subscriber(&router);
        let mut stream = router.watch(Predicate::eq("user", 42));
        drop(router);
        with_default(&dispatch, || user(42).in_scope(|| tracing::debug!("hers")));
        assert_eq!(messages(&mut stream), ["hers"]);
        drop(dispatch);
        assert!(matches!(stream.blocking_recv_timeout(testing::PATIENCE), Some(Item::Ended(EndReason::Shutdown))));
        wait_until("the control thread to end", || control_threads() == 0);
    }

    fn routers_come_and_go_without_leaving_threads() {
        for _ in 0..20 {
            let router = TapRouter::new();
            let dispatch = subscriber(&router);
            let stream = router.watch(Predicate::everything());
            with_default(&dispatch, || tracing::debug!("routed"));
            drop((stream, dispatch, router));
        }
        wait_until("the control threads to end", || control_threads() == 0);
    }

    fn spans_that_a_filter_of_ours_hides_are_absent() {
        let router = TapRouter::new();
        let ours = router.layer().with_filter(filter_fn(|metadata| metadata.target() != "hidden"));
        tracing_subscriber::registry().with(info_printer(&Output::default())).with(ours).init();
        let mut stream = router.watch(Predicate::eq("user", 42));
        let (alice, bob) = (user(42), user(43));
        let hidden = |user: u32| tracing::info_span!(target: "hidden", "conn", user);
        let (alice_hidden, bob_hidden) = (hidden(42), hidden(43));
        for round in 0..100 {
            alice_hidden.in_scope(|| tracing::debug!("in a hidden span"));
            alice_hidden.in_scope(|| bob.in_scope(|| tracing::debug!("in his span")));
            alice.in_scope(|| bob_hidden.in_scope(|| tracing::debug!("in her span")));
            alice.in_scope(|| tracing::debug!(target: "hidden", "a hidden event"));
            bob_hidden.in_scope(|| tracing::debug!("outside"));
            let child = alice.in_scope(|| hidden(1).in_scope(|| tracing::info_span!("request")));
            bob.in_scope(|| child.in_scope(|| tracing::debug!("in her child")));
            bob.in_scope(|| tracing::debug!("in his span"));
            assert_eq!(messages(&mut stream), ["in her span", "in her child"], "round {round}");
        }
        assert!(events(&mut stream).is_empty());
    }
}
