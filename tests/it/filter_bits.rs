//! Per-layer filters keep their answers in thread-local bits; disturbing them must not cost or add an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;
use testing::{Output, info_printer, messages, wait_until};
use tracing::{Metadata, Subscriber};
use tracing_core::{Dispatch, Interest};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, TapRouter};

/// Another layer that counts how often it is asked for an event of the target `counted` on one thread.
struct Counts {
    asked: Arc<AtomicUsize>,
    thread: ThreadId,
}

impl<S: Subscriber> Layer<S> for Counts {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let counts = metadata.target() == "counted" && std::thread::current().id() == self.thread;
        self.asked.fetch_add(usize::from(counts), Ordering::Relaxed);
        true
    }
}

#[derive(Clone, Copy, Debug)]
enum Order {
    UsLast,
    UsFirst,
}

/// An INFO output and, unless there is no router, its layer.
fn subscriber(order: Order, output: &Output, router: Option<&TapRouter>) -> Dispatch {
    let registry = tracing_subscriber::registry();
    match (router, order) {
        (None, _) => Dispatch::new(registry.with(info_printer(output))),
        (Some(router), Order::UsLast) => Dispatch::new(registry.with(info_printer(output)).with(router.layer())),
        (Some(router), Order::UsFirst) => Dispatch::new(registry.with(router.layer()).with(info_printer(output))),
    }
}

/// What the INFO output shows of `script` where there is no router at all.
fn without_us(script: fn()) -> Vec<String> {
    let output = Output::default();
    tracing::dispatcher::with_default(&subscriber(Order::UsLast, &output, None), script);
    output.lines()
}

/// Runs `script` under a global subscriber with a session open; the INFO output must not tell the difference.
#[track_caller]
fn check(order: Order, predicate: Predicate, script: fn(), expected: &[&str]) {
    let undisturbed = without_us(script);
    assert!(!undisturbed.is_empty(), "a script that prints nothing shows nothing");
    let output = Output::default();
    let router = TapRouter::new();
    tracing::dispatcher::set_global_default(subscriber(order, &output, Some(&router))).expect("nobody set it before");
    script();
    assert_eq!(output.lines(), undisturbed, "{order:?}, idle");

    let mut stream = router.watch(predicate);
    for round in 0..50 {
        let lines_before = output.lines().len();
        script();
        assert_eq!(messages(&mut stream), expected, "{order:?}, round {round}");
        assert_eq!(output.lines()[lines_before..], undisturbed, "{order:?}, round {round}");
    }
}

fn hints_for_unwanted_targets() {
    let _ = tracing_log::LogTracer::init();
    let _ = tracing::enabled!(target: "unwanted", tracing::Level::TRACE);
    tracing::debug!(target: "wanted", user = 42, "after enabled");
    let _ = tracing::event_enabled!(target: "unwanted", tracing::Level::TRACE, user);
    tracing::debug!(target: "wanted", user = 42, "after event_enabled");
    let _ = log::log_enabled!(target: "unwanted", log::Level::Info);
    tracing::debug!(target: "wanted", user = 42, "after log_enabled");
    let _ = tracing::span_enabled!(target: "unwanted", tracing::Level::TRACE);
    let span = tracing::info_span!(target: "wanted", "request", user = 42);
    let _ = tracing::enabled!(target: "unwanted", tracing::Level::TRACE);
    span.in_scope(|| {
        let _ = log::log_enabled!(target: "unwanted", log::Level::Trace);
        tracing::trace!(target: "wanted", "inside a span after hints");
        let _ = tracing::enabled!(target: "unwanted", tracing::Level::TRACE);
        tracing::info!(target: "wanted", "printed too");
    });
    let _ = tracing::enabled!(target: "unwanted", tracing::Level::ERROR);
    tracing::debug!(target: "wanted", user = 43, "of another user");
    let _ = tracing::enabled!(target: "wanted", tracing::Level::TRACE);
    tracing::info!(target: "wanted", "printed only");
}

fn check_hints(order: Order) {
    let predicate = Predicate::target("wanted") & Predicate::eq("user", 42);
    check(
        order,
        predicate,
        hints_for_unwanted_targets,
        &["after enabled", "after event_enabled", "after log_enabled", "inside a span after hints", "printed too"],
    );
}

/// Goes through the filters in every way, for events that the INFO output does not print.
fn noisy() -> u8 {
    tracing::trace!("nested and unwanted");
    tracing::debug!(user = 42, "nested and wanted");
    let _ = tracing::enabled!(tracing::Level::TRACE);
    let _span = tracing::debug_span!("nested").entered();
    tracing::trace!("nested in a span");
    7
}

/// The same, and prints: only for arguments that are evaluated without us too.
fn printing() -> u8 {
    tracing::info!("nested and printed");
    noisy()
}

fn quiet_hint() -> bool {
    tracing::enabled!(target: "elsewhere", tracing::Level::TRACE);
    false
}

fn logging_arguments() {
    tracing::debug!(user = 42, noise = noisy(), "wanted");
    tracing::debug!(target: "log", user = 42, log.target = "elsewhere", noise = noisy(), "like a record of log");
    tracing::debug!(user = 43, noise = noisy(), "unwanted");
    tracing::info!(noise = printing(), "printed");
    tracing::info!(user = 42, noise = printing(), "wanted and printed");
    tracing::debug!(user = 42, hint = quiet_hint(), "wanted after a hint");
    tracing::info!(hint = quiet_hint(), "printed after a hint");
    tracing::debug!(user = 42, "wanted: {}", noisy());
    let span = tracing::info_span!("request", user = 42, noise = printing());
    span.in_scope(|| tracing::trace!(noise = noisy(), "inside"));
}

fn check_logging_arguments(order: Order) {
    check(
        order,
        Predicate::eq("user", 42),
        logging_arguments,
        &[
            "nested and wanted",
            "wanted",
            "nested and wanted",
            "like a record of log",
            "nested and wanted",
            "nested and wanted",
            "nested and wanted",
            "wanted and printed",
            "wanted after a hint",
            "nested and wanted",
            "wanted: 7",
            "nested and wanted",
            "nested and unwanted",
            "nested and wanted",
            "nested in a span",
            "inside",
        ],
    );
}

fn unprinted(depth: u8) -> u8 {
    if depth > 0 {
        tracing::debug!(user = 42, inner = unprinted(depth - 1), "unprinted {depth}");
    }
    depth
}

fn printed(depth: u8) -> u8 {
    if depth > 0 {
        tracing::info!(user = depth + 40, inner = printed(depth - 1), "printed {depth}");
        tracing::debug!(user = 42, inner = unprinted(1), "beside {depth}");
    }
    depth
}

fn recursion_through_one_callsite() {
    unprinted(3);
    printed(3);
}

fn check_recursion(order: Order) {
    check(
        order,
        Predicate::eq("user", 42),
        recursion_through_one_callsite,
        &[
            "unprinted 1",
            "unprinted 2",
            "unprinted 3",
            "unprinted 1",
            "beside 1",
            "printed 2",
            "unprinted 1",
            "beside 2",
            "unprinted 1",
            "beside 3",
        ],
    );
}

/// Waits until a router whose last session was dropped is at rest: the end of a session is logged after that. A number of
/// vetoed callsites alone says it too early, since their names are forgotten with the session.
pub(crate) fn rest(router: &TapRouter) {
    router.shutdown();
    wait_until("the router to rest", || router.stats().vetoed_callsites == 0);
}

/// An event that is only wanted by a session is printed by nobody, though its arguments log, end the session, and wait until
/// the router is at rest.
fn check_arguments_that_end_the_session(order: Order) {
    let (router, output) = (TapRouter::new(), Output::default());
    tracing::dispatcher::set_global_default(subscriber(order, &output, Some(&router))).unwrap();
    let outside = |user: &dyn Fn() -> u64| tracing::debug!(user = user(), "outside");
    for round in 0..20 {
        let stream = std::cell::RefCell::new(Some(router.watch(Predicate::eq("user", 42))));
        // A callsite that is vetoed tells by its count that other layers were asked.
        wait_until("a callsite to be learned", || {
            tracing::debug!("nobody wants this");
            router.stats().vetoed_callsites > 0
        });
        outside(&|| {
            tracing::info!("inside");
            stream.take();
            rest(&router);
            (0..50).for_each(|_| tracing::info!("also inside"));
            42
        });
        assert_eq!(output.lines().len(), 51 * (round + 1), "{:?}", output.lines());
    }
    assert!(output.lines().iter().all(|line| line.ends_with("inside")), "{:?}", output.lines());
}

fn panics() -> u8 {
    panic!("an argument panics")
}

/// An event that is asked for and never happens, between others.
fn panicking_arguments() {
    let _ = std::panic::catch_unwind(|| tracing::debug!(user = 42, never = panics(), "never happens"));
    tracing::debug!(user = 42, "wanted");
    let _ = std::panic::catch_unwind(|| tracing::info!(never = panics(), "never happens"));
    tracing::debug!(user = 42, "wanted again");
    let _ = std::panic::catch_unwind(|| tracing::debug!(user = 42, never = panics(), "never happens"));
    tracing::info!("printed");
}

fn check_panicking_arguments(order: Order) {
    std::panic::set_hook(Box::new(|_| ()));
    let check = || check(order, Predicate::eq("user", 42), panicking_arguments, &["wanted", "wanted again"]);
    let result = std::panic::catch_unwind(check);
    let _ = std::panic::take_hook();
    result.expect("panicking arguments leave nothing behind");
}

isolated! {
    /// Upstream's bits again, where no hook of a layer can mend them: the value is formatted by another layer, in the
    /// midst of the event, and the layers that come later find their bits as the question left them. Without a session
    /// the question costs `tracing` one load and disturbs nothing.
    fn a_value_that_logs_in_another_layer_disturbs_later_layers() {
        struct Asks;
        impl std::fmt::Display for Asks {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "asked: {}", tracing::enabled!(tracing::Level::DEBUG))
            }
        }
        let router = TapRouter::new();
        let (formats, comes_later) = (Output::default(), Output::default());
        let stack = tracing_subscriber::registry().with(info_printer(&formats)).with(info_printer(&comes_later));
        tracing::subscriber::set_global_default(stack.with(router.layer())).expect("nobody set it before");
        tracing::info!("{}", Asks);
        assert_eq!((formats.lines().len(), comes_later.lines().len()), (1, 1), "idle, all is as without the router");

        let stream = router.watch(Predicate::eq("user", 42));
        tracing::info!("{}", Asks);
        assert_eq!(formats.lines().len(), 2);
        assert_eq!(comes_later.lines().len(), 1, "known and documented; if this is 2, the papers may be mended");
        drop(stream);
        testing::wait_until("the service to be idle again", || Asks.to_string() == "asked: false");
        tracing::info!("{}", Asks);
        assert_eq!((formats.lines().len(), comes_later.lines().len()), (3, 2));
    }

    // The question leaves the printer's answer in its bit, since no event follows.
    fn a_question_during_a_session_hides_no_span_after_it() {
        let (router, output) = (TapRouter::new(), Output::default());
        let dispatch = subscriber(Order::UsLast, &output, Some(&router));
        tracing::dispatcher::set_global_default(dispatch).expect("nobody set it before");
        let work = || tracing::info_span!("request").in_scope(|| tracing::info!("working"));
        work();
        let stream = router.watch(Predicate::eq("user", 42));
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        drop(stream);
        let is_asked = || std::thread::spawn(|| tracing::enabled!(tracing::Level::DEBUG)).join().expect("it cannot panic");
        wait_until("the service to be idle again", || !is_asked());
        work();
        let lines = output.lines();
        assert!(lines.iter().all(|line| line.contains("request")), "{lines:?}");
    }

    fn an_event_that_nothing_disturbed_is_asked_for_once() {
        let (router, asked) = (TapRouter::new(), Arc::new(AtomicUsize::new(0)));
        let counts = Counts { asked: asked.clone(), thread: std::thread::current().id() };
        tracing_subscriber::registry().with(counts).with(router.layer()).init();
        let asked_for = |events: usize| {
            let before = asked.load(Ordering::Relaxed);
            (0..events).for_each(|_| tracing::info!(target: "counted", user = 42, "seen"));
            asked.load(Ordering::Relaxed) - before
        };
        assert_eq!(asked_for(100), 100, "idle");
        let stream = router.watch(Predicate::eq("user", 42));
        asked_for(10);
        assert_eq!(asked_for(100), 100, "with a session");
        drop(stream);
        rest(&router);
        // The first are asked for again: they may come from inside of an older one's arguments.
        asked_for(100);
        assert_eq!(asked_for(100), 100, "at rest");
    }

    fn ending_arguments_print_nothing_more_if_we_are_last() {
        check_arguments_that_end_the_session(Order::UsLast);
    }

    fn ending_arguments_print_nothing_more_if_we_are_first() {
        check_arguments_that_end_the_session(Order::UsFirst);
    }

    fn hints_leave_nothing_behind_when_we_are_the_last_layer() {
        check_hints(Order::UsLast);
    }

    fn hints_leave_nothing_behind_when_we_are_the_first_layer() {
        check_hints(Order::UsFirst);
    }

    fn arguments_that_log_change_nothing_if_we_are_last() {
        check_logging_arguments(Order::UsLast);
    }

    fn arguments_that_log_change_nothing_if_we_are_first() {
        check_logging_arguments(Order::UsFirst);
    }

    fn recursion_in_one_callsite_changes_nothing_if_we_are_last() {
        check_recursion(Order::UsLast);
    }

    fn recursion_in_one_callsite_changes_nothing_if_we_are_first() {
        check_recursion(Order::UsFirst);
    }

    fn arguments_that_panic_change_nothing_if_we_are_last() {
        check_panicking_arguments(Order::UsLast);
    }

    fn arguments_that_panic_change_nothing_if_we_are_first() {
        check_panicking_arguments(Order::UsFirst);
    }
}
