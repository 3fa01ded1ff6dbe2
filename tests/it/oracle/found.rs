//! What the oracle has found, each as the smallest program that shows it.

use crate::filter_bits::rest;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use testing::{Output, messages, wait_until};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, subscriber::Interest};
use tracing_subscriber::layer;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

testing::isolated! {
    fn what_a_value_logs_while_we_format_it_reaches_no_session() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut stream = router.watch(Predicate::ne("user", 43));
        tracing::info!(user = %Logs, "outside");
        tracing::info!(user = %Logs, "outside");
        assert_eq!(messages(&mut stream), ["outside", "outside"]);
    }

    fn a_value_that_logs_while_we_format_it_shows_nobody_more() {
        let router = TapRouter::new();
        let output = Output::default();
        let fmt = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(output.clone());
        tracing_subscriber::registry().with(router.layer()).with(fmt.with_filter(LevelFilter::INFO)).init();
        let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).spans(LevelFilter::DEBUG));
        tracing::trace!(user = %Logs, "outside");
        let span = tracing::debug_span!("outside", user = %Logs);
        span.in_scope(|| tracing::info!("in the span"));

        let outside = output.lines().into_iter().filter(|line| line.contains("outside"));
        assert_eq!(outside.collect::<Vec<_>>(), Vec::<String>::new());
        assert_eq!(messages(&mut stream), ["outside", "in the span"]);
    }

    fn arguments_that_log_while_the_session_closes_show_nothing() {
        let router = TapRouter::new();
        let output = Output::default();
        let fmt = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(output.clone());
        tracing_subscriber::registry().with(router.layer()).with(fmt.with_filter(LevelFilter::INFO)).init();
        let outside = |user: &dyn Fn() -> u64| tracing::debug!(user = user(), "outside");
        let stream = std::cell::RefCell::new(Some(router.watch(Predicate::eq("user", 42))));
        // A callsite that can be vetoed tells by its count that other layers were asked.
        wait_until("a callsite to be learned", || {
            tracing::debug!("nobody wants this");
            router.stats().vetoed_callsites > 0
        });
        outside(&|| {
            stream.take();
            rest(&router);
            drop(tracing::info_span!("inside"));
            42
        });
        assert_eq!(output.lines(), Vec::<String>::new());
    }

    fn arguments_that_log_after_the_session_closed_show_nothing() {
        let router = TapRouter::new();
        let output = Output::default();
        let fmt = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(output.clone());
        tracing_subscriber::registry().with(router.layer()).with(fmt.with_filter(LevelFilter::INFO)).init();
        let outside = |user: &dyn Fn() -> u64| tracing::debug!(user = user(), "outside");
        let stream = std::cell::RefCell::new(Some(router.watch(Predicate::eq("user", 42))));
        // A callsite that can be vetoed tells by its count that other layers were asked. Asking by events would use up
        // those that are asked for again at rest.
        wait_until("a callsite to be learned", || {
            tracing::debug!("nobody wants this");
            router.stats().vetoed_callsites > 0
        });
        outside(&|| {
            assert!(tracing::enabled!(tracing::Level::DEBUG));
            stream.take();
            rest(&router);
            (0..3).for_each(|_| tracing::info!("inside"));
            42
        });
        assert!(output.lines().iter().all(|line| line.ends_with("inside")), "{:?}", output.lines());
    }

    fn a_filter_that_changes_during_a_rebuild_gets_its_events() {
        let router = TapRouter::new();
        let (output, gate) = (Output::default(), Arc::new(Gate::default()));
        let fmt = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(output.clone());
        let filtered = fmt.with_filter(Filter(Arc::clone(&gate)));
        tracing_subscriber::registry().with(router.layer()).with(filtered).init();
        let debug = || tracing::debug!("wanted from now on");
        let stream = router.watch(Predicate::everything());
        debug();

        gate.arm();
        drop(stream);
        wait_until("the router to know what the filter wanted", || gate.reached.load(Ordering::SeqCst));
        gate.wants_all.store(true, Ordering::SeqCst);
        tracing::callsite::rebuild_interest_cache();
        gate.open.store(true, Ordering::SeqCst);

        wait_until("the router to have rebuilt", || !gate.armed.load(Ordering::SeqCst));
        wait_until("the event to be shown", || {
            debug();
            !output.lines().is_empty()
        });
    }

    fn a_value_that_logs_is_shown_while_either_router_rebuilds() {
        let (routers, output, gate) = ([TapRouter::new(), TapRouter::new()], Output::default(), Arc::new(Gate::default()));
        gate.wants_all.store(true, Ordering::SeqCst);
        let fmt = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(output.clone());
        let layers = tracing_subscriber::registry().with(routers[0].layer()).with(routers[1].layer());
        layers.with(fmt.with_filter(Filter(Arc::clone(&gate)))).init();
        for router in &routers {
            gate.arm();
            std::thread::scope(|scope| {
                let opening = scope.spawn(|| router.watch(Predicate::level(tracing::Level::ERROR)));
                wait_until("the router to rebuild", || gate.reached.load(Ordering::SeqCst));
                tracing::info!(user = %Logs, "outside");
                gate.open.store(true, Ordering::SeqCst);
                drop(opening.join());
            });
        }
        assert_eq!(output.lines().iter().filter(|line| line.ends_with("inside")).count(), 2);
    }

    fn a_rebuild_while_another_router_opens_hides_no_level() {
        let (first, second, gate) = (TapRouter::new(), TapRouter::new(), Arc::new(Gate::default()));
        let filtered = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(Filter(Arc::clone(&gate)));
        // The gate is behind the routers: both have reported their levels when it is reached.
        tracing_subscriber::registry().with(filtered).with(first.layer()).with(second.layer()).init();
        let stream = first.watch(Predicate::level(tracing::Level::ERROR));
        let rebuilds = first.stats().rebuilds;
        gate.stays_armed.store(true, Ordering::SeqCst);
        gate.arm();
        drop(stream);
        wait_until("the first router to know the levels", || gate.reached.load(Ordering::SeqCst));
        let mut stream = second.watch(Predicate::everything());
        gate.open.store(true, Ordering::SeqCst);

        wait_until("both to have rebuilt", || first.stats().rebuilds > rebuilds && second.stats().rebuilds > 0);
        tracing::trace!("at once");
        assert_eq!(messages(&mut stream), ["at once"]);
        gate.armed.store(false, Ordering::SeqCst);
        gate.open.store(true, Ordering::SeqCst);
    }
}

/// Stops the next rebuild of a router between the filter's answer and its being put to use; where it stays armed, all
/// rebuilds of that router, each until it is opened once more.
#[derive(Default)]
struct Gate {
    wants_all: AtomicBool,
    armed: AtomicBool,
    stays_armed: AtomicBool,
    stopped: Mutex<Option<ThreadId>>,
    reached: AtomicBool,
    open: AtomicBool,
}

impl Gate {
    fn arm(&self) {
        *self.stopped.lock().unwrap() = None;
        self.reached.store(false, Ordering::SeqCst);
        self.armed.store(true, Ordering::SeqCst);
    }

    fn is_for(&self, thread: ThreadId) -> bool {
        *self.stopped.lock().unwrap().get_or_insert(thread) == thread
    }
}

struct Filter(Arc<Gate>);

impl<S> layer::Filter<S> for Filter {
    fn enabled(&self, _: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        self.0.wants_all.load(Ordering::SeqCst)
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        if self.0.wants_all.load(Ordering::SeqCst) { Interest::always() } else { Interest::never() }
    }

    /// Asked for once in each rebuild, and put to use at its end.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        let answer = if self.0.wants_all.load(Ordering::SeqCst) { LevelFilter::TRACE } else { LevelFilter::OFF };
        let is_router = std::thread::current().name() == Some("tracing-tap");
        if is_router && self.0.armed.load(Ordering::SeqCst) && self.0.is_for(std::thread::current().id()) {
            self.0.reached.store(true, Ordering::SeqCst);
            wait_until("the gate to open", || self.0.open.swap(false, Ordering::SeqCst));
            self.0.armed.fetch_and(self.0.stays_armed.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        Some(answer)
    }
}

/// Logs whenever it is printed.
struct Logs;

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tracing::info!("inside");
        f.write_str("42")
    }
}
