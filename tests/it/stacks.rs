//! Every way to put a subscriber together: nothing changes for the other layers, and sessions get exactly their events.

use std::cell::RefCell;
use testing::{Output, info_printer, messages, printer, wait_until};
use tracing::level_filters::LevelFilter;
use tracing_core::Dispatch;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry, reload};
use tracing_tap::{Predicate, TapRouter};

thread_local! {
    static EVALUATED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// An argument that notes its being evaluated.
fn note(event: &'static str) -> u8 {
    EVALUATED.with_borrow_mut(|evaluated| evaluated.push(event));
    0
}

/// Runs some service code; the events whose arguments were evaluated.
fn service() -> Vec<&'static str> {
    EVALUATED.take();
    let alice = tracing::info_span!("conn", user = 42);
    let bob = tracing::info_span!("conn", user = 43);
    tracing::error!(n = note("error outside"), "error outside");
    tracing::info!(n = note("info outside"), "info outside");
    tracing::debug!(n = note("debug outside"), "debug outside");
    tracing::trace!(n = note("trace outside"), "trace outside");
    bob.in_scope(|| {
        tracing::info!(n = note("his info"), "his info");
        tracing::debug!(n = note("his debug"), "his debug");
        tracing::trace!(target: "noisy", n = note("his noisy trace"), "his noisy trace");
    });
    alice.in_scope(|| {
        tracing::info!(n = note("her info"), "her info");
        let request = tracing::info_span!("request").entered();
        tracing::debug!(n = note("her debug"), "her debug");
        tracing::warn!(target: "noisy", n = note("her noisy warning"), "her noisy warning");
        drop(request);
        tracing::trace!(n = note("her trace"), "her trace");
        tracing::debug!(parent: &bob, n = note("his child"), "his child");
    });
    tracing::debug!(parent: &alice, n = note("her child"), "her child");
    EVALUATED.take()
}

const ALL_OF_HERS: &[&str] = &["her info", "her debug", "her noisy warning", "her trace", "her child"];

/// What the service costs and prints in one state of a stack.
#[derive(Debug, PartialEq)]
struct Observed {
    evaluated: Vec<&'static str>,
    printed: Vec<String>,
}

fn observe(output: &Output) -> Observed {
    let before = output.lines().len();
    let evaluated = service();
    Observed { evaluated, printed: output.lines()[before..].to_vec() }
}

/// Whether what nobody needs is stopped before its arguments are evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Veto {
    Works,
    /// Some layer says that it wants everything. One that is not there (`None`) and one behind `reload` do too,
    /// whatever is in it.
    HasNoChance,
}

/// Compares a stack with and without us: idle, with a session, and idle again.
#[track_caller]
fn check(
    without: impl Fn(&Output) -> Dispatch,
    with: impl Fn(&Output, &TapRouter) -> Dispatch,
    veto: Veto,
    hers: &[&str],
) {
    let output = Output::default();
    let without = tracing::dispatcher::with_default(&without(&output), || {
        service();
        observe(&output)
    });
    let router = TapRouter::new();
    tracing::dispatcher::set_global_default(with(&output, &router)).expect("nobody set it before");
    service();
    let idle = observe(&output);
    assert_eq!(idle.printed, without.printed, "idle");
    if veto == Veto::Works {
        assert_eq!(idle.evaluated, without.evaluated, "idle");
    }

    let mut stream = router.watch(Predicate::eq("user", 42));
    let is_needed = |event: &str| idle.evaluated.contains(&event) || hers.contains(&event) || EXPLICIT.contains(&event);
    let mut rounds = 0;
    wait_until("the veto of all that nobody needs", || {
        let open = observe(&output);
        assert_eq!(messages(&mut stream), hers, "with a session");
        assert_eq!(open.printed, without.printed, "with a session");
        rounds += 1;
        match veto {
            Veto::Works => open.evaluated.iter().all(|event| is_needed(event)),
            Veto::HasNoChance => rounds == 100,
        }
    });
    assert_eq!((router.stats().events.lost, router.stats().lost_context_events), (0, 0));

    router.close(stream.id());
    wait_until("rest", || {
        let closed = observe(&output);
        assert_eq!(closed.printed, without.printed, "closed");
        closed == idle
    });
    assert!(messages(&mut stream).is_empty());
}

/// Events that name their parent are let through: the veto knows the current span only.
const EXPLICIT: &[&str] = &["his child", "her child"];

macro_rules! stacks {
    ($($name:ident($output:ident, $tap:ident) = $with:expr, without us $without:expr, $veto:ident, hers: $hers:expr;)*) => {
        isolated! {
            $(fn $name() {
                check(
                    |$output| Dispatch::new($without),
                    |$output, router| {
                        let $tap = router.layer();
                        Dispatch::new($with)
                    },
                    Veto::$veto,
                    $hers,
                );
            })*
        }
    };
}

fn registry() -> Registry {
    tracing_subscriber::registry()
}

fn boxed<S: tracing::Subscriber>(layer: impl Layer<S> + Send + Sync) -> Box<dyn Layer<S> + Send + Sync> {
    layer.boxed()
}

fn reloadable<L>(layer: L) -> reload::Layer<L, Registry> {
    reload::Layer::new(layer).0
}

fn env<S>(output: &Output, directives: &str) -> impl Layer<S> + Send + Sync + use<S>
where
    S: tracing::Subscriber + for<'lookup> tracing_subscriber::registry::LookupSpan<'lookup>,
{
    printer(output).with_filter(EnvFilter::new(directives))
}

stacks! {
    beside_a_layer_that_wants_nothing(output, tap) = registry().with(tap).with(env(output, "off")),
        without us registry().with(env(output, "off")), Works, hers: ALL_OF_HERS;
    after_a_filtered_layer(output, tap) = registry().with(info_printer(output)).with(tap),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    before_a_filtered_layer(output, tap) = registry().with(tap).with(info_printer(output)),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    after_an_unfiltered_layer(output, tap) = registry().with(printer(output)).with(tap),
        without us registry().with(printer(output)), Works, hers: ALL_OF_HERS;
    before_an_unfiltered_layer(output, tap) = registry().with(tap).with(printer(output)),
        without us registry().with(printer(output)), Works, hers: ALL_OF_HERS;
    between_layers(output, tap) = registry().with(info_printer(output)).with(tap).with(env(output, "error")),
        without us registry().with(info_printer(output)).with(env(output, "error")), Works, hers: ALL_OF_HERS;
    in_an_option(output, tap) = registry().with(info_printer(output)).with(Some(tap)),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    in_a_box(output, tap) = registry().with(info_printer(output)).with(boxed(tap)),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    in_a_vec(output, tap) = registry().with(info_printer(output)).with(vec![tap]),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    in_a_vec_with_others(output, tap) = registry().with(vec![boxed(info_printer(output)), boxed(tap)]),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    first_in_a_vec_with_others(output, tap) = registry().with(vec![boxed(tap), boxed(info_printer(output))]),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    in_an_option_in_a_vec(output, tap) = registry().with(vec![Some(boxed(tap)), None, Some(boxed(info_printer(output)))]),
        without us registry().with(info_printer(output)), HasNoChance, hers: ALL_OF_HERS;
    last_of_layers_joined_by_and_then(output, tap) = registry().with(info_printer(output).and_then(tap)),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    beside_a_none_layer(output, tap) = registry().with(None::<LevelFilter>).with(info_printer(output)).with(tap),
        without us registry().with(info_printer(output)), HasNoChance, hers: ALL_OF_HERS;
    under_a_none_layer(output, tap) = registry().with(info_printer(output)).with(tap).with(None::<LevelFilter>),
        without us registry().with(info_printer(output)), HasNoChance, hers: ALL_OF_HERS;
    beside_an_env_filter(output, tap) = registry().with(env(output, "info,noisy=off")).with(tap),
        without us registry().with(env(output, "info,noisy=off")), Works, hers: ALL_OF_HERS;
    beside_an_env_filter_by_field(output, tap) = registry().with(env(output, "info,[conn{user=43}]=debug")).with(tap),
        without us registry().with(env(output, "info,[conn{user=43}]=debug")), Works, hers: ALL_OF_HERS;
    before_an_env_filter_by_field(output, tap) = registry().with(tap).with(env(output, "warn,[conn{user=42}]=trace")),
        without us registry().with(env(output, "warn,[conn{user=42}]=trace")), Works, hers: ALL_OF_HERS;
    beside_a_reloadable_filter(output, tap) = registry().with(printer(output).with_filter(reload::Layer::new(LevelFilter::INFO).0)).with(tap),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    beside_a_reloadable_layer(output, tap) = registry().with(reloadable(info_printer(output))).with(tap),
        without us registry().with(info_printer(output)), HasNoChance, hers: ALL_OF_HERS;
    reloadable_itself(output, tap) = registry().with(reloadable(tap)).with(info_printer(output)),
        without us registry().with(info_printer(output)), HasNoChance, hers: ALL_OF_HERS;
    beside_another_router(output, tap) = registry().with(TapRouter::new().layer()).with(info_printer(output)).with(tap),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    under_another_router(output, tap) = registry().with(tap).with(info_printer(output)).with(TapRouter::new().layer()),
        without us registry().with(info_printer(output)), Works, hers: ALL_OF_HERS;
    under_a_global_level_filter(output, tap) = registry().with(printer(output)).with(tap).with(LevelFilter::INFO),
        without us registry().with(printer(output)).with(LevelFilter::INFO), Works, hers: &["her info", "her noisy warning"];
    over_a_global_level_filter(output, tap) = registry().with(LevelFilter::INFO).with(printer(output)).with(tap),
        without us registry().with(LevelFilter::INFO).with(printer(output)), Works, hers: &["her info", "her noisy warning"];
    under_a_global_env_filter(output, tap) = registry().with(tap).with(printer(output)).with(EnvFilter::new("debug,noisy=off")),
        without us registry().with(printer(output)).with(EnvFilter::new("debug,noisy=off")), Works, hers: &["her info", "her debug", "her child"];
    under_a_level_of_its_own(output, tap) = registry().with(info_printer(output)).with(tap.with_filter(LevelFilter::DEBUG)),
        without us registry().with(info_printer(output)), HasNoChance, hers: &["her info", "her debug", "her noisy warning", "her child"];
}

isolated! {
    /// `tracing-subscriber` takes layers joined by `and_then` on a registry for a registry below the last of them, and
    /// asks that one alone for its level.
    fn the_last_layer_in_and_then_hides_levels_from_the_others() {
        let router = TapRouter::new();
        let output = Output::default();
        let joined = Layer::<Registry>::and_then(router.layer(), info_printer(&output));
        registry().with(joined).init();
        let mut stream = router.watch(Predicate::eq("user", 42));
        service();
        assert_eq!(messages(&mut stream), ["her info", "her noisy warning"]);
    }

    /// For the same reason; `with` has none of it.
    fn as_the_last_layer_in_and_then_we_hide_levels_while_idle() {
        let router = TapRouter::new();
        let output = Output::default();
        let joined = Layer::<Registry>::and_then(printer(&output), router.layer());
        registry().with(joined).init();
        tracing::debug!("hidden");
        let stream = router.watch(Predicate::eq("user", 42));
        tracing::debug!("shown");
        drop(stream);
        assert_eq!(output.lines(), ["DEBUG it::stacks: shown"]);
    }
}

#[test]
#[should_panic(expected = "does not currently support filters")]
fn a_finished_fmt_subscriber_refuses_the_layer_at_once() {
    let router = TapRouter::new();
    let _ = tracing_subscriber::fmt().finish().with(router.layer());
}
