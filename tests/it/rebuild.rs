//! Callsites are asked again when sessions come and go: from any thread, at any moment, under any lock, without a hang.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, mpsc};
use std::time::Duration;
use testing::{Output, bounded, events, info_printer, messages, wait_until};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_core::Dispatch;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};
use tracing_tap::{EventStream, Predicate, TapRouter};

fn watch_42(router: &TapRouter) -> EventStream {
    router.watch(Predicate::eq("user", 42))
}

/// Somewhere to wait until the test lets go; nobody waits forever.
#[derive(Clone, Debug, Default)]
struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Debug, Default)]
struct GateState {
    is_closed: bool,
    waiting: usize,
}

impl Gate {
    fn close(&self) {
        self.0.0.lock().unwrap().is_closed = true;
    }

    fn open(&self) {
        self.0.0.lock().unwrap().is_closed = false;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.waiting += 1;
        let (mut state, timeout) =
            self.0.1.wait_timeout_while(state, testing::PATIENCE, |state| state.is_closed).unwrap();
        state.waiting -= 1;
        drop(state);
        assert!(!timeout.timed_out(), "nobody opened the gate");
    }

    fn wait_for_a_caller(&self) {
        wait_until("a caller at the gate", || self.0.0.lock().unwrap().waiting > 0);
    }
}

/// Another layer that takes its time, on one thread, to say what it wants of the callsites of the target `slow`.
struct Slow {
    thread: &'static str,
    gate: Gate,
}

impl Slow {
    fn take_time(&self, metadata: &Metadata<'_>) {
        if metadata.target() == "slow" && std::thread::current().name() == Some(self.thread) {
            self.gate.pass();
        }
    }
}

impl<S: Subscriber> Layer<S> for Slow {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.take_time(metadata);
        Interest::always()
    }
}

/// The name of our control thread.
const CONTROL: &str = "tracing-tap";

fn named<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap()
}

/// The same, as a filter of a layer that wants nothing.
impl<S> tracing_subscriber::layer::Filter<S> for Slow {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        false
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.take_time(metadata);
        Interest::never()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

struct Nothing;

impl<S: Subscriber> Layer<S> for Nothing {}

/// Another layer that runs something at an event with this message field, once.
struct OnEvent {
    field: &'static str,
    reaction: Box<dyn Fn() + Send + Sync>,
}

impl<S: Subscriber> Layer<S> for OnEvent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().fields().field(self.field).is_some() {
            (self.reaction)();
        }
    }
}

fn printed_and_routed(number: u32) {
    tracing::info!(number, "printed");
    tracing::debug!(user = 42, number, "routed");
    tracing::debug!(user = 43, number, "neither");
}

#[track_caller]
fn check_printed_and_routed(output: &Output, stream: &mut EventStream) {
    let before = output.lines().len();
    printed_and_routed(7);
    assert_eq!(messages(stream), ["routed"]);
    let lines = output.lines()[before..].to_vec();
    assert!(matches!(&lines[..], [line] if line.contains("printed")), "{lines:?}");
}

isolated! {
    fn watching_without_a_default_serves_a_scoped_subscriber() {
        let (output, router) = (Output::default(), TapRouter::new());
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(info_printer(&output)).with(router.layer()));
        tracing::dispatcher::with_default(&dispatch, || {
            printed_and_routed(1);
            let opener = router.clone();
            let mut stream = bounded("watch", move || watch_42(&opener));
            check_printed_and_routed(&output, &mut stream);
            bounded("drop", move || drop(stream));
            let before = output.lines().len();
            printed_and_routed(2);
            assert_eq!(output.lines().len(), before + 1);
        });
    }

    fn watching_without_a_default_serves_the_global_subscriber() {
        let (output, router) = (Output::default(), TapRouter::new());
        tracing_subscriber::registry().with(info_printer(&output)).with(router.layer()).init();
        printed_and_routed(1);
        let opener = router.clone();
        let mut stream = bounded("watch", move || watch_42(&opener));
        check_printed_and_routed(&output, &mut stream);
    }

    fn watching_under_another_subscriber_serves_the_layers_own() {
        let (output, router) = (Output::default(), TapRouter::new());
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(info_printer(&output)).with(router.layer()));
        tracing::dispatcher::with_default(&dispatch, || printed_and_routed(1));
        let elsewhere = Dispatch::new(tracing_subscriber::registry());
        let mut stream = tracing::dispatcher::with_default(&elsewhere, || watch_42(&router));
        tracing::dispatcher::with_default(&dispatch, || check_printed_and_routed(&output, &mut stream));
    }

    fn watching_before_there_is_a_subscriber_serves_the_next() {
        let (output, router) = (Output::default(), TapRouter::new());
        let mut stream = watch_42(&router);
        tracing_subscriber::registry().with(info_printer(&output)).with(router.layer()).init();
        check_printed_and_routed(&output, &mut stream);
    }

    fn another_layers_on_event_may_open_and_drop_sessions() {
        let (output, router) = (Output::default(), TapRouter::new());
        let opened: Arc<Mutex<Vec<EventStream>>> = Arc::default();
        let (opener, streams) = (router.clone(), Arc::clone(&opened));
        let open = OnEvent {
            field: "open",
            reaction: Box::new(move || {
                drop(opener.watch(Predicate::everything()));
                let stream = watch_42(&opener);
                streams.lock().unwrap().push(stream);
            }),
        };
        let streams = Arc::clone(&opened);
        let close = OnEvent { field: "close", reaction: Box::new(move || streams.lock().unwrap().clear()) };
        tracing_subscriber::registry().with(info_printer(&output)).with(open).with(router.layer()).with(close).init();
        printed_and_routed(1);

        bounded("opening inside on_event", || tracing::info!(open = true, "opens"));
        wait_until("the session", || {
            printed_and_routed(2);
            !events(&mut opened.lock().unwrap()[0]).is_empty()
        });
        check_printed_and_routed(&output, &mut opened.lock().unwrap()[0]);

        bounded("dropping inside on_event", || tracing::info!(close = true, "closes"));
        assert!(router.sessions().is_empty());
        let before = output.lines().len();
        printed_and_routed(3);
        assert_eq!(output.lines().len(), before + 1, "the other layer lost something");
    }

    fn a_callsite_registered_during_the_rebuild_is_repaired() {
        let router = TapRouter::new();
        let gate = Gate::default();
        gate.close();
        // The slow filter is asked after us, who have said `never`: no session was open then.
        let slow = Nothing.with_filter(Slow { thread: "registering", gate: gate.clone() });
        tracing_subscriber::registry().with(slow).with(router.layer()).init();
        fn first_hit() {
            tracing::info!(target: "slow", user = 42, "routed");
        }
        let registering = named("registering", first_hit);
        gate.wait_for_a_caller();
        let mut stream = watch_42(&router);
        gate.open();
        registering.join().unwrap();
        wait_until("the callsite's event", || {
            first_hit();
            !events(&mut stream).is_empty()
        });
    }

    fn a_subscriber_made_while_a_session_opens_hides_no_level() {
        let router = TapRouter::new();
        let gate = Gate::default();
        tracing_subscriber::registry().with(router.layer()).init();
        fn emit() {
            tracing::trace!(user = 42, "routed");
        }
        tracing::info!(target: "slow", "registered");
        // Elsewhere a subscriber is made: `tracing` asks for everybody's levels, then for every callsite's interest,
        // and only then sets the most verbose level of all.
        gate.close();
        let slow = Slow { thread: "making", gate: gate.clone() };
        let making = named("making", || {
            Dispatch::new(tracing_subscriber::registry().with(LevelFilter::INFO).with(slow))
        });
        gate.wait_for_a_caller();
        let mut stream = watch_42(&router);
        gate.open();
        let _other = making.join().unwrap();
        wait_until("an event of a level that was hidden", || {
            emit();
            !events(&mut stream).is_empty()
        });
    }

    fn an_older_rebuild_of_others_hides_no_level_afterwards() {
        let router = TapRouter::new();
        let gate = Gate::default();
        let slow = Nothing.with_filter(Slow { thread: "reloading", gate: gate.clone() });
        tracing_subscriber::registry().with(slow).with(router.layer()).init();
        fn emit() {
            tracing::trace!(user = 42, "routed");
        }
        tracing::info!(target: "slow", "registered");
        gate.close();
        let reloading = named("reloading", tracing::callsite::rebuild_interest_cache);
        gate.wait_for_a_caller();
        let mut stream = watch_42(&router);
        emit();
        assert_eq!(messages(&mut stream), ["routed"], "before the other rebuild has ended");
        gate.open();
        reloading.join().unwrap();
        wait_until("an event of a level that was hidden", || {
            emit();
            !events(&mut stream).is_empty()
        });
    }

    fn watching_while_a_layer_is_modified_returns_and_serves() {
        let (output, router) = (Output::default(), TapRouter::new());
        let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
        let printer = testing::printer(&output).with_filter(filter);
        tracing_subscriber::registry().with(printer).with(router.layer()).init();
        printed_and_routed(1);
        let opener = router.clone();
        let mut stream = bounded("watch inside modify", move || {
            let mut stream = None;
            handle.modify(|_| stream = Some(watch_42(&opener))).expect("the layer lives");
            stream.expect("modify has run")
        });
        wait_until("the session", || {
            printed_and_routed(2);
            !events(&mut stream).is_empty()
        });
        check_printed_and_routed(&output, &mut stream);
    }

    fn watching_under_a_lock_a_layer_wants_returns_and_serves() {
        static LOCK: Mutex<()> = Mutex::new(());
        struct Locks;
        impl<S: Subscriber> Layer<S> for Locks {
            fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
                let _held = LOCK.lock().unwrap();
                Interest::always()
            }
        }
        let (output, router) = (Output::default(), TapRouter::new());
        tracing_subscriber::registry().with(info_printer(&output)).with(router.layer()).with(Locks).init();
        printed_and_routed(1);
        let opener = router.clone();
        let mut stream = bounded("watch under a lock", move || {
            let _held = LOCK.lock().unwrap();
            watch_42(&opener)
        });
        wait_until("the session", || {
            printed_and_routed(2);
            !events(&mut stream).is_empty()
        });
        check_printed_and_routed(&output, &mut stream);
    }

    fn a_layer_that_panics_when_asked_ends_no_control_thread() {
        struct Panics;
        impl<S: Subscriber> Layer<S> for Panics {
            fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
                assert!(metadata.target() != "panics" || std::thread::current().name() != Some(CONTROL), "on purpose");
                Interest::always()
            }
        }
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).with(Panics).init();
        printed_and_routed(1);
        tracing::info!(target: "panics", "registered");
        std::panic::set_hook(Box::new(|_| ()));
        for _ in 0..3 {
            let mut stream = watch_42(&router);
            wait_until("the session", || {
                printed_and_routed(2);
                !events(&mut stream).is_empty()
            });
        }
        let _ = std::panic::take_hook();
        let mut limited = router.watch(tracing_tap::SessionOptions::new(Predicate::eq("user", 42)).max_events(1));
        printed_and_routed(3);
        assert_eq!(messages(&mut limited), ["routed"]);
        wait_until("the control thread to close a session", || router.sessions().is_empty());
    }

    fn watching_inside_register_callsite_returns_and_serves() {
        struct Watches(TapRouter, Arc<OnceLock<Mutex<EventStream>>>, AtomicBool);
        impl<S: Subscriber> Layer<S> for Watches {
            fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
                if metadata.target() == "watches" && !self.2.swap(true, Ordering::SeqCst) {
                    let _ = self.1.set(Mutex::new(watch_42(&self.0)));
                }
                Interest::always()
            }
        }
        let (output, router) = (Output::default(), TapRouter::new());
        let stream: Arc<OnceLock<Mutex<EventStream>>> = Arc::default();
        let watches = Watches(router.clone(), Arc::clone(&stream), AtomicBool::new(false));
        tracing_subscriber::registry().with(info_printer(&output)).with(router.layer()).with(watches).init();
        bounded("watch inside register_callsite", || tracing::debug!(target: "watches", "first"));
        let mut stream = stream.get().expect("the session was opened").lock().unwrap();
        wait_until("the session", || {
            printed_and_routed(2);
            !events(&mut stream).is_empty()
        });
        check_printed_and_routed(&output, &mut stream);
    }

    fn watching_waits_for_an_earlier_sessions_rebuild() {
        let router = TapRouter::new();
        let gate = Gate::default();
        let slow = Nothing.with_filter(Slow { thread: CONTROL, gate: gate.clone() });
        tracing_subscriber::registry().with(slow).with(router.layer()).init();
        fn emit() {
            tracing::debug!(user = 42, "routed");
        }
        emit();
        tracing::info!(target: "slow", "registered");
        gate.close();
        let first = { let router = router.clone(); std::thread::spawn(move || watch_42(&router)) };
        gate.wait_for_a_caller();
        let (returned, second_returned) = mpsc::channel();
        let second = std::thread::spawn(move || {
            let mut stream = watch_42(&router);
            emit();
            let _ = returned.send(());
            messages(&mut stream)
        });
        // Time for a wrong implementation to return; a right one is waiting.
        let early = second_returned.recv_timeout(Duration::from_millis(100));
        gate.open();
        assert_eq!(second.join().unwrap(), ["routed"], "returned early: {early:?}");
        drop(first.join().unwrap());
    }

    fn storms_of_sessions_and_subscribers_end_in_the_right_state() {
        let (output, router) = (Output::default(), TapRouter::new());
        tracing_subscriber::registry().with(info_printer(&output)).with(router.layer()).init();
        let kept: Arc<Mutex<Vec<EventStream>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let seed = Arc::new(AtomicUsize::new(0));
        let openers = (0..2).map(|_| {
            let (router, kept, seed) = (router.clone(), Arc::clone(&kept), Arc::clone(&seed));
            std::thread::spawn(move || {
                for round in 0..1000 {
                    let level = [tracing::Level::INFO, tracing::Level::DEBUG, tracing::Level::TRACE][round % 3];
                    let user = seed.fetch_add(1, Ordering::SeqCst) % 5;
                    let stream = router.watch(Predicate::eq("user", user as u64) & Predicate::level(level));
                    if round % 100 == 0 {
                        kept.lock().unwrap().push(stream);
                    }
                }
            })
        });
        let stopped = Arc::clone(&stop);
        let subscribers = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                drop(Dispatch::new(Registry::default()));
            }
        });
        let stopped = Arc::clone(&stop);
        let producer = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                every_level();
            }
        });
        let openers: Vec<_> = openers.collect();
        bounded("the storm", move || openers.into_iter().for_each(|opener| opener.join().unwrap()));
        stop.store(true, Ordering::SeqCst);
        bounded("the others", move || {
            subscribers.join().unwrap();
            producer.join().unwrap();
        });

        let mut kept = kept.lock().unwrap();
        assert_eq!(router.sessions().len(), kept.len());
        let mut last = router.watch(Predicate::eq("user", 99));
        wait_until("every session to get exactly its own", || {
            kept.iter_mut().for_each(|stream| drop(events(stream)));
            every_level();
            kept.iter_mut().all(|stream| {
                let predicate = router.sessions().into_iter().find(|info| info.id == stream.id()).unwrap().predicate;
                let seen = events(stream);
                assert!(seen.iter().all(|event| predicate.is_match(event)));
                let expected = (0..5u64).flat_map(|user| LEVELS.map(|level| (user, level))).filter(|(user, level)| {
                    predicate == (Predicate::eq("user", *user) & Predicate::level(floor(&predicate, *user)))
                        && *level <= floor(&predicate, *user)
                });
                seen.len() == expected.count()
            })
        });
        assert!(events(&mut last).is_empty());
        kept.clear();
        drop(last);
        assert!(router.sessions().is_empty());
        wait_until("the callsites to rest", || LevelFilter::current() == LevelFilter::INFO);
    }
}

const LEVELS: [tracing::Level; 3] = [tracing::Level::INFO, tracing::Level::DEBUG, tracing::Level::TRACE];

/// The level of a predicate made by the storm, found by comparing.
fn floor(predicate: &Predicate, user: u64) -> tracing::Level {
    let is = |level: &tracing::Level| *predicate == (Predicate::eq("user", user) & Predicate::level(*level));
    LEVELS.into_iter().find(is).unwrap_or(tracing::Level::ERROR)
}

/// One event of each of three levels for each of five users.
fn every_level() {
    for user in 0..5u64 {
        tracing::info!(user, "info");
        tracing::debug!(user, "debug");
        tracing::info_span!("conn", user).in_scope(|| tracing::trace!("trace"));
    }
}
