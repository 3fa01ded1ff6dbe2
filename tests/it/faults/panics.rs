//! A panic in every piece of users' code that this crate calls: it stays where it is, and nobody else pays.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::panic::{UnwindSafe, panic_any};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use testing::measure::{check_account, final_account};
use testing::{Output, bounded, events, info_printer, messages, wait_until};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{layer, registry};
use tracing_tap::{EventStream, Format, Predicate, SessionOptions, TapRouter};

const MARKER: &str = "<panicked while formatting>";

/// What the control thread of a router is called.
const CONTROL: &str = "tracing-tap";

fn install() -> TapRouter {
    let router = TapRouter::new();
    registry().with(info_printer(&Output::default())).with(router.layer()).init();
    router
}

fn of_42() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42))
}

/// Keeps the panics that a test causes on purpose out of its output.
fn quietly<R>(work: impl FnOnce() -> R + UnwindSafe) -> R {
    std::panic::set_hook(Box::new(|_| ()));
    let result = std::panic::catch_unwind(work);
    let _ = std::panic::take_hook();
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A panic payload: its own drop panics as well, and with the like of it.
struct Bomb(usize);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            panic_any(Bomb(left));
        }
    }
}

#[derive(Clone, Copy)]
enum With {
    Words,
    Bombs,
}

impl With {
    fn panic(self) -> ! {
        match self {
            Self::Words => panic!("a user's own"),
            Self::Bombs => panic_any(Bomb(3)),
        }
    }
}

/// A value that panics however it is looked at.
struct Panics(With);

impl fmt::Debug for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.panic()
    }
}

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.panic()
    }
}

impl Error for Panics {}

fn log_panicking_values(with: With) {
    let value = Panics(with);
    let error: &(dyn Error + 'static) = &value;
    tracing::debug!(user = 42, debug = ?value, display = %value, error, good = 1, "an event");
    // At DEBUG, which nobody else formats.
    let late = tracing::debug_span!("conn", user = 42, debug = ?value, late = tracing::field::Empty);
    late.record("late", tracing::field::display(&value));
    late.in_scope(|| tracing::debug!("in a span"));
}

/// Emits until something happens; how many events it took.
fn emit_until(what: &str, mut holds: impl FnMut() -> bool) -> u64 {
    let mut emitted = 0;
    wait_until(what, || {
        tracing::debug!(user = 42, "one more");
        emitted += 1;
        holds()
    });
    emitted
}

/// A writer that panics in one of its functions.
struct Writer {
    panics_in: &'static str,
    with: With,
    is_dropped: Arc<AtomicBool>,
}

impl Writer {
    fn at(&self, place: &str) {
        if self.panics_in == place {
            self.with.panic();
        }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.at("write");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.at("flush");
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::SeqCst);
        if !std::thread::panicking() {
            self.at("drop");
        }
    }
}

fn forwards_to_one_that_panics(router: &TapRouter, panics_in: &'static str, with: With) {
    let mut other = router.watch(of_42().capacity(1 << 16));
    let is_dropped = Arc::new(AtomicBool::new(false));
    let writer = Writer { panics_in, with, is_dropped: Arc::clone(&is_dropped) };
    let forwarding = router.watch(of_42()).forwarder(Format::Json).batch_bytes(1).to(writer).unwrap();
    let id = forwarding.id();
    let is_open = || router.sessions().iter().any(|session| session.id == id);
    let emitted = match panics_in {
        "drop" => {
            tracing::debug!(user = 42, "the only one");
            router.close(id);
            1
        }
        _ => emit_until("the session to end", || !is_open()),
    };
    wait_until("the forwarding to end", || forwarding.is_finished());
    let error = bounded("the end of a forwarding", move || forwarding.join()).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{panics_in}: {error}");
    assert!(is_dropped.load(Ordering::SeqCst), "{panics_in}");
    assert_eq!(messages(&mut other).len() as u64, emitted, "{panics_in}: nobody else loses anything");
}

/// A waker that panics when it is called, or when it is dropped.
struct PanickingWaker {
    with: With,
    panics_in_drop: bool,
    woken: Arc<AtomicUsize>,
}

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        if !self.panics_in_drop {
            self.with.panic();
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Arc::clone(self).wake();
    }
}

impl Drop for PanickingWaker {
    fn drop(&mut self) {
        if self.panics_in_drop && !std::thread::panicking() {
            self.with.panic();
        }
    }
}

/// Leaves a waker with the stream that is held by no other: waking it drops it.
fn leave_waker(stream: &mut EventStream, with: With, panics_in_drop: bool, woken: &Arc<AtomicUsize>) {
    wait_until("the stream to wait", || {
        let before = woken.load(Ordering::SeqCst);
        let left = PanickingWaker { with, panics_in_drop, woken: Arc::clone(woken) };
        // The poll may wake by itself, to look again; dropping this handle is then the last.
        let poll = || {
            let waker = Waker::from(Arc::new(left));
            let poll =
                futures_util::Stream::poll_next(std::pin::Pin::new(&mut *stream), &mut Context::from_waker(&waker));
            assert!(matches!(poll, Poll::Pending));
        };
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)).map_err(forget);
        woken.load(Ordering::SeqCst) == before
    });
}

/// Another layer of the service, which panics in a hook of the audit's events, or when callsites are asked for.
struct PanickingLayer {
    hook: &'static str,
    with: With,
    panicked: Arc<AtomicUsize>,
}

impl PanickingLayer {
    fn at(&self, hook: &str, metadata: &Metadata<'_>) {
        let is_control = std::thread::current().name() == Some(CONTROL);
        if self.hook == hook && is_control && (hook == "register" || metadata.target() == "tracing_tap::audit") {
            self.panicked.fetch_add(1, Ordering::SeqCst);
            self.with.panic();
        }
    }
}

impl<S: Subscriber> Layer<S> for PanickingLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.at("register", metadata);
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: layer::Context<'_, S>) -> bool {
        self.at("enabled", metadata);
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: layer::Context<'_, S>) -> bool {
        self.at("event_enabled", event.metadata());
        true
    }

    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        self.at("on_event", event.metadata());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: layer::Context<'_, S>) {
        self.at("on_new_span", attributes.metadata());
    }
}

/// A session that opens, gets its events, expires, and is logged, whatever another layer does on the control thread.
fn goes_on_beside(hook: &'static str, with: With) {
    let (router, panicked) = (TapRouter::new(), Arc::new(AtomicUsize::new(0)));
    let other = PanickingLayer { hook, with, panicked: Arc::clone(&panicked) };
    let dispatch = Dispatch::new(registry().with(other).with(router.layer()));
    tracing::dispatcher::with_default(&dispatch, || {
        let expires = router.watch(of_42().expires_in(Duration::from_millis(50)));
        wait_until("the expiry", || router.sessions().is_empty());
        drop(expires);
        for _ in 0..2 {
            let before = panicked.load(Ordering::SeqCst);
            let mut stream = router.watch(of_42());
            tracing::info!(user = 42, "an event");
            assert_eq!(messages(&mut stream), ["an event"], "{hook}");
            check_account(stream.stats());
            drop(stream);
            wait_until("the layer to panic", || panicked.load(Ordering::SeqCst) > before);
        }
        let account = final_account(&router);
        assert_eq!((account.matched, account.delivered), (2, 2), "{hook}");
    });
}

/// A layer that holds up the control thread once that asks in its subscriber's name, and panics when it is dropped.
struct PanicsWhenDropped {
    held_up: AtomicBool,
    gate: Arc<Barrier>,
    dropped_by: Arc<std::sync::Mutex<Option<String>>>,
}

impl<S: Subscriber> Layer<S> for PanicsWhenDropped {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        let is_control = std::thread::current().name() == Some(CONTROL);
        let in_its_name = || tracing::dispatcher::get_default(|default| default.is::<PanicsWhenDropped>());
        if is_control && in_its_name() && !self.held_up.swap(true, Ordering::SeqCst) {
            self.gate.wait();
            self.gate.wait();
        }
        Interest::sometimes()
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        *self.dropped_by.lock().unwrap() = std::thread::current().name().map(str::to_owned);
        panic!("a layer's own");
    }
}

/// Whatever a thread ended with, without dropping it, since that may panic.
fn forget(panic: Box<dyn Any + Send>) {
    std::mem::forget(panic);
}

isolated! {
    fn values_that_panic_cost_themselves_alone() {
        const EACH: usize = 200;
        let router = install();
        let mut stream = router.watch(of_42().spans(LevelFilter::DEBUG).capacity(1 << 16));
        let mut by_value = router.watch(SessionOptions::new(Predicate::contains("display", "panicked")).capacity(1 << 16));
        quietly(|| {
            let threads: Vec<_> = [With::Words, With::Bombs, With::Words, With::Bombs]
                .map(|with| std::thread::spawn(move || (0..EACH).for_each(|_| log_panicking_values(with))))
                .into_iter()
                .collect();
            for thread in threads {
                assert!(thread.join().map_err(forget).is_ok(), "a value's panic has reached its thread");
            }
        });
        let seen = events(&mut stream);
        assert_eq!(seen.len(), 4 * 2 * EACH);
        for event in &seen {
            let fields: &[_] = if event.message() == "an event" { &["debug", "display", "error"] } else { &["debug", "late"] };
            for field in fields {
                assert_eq!(event.find(field).unwrap().to_string(), MARKER);
            }
        }
        assert_eq!(events(&mut by_value).len(), 4 * EACH);
        check_account(stream.stats());
        assert_eq!(stream.stats().matched, seen.len() as u64);
    }

    fn writers_and_functions_that_panic_end_their_own_forwarding() {
        let router = install();
        for with in [With::Words, With::Bombs] {
            for place in ["write", "flush"] {
                let router = router.clone();
                quietly(std::panic::AssertUnwindSafe(|| forwards_to_one_that_panics(&router, place, with)));
            }
        }
        let dropping = router.clone();
        quietly(std::panic::AssertUnwindSafe(|| forwards_to_one_that_panics(&dropping, "drop", With::Words)));
        let function = router.watch(of_42()).forwarder(Format::Json).batch_bytes(1).with(|_| With::Bombs.panic()).unwrap();
        quietly(std::panic::AssertUnwindSafe(|| {
            let emitted = emit_until("the function to end it", || function.is_finished());
            assert!(emitted > 0);
        }));
        let error = function.join().unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        final_account(&router);
    }

    fn wakers_that_panic_are_no_producers_business() {
        let router = install();
        let mut stream = router.watch(of_42());
        let mut other = router.watch(of_42());
        let woken = Arc::new(AtomicUsize::new(0));
        quietly(std::panic::AssertUnwindSafe(|| {
            for (with, panics_in_drop) in [(With::Words, false), (With::Bombs, false), (With::Words, true), (With::Bombs, true)] {
                leave_waker(&mut stream, with, panics_in_drop, &woken);
                let before = woken.load(Ordering::SeqCst);
                tracing::debug!(user = 42, "wakes");
                assert_eq!(woken.load(Ordering::SeqCst), before + 1);
                assert_eq!((messages(&mut stream), messages(&mut other)), (vec!["wakes".to_owned()], vec!["wakes".to_owned()]));
            }
            // The end is logged by the closing thread.
            leave_waker(&mut stream, With::Bombs, true, &woken);
            assert!(router.close(stream.id()));
        }));
        check_account(stream.stats());
        drop((stream, other));
        assert_eq!(final_account(&router).delivered, 8);
    }

    fn layers_that_panic_at_the_audit_end_no_session() {
        quietly(|| {
            for with in [With::Words, With::Bombs] {
                for hook in ["on_event", "event_enabled", "enabled", "register"] {
                    goes_on_beside(hook, with);
                }
            }
        });
    }

    fn a_layer_that_panics_on_its_last_drop_ends_no_control_thread() {
        let router = TapRouter::new();
        registry().with(info_printer(&Output::default())).with(router.layer()).init();
        tracing::info!("there is a callsite to ask for");
        let (gate, dropped_by) = (Arc::new(Barrier::new(2)), Arc::new(std::sync::Mutex::new(None)));
        let other = PanicsWhenDropped { held_up: AtomicBool::new(false), gate: Arc::clone(&gate), dropped_by: Arc::clone(&dropped_by) };
        let dispatch = Dispatch::new(registry().with(other).with(router.layer()));
        quietly(std::panic::AssertUnwindSafe(|| {
            let opener = router.clone();
            let opening = std::thread::spawn(move || opener.watch(of_42().expires_in(Duration::from_secs(1))));
            gate.wait();
            // The control thread is asking for callsites in the name of this subscriber.
            drop(dispatch);
            gate.wait();
            let stream = opening.join().unwrap();
            wait_until("the subscriber to go", || dropped_by.lock().unwrap().is_some());
            assert_eq!(dropped_by.lock().unwrap().as_deref(), Some(CONTROL));
            wait_until("the session to expire", || router.sessions().is_empty());
            drop(stream);
        }));
        let mut stream = router.watch(of_42());
        tracing::debug!(user = 42, "an event");
        assert_eq!(messages(&mut stream), ["an event"]);
        drop(stream);
        final_account(&router);
    }
}
