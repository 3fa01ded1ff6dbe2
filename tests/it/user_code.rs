//! Values and wakers run their owners' code in our hands: it may log, panic, open sessions and come too late.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use testing::{Output, bounded, events, info_printer, messages, printer, wait_until};
use tracing::field::{Empty, debug};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry};
use tracing_tap::{EventStream, Item, Predicate, SessionOptions, TapRouter};

fn install(output: &Output) -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(info_printer(output)).with(router.layer()).init();
    router
}

fn watch_42(router: &TapRouter) -> EventStream {
    router.watch(Predicate::eq("user", 42))
}

/// A value whose `Debug` runs something first.
struct Runs<F: Fn()>(F);

impl<F: Fn()> fmt::Debug for Runs<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)();
        f.write_str("ran")
    }
}

/// A value whose `Debug` logs the value itself.
struct LogsItself;

impl fmt::Debug for LogsItself {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tracing::debug!(me = ?self, user = 42, "from Debug");
        let _span = tracing::debug_span!("formatting", me = ?self, user = 42).entered();
        tracing::trace!("from a span in Debug");
        f.write_str("itself")
    }
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half of it")?;
        panic!("a Debug panics")
    }
}

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a Display panics")
    }
}

const MARKER: &str = "<panicked while formatting>";

/// Keeps the panics that a test causes on purpose out of its output.
fn without_panic_messages<R>(work: impl FnOnce() -> R + std::panic::UnwindSafe) -> R {
    std::panic::set_hook(Box::new(|_| ()));
    let result = std::panic::catch_unwind(work);
    let _ = std::panic::take_hook();
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A layer before or after ours that formats span fields while it holds the span's extensions locked.
fn with_formatting_layer(output: &Output, router: &TapRouter, is_first: bool) {
    let formats = info_printer::<Registry>(output);
    if is_first {
        tracing_subscriber::registry().with(formats).with(router.layer()).init();
    } else {
        tracing_subscriber::registry().with(router.layer()).with(info_printer(output)).init();
    }
}

fn check_a_debug_that_logs_under_another_layers_lock(is_first: bool) {
    let (output, router) = (Output::default(), TapRouter::new());
    with_formatting_layer(&output, &router, is_first);
    let mut stream = watch_42(&router);
    bounded("a Debug that logs under another layer's lock", || {
        let span = tracing::info_span!("conn", user = 42, late = Empty);
        let logs = || tracing::debug!("from Debug");
        span.in_scope(|| {
            tracing::info_span!("request", value = ?Runs(logs)).in_scope(|| tracing::info!("inside"));
            span.record("late", debug(Runs(logs)));
            tracing::info!(value = ?Runs(logs), "with a value");
        });
    });
    let seen = messages(&mut stream);
    // The other layer formats each of the three values; what we format ourselves we do not route.
    assert_eq!(seen.iter().filter(|text| *text == "from Debug").count(), 3, "{seen:?}");
    assert!(seen.iter().any(|text| text == "inside") && seen.iter().any(|text| text == "with a value"));
    assert_eq!(seen.len(), 5);
    assert!(router.stats().suppressed > 0);
    assert_eq!(output.lines().len(), 2, "{:?}", output.lines());
}

/// Logs when its thread ends.
enum LogsAtTheEnd {
    /// Before `tracing`'s own thread-locals are gone.
    Early(tracing::Span),
    /// After it: then a registry can enter no span.
    Late(tracing::Span),
}

impl Drop for LogsAtTheEnd {
    fn drop(&mut self) {
        match self {
            Self::Early(span) => {
                tracing::debug!(user = 42, value = ?Some(1), "early");
                span.in_scope(|| tracing::debug!("early in a span"));
                tracing::info_span!("new", user = 42).in_scope(|| tracing::debug!("early in a new span"));
            }
            Self::Late(span) => {
                tracing::debug!(user = 42, value = ?Some(1), "late");
                tracing::debug!(parent: &*span, value = ?Some(1), "late child");
                tracing::debug!(user = 43, value = ?Some(1), "another user's");
                span.record("late", debug(Some(1)));
                tracing::debug!(parent: &*span, value = ?Some(1), "late child after a record");
                let _ = tracing::enabled!(tracing::Level::TRACE);
                drop(ROUTER.get().unwrap().watch(Predicate::eq("user", 44)));
            }
        }
    }
}

static ROUTER: OnceLock<TapRouter> = OnceLock::new();

thread_local! {
    static FIRST: RefCell<Option<LogsAtTheEnd>> = const { RefCell::new(None) };
    static LAST: RefCell<Option<LogsAtTheEnd>> = const { RefCell::new(None) };
}

struct Counting {
    wakes: AtomicUsize,
    logs: bool,
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        if self.logs {
            tracing::debug!(user = 42, "from the waker");
            tracing::info!("printed by the waker");
        }
    }
}

/// Polls a stream with nothing to read until it waits. One that has just been read wakes itself first, to look again;
/// those wakes are taken back, and returned.
fn wait(stream: &mut EventStream, waker: &Arc<Counting>) -> usize {
    let before = waker.wakes.load(Ordering::SeqCst);
    wait_until("the stream to wait", || {
        let seen = waker.wakes.load(Ordering::SeqCst);
        assert!(poll(stream, waker).is_pending());
        waker.wakes.load(Ordering::SeqCst) == seen
    });
    waker.wakes.swap(before, Ordering::SeqCst) - before
}

fn poll(stream: &mut EventStream, waker: &Arc<Counting>) -> Poll<Option<Item>> {
    let waker = Waker::from(Arc::clone(waker));
    futures_util::Stream::poll_next(Pin::new(stream), &mut Context::from_waker(&waker))
}

fn counting(logs: bool) -> Arc<Counting> {
    Arc::new(Counting { wakes: AtomicUsize::new(0), logs })
}

isolated! {
    fn a_debug_that_logs_its_own_value_ends_and_its_event_is_kept() {
        let output = Output::default();
        let router = install(&output);
        let mut stream = watch_42(&router);
        let by_value = router.watch(SessionOptions::new(Predicate::eq("me", "itself")).spans(LevelFilter::DEBUG));
        bounded("a Debug that logs itself", || {
            tracing::debug!(me = ?LogsItself, user = 42, "outer");
            let span = tracing::info_span!("conn", me = ?LogsItself, user = 42, late = Empty);
            span.record("late", debug(LogsItself));
            span.in_scope(|| tracing::debug!("inside"));
        });
        let seen = events(&mut stream);
        let texts: Vec<_> = seen.iter().map(|event| event.message()).filter(|text| !text.starts_with("from")).collect();
        assert_eq!(texts, ["outer", "inside"]);
        assert_eq!(seen.iter().find(|event| event.message() == "outer").unwrap().field("me").unwrap().to_string(), "itself");
        let inside = seen.iter().find(|event| event.message() == "inside").unwrap();
        assert_eq!(inside.find("late").unwrap().to_string(), "itself");
        assert!(router.stats().suppressed > 0);
        // Twice the other layer formats the value: then its event and the one in its span are routed, once each.
        assert_eq!(by_value.stats().matched, 2 + 2 * 2);
        assert!(!output.lines().iter().any(|line| line.contains("from Debug")));
    }

    fn a_debug_that_panics_costs_its_value_and_nothing_else() {
        let output = Output::default();
        let router = install(&output);
        let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).spans(LevelFilter::DEBUG));
        let mut by_value = router.watch(Predicate::starts_with("bad", "<panicked") | Predicate::eq("bad", "x"));
        without_panic_messages(|| {
            tracing::debug!(user = 42, bad = ?Panics, worse = %Panics, good = 1, "kept");
            tracing::info!(user = 42, good = 2, "next");
            let span = tracing::debug_span!("conn", user = 42, bad = ?Panics, late = Empty);
            span.record("late", debug(Panics));
            span.in_scope(|| tracing::debug!("inside"));
        });
        let seen = events(&mut stream);
        assert_eq!(seen.iter().map(|event| event.message()).collect::<Vec<_>>(), ["kept", "next", "inside"]);
        assert_eq!(seen[0].field("bad").unwrap().to_string(), MARKER);
        assert_eq!(seen[0].field("worse").unwrap().to_string(), MARKER);
        assert_eq!(seen[0].field("good").unwrap().to_string(), "1");
        assert_eq!(seen[2].find("bad").unwrap().to_string(), MARKER);
        assert_eq!(seen[2].find("late").unwrap().to_string(), MARKER);
        assert_eq!(messages(&mut by_value), ["kept", "inside"]);
        assert_eq!(output.lines(), [" INFO it::user_code: next user=42 good=2"]);
    }

    fn a_debug_that_panics_while_its_thread_unwinds_does_not_abort() {
        struct Unwinds;
        impl Drop for Unwinds {
            fn drop(&mut self) {
                tracing::debug!(user = 42, bad = ?Panics, "while unwinding");
            }
        }
        let router = install(&Output::default());
        let mut stream = watch_42(&router);
        without_panic_messages(|| {
            let unwinding = std::thread::spawn(|| {
                let _unwinds = Unwinds;
                panic!("the service's own");
            });
            assert!(unwinding.join().is_err());
        });
        assert_eq!(messages(&mut stream), ["while unwinding"]);
    }

    fn a_debug_may_log_while_the_layer_before_us_locks_its_span() {
        check_a_debug_that_logs_under_another_layers_lock(true);
    }

    fn a_debug_may_log_while_the_layer_after_us_locks_its_span() {
        check_a_debug_that_logs_under_another_layers_lock(false);
    }

    fn a_debug_and_a_drop_may_open_and_close_sessions() {
        static OPENED: Mutex<Vec<EventStream>> = Mutex::new(Vec::new());
        #[derive(Debug)]
        struct ClosesOnDrop;
        impl Drop for ClosesOnDrop {
            fn drop(&mut self) {
                let router = ROUTER.get().unwrap();
                drop(watch_42(router));
                let opened = std::mem::take(&mut *OPENED.lock().unwrap());
                drop(opened);
            }
        }
        fn open() {
            let router = ROUTER.get().unwrap();
            drop(router.watch(Predicate::everything()));
            let stream = router.watch(Predicate::eq("user", 43));
            OPENED.lock().unwrap().push(stream);
        }
        let output = Output::default();
        let router = ROUTER.get_or_init(|| install(&output));
        let mut stream = watch_42(router);
        for round in 0..5 {
            let before = output.lines().len();
            bounded("a Debug that opens a session", || {
                tracing::debug!(user = 42, value = ?Runs(open), "formatted by us");
                tracing::info!(user = 42, value = ?Runs(open), "formatted by both");
                let span = tracing::info_span!("conn", user = 42, value = ?Runs(open), late = Empty);
                span.record("late", debug(Runs(open)));
                span.in_scope(|| tracing::info!(value = ?ClosesOnDrop, "closes"));
            });
            assert_eq!(messages(&mut stream), ["formatted by us", "formatted by both", "closes"], "round {round}");
            assert_eq!(output.lines().len(), before + 2, "round {round}: the other layer lost something");
            assert_eq!(router.sessions().len(), 1, "round {round}");
        }
    }

    fn a_debug_may_open_a_session_under_another_filters_lock() {
        static OPENED: Mutex<Vec<EventStream>> = Mutex::new(Vec::new());
        fn open() {
            let stream = ROUTER.get().unwrap().watch(Predicate::eq("user", 43));
            OPENED.lock().unwrap().push(stream);
        }
        let (output, router) = (Output::default(), TapRouter::new());
        let by_field = printer(&output).with_filter(EnvFilter::new("info,[conn{value=ran}]=debug"));
        tracing_subscriber::registry().with(by_field).with(router.layer()).init();
        ROUTER.set(router).unwrap();
        bounded("a Debug that opens a session under a lock", || {
            tracing::info_span!("conn", value = ?Runs(open)).in_scope(|| tracing::info!("inside"));
        });
        let mut opened = OPENED.lock().unwrap();
        assert!(!opened.is_empty());
        wait_until("the sessions", || {
            tracing::debug!(user = 43, "routed");
            opened.iter_mut().all(|stream| !events(stream).is_empty())
        });
        assert!(output.lines().iter().any(|line| line.contains("inside")));
    }

    fn a_thread_may_log_while_its_thread_locals_are_destroyed() {
        let router = ROUTER.get_or_init(|| install(&Output::default()));
        let mut stream = watch_42(router);
        let ends = |logs_before: bool| {
            let span = tracing::info_span!("conn", user = 42, late = Empty);
            std::thread::spawn(move || {
                // Destructors run in the reverse order of first use.
                FIRST.set(Some(LogsAtTheEnd::Late(span.clone())));
                if logs_before {
                    tracing::debug!(user = 42, value = ?Some(1), "before");
                    LAST.set(Some(LogsAtTheEnd::Early(span)));
                }
            })
        };
        for _ in 0..3 {
            ends(true).join().expect("no panic at the end of a thread");
            assert_eq!(
                messages(&mut stream),
                [
                    "before",
                    "early",
                    "early in a span",
                    "early in a new span",
                    "late",
                    "late child",
                    "late child after a record"
                ]
            );
            ends(false).join().expect("no panic at the end of a thread that has not logged before");
            assert_eq!(messages(&mut stream), ["late", "late child", "late child after a record"]);
        }
        drop(stream);
        ends(true).join().expect("no panic without a session either");
    }

    fn a_reader_is_woken_at_most_once_for_each_time_it_went_to_wait() {
        let router = install(&Output::default());
        let mut stream = watch_42(&router);
        let waker = counting(false);
        for batch in 1..=20 {
            wait(&mut stream, &waker);
            for _ in 0..50 {
                tracing::debug!(user = 42, "routed");
                tracing::debug!(user = 43, "not routed");
            }
            assert_eq!(waker.wakes.load(Ordering::SeqCst), batch);
            for _ in 0..50 {
                let Poll::Ready(Some(item)) = poll(&mut stream, &waker) else { panic!("50 events are there") };
                assert!(item.into_event().is_some());
            }
        }
        wait(&mut stream, &waker);
        router.close(stream.id());
        assert_eq!(waker.wakes.load(Ordering::SeqCst), 21, "the end wakes");
        assert!(matches!(poll(&mut stream, &waker), Poll::Ready(Some(Item::Ended(_)))));
        assert!(matches!(poll(&mut stream, &waker), Poll::Ready(None)));
    }

    fn a_waker_that_logs_does_not_wake_itself_for_ever() {
        let output = Output::default();
        let router = install(&output);
        let mut stream = watch_42(&router);
        let waker = counting(true);
        let mut own = 0;
        for batch in 1..=20 {
            own += wait(&mut stream, &waker);
            tracing::debug!(user = 42, "routed");
            assert_eq!(waker.wakes.load(Ordering::SeqCst), batch);
            assert_eq!(messages(&mut stream), ["routed"]);
        }
        assert_eq!(output.lines().len(), 20 + own, "what the waker logs reaches the other layers");
        assert_eq!(router.stats().suppressed as usize, 2 * (20 + own));
    }
}
