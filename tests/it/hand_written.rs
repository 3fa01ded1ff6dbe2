//! Callsites that no macro has written, and callsites reached where this crate or another layer is in the middle of something.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use testing::{info_printer, messages, wait_until};
use tracing::callsite::{Callsite, Identifier};
use tracing::field::{FieldSet, Value};
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Span, dispatcher};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, TapRouter};

/// A callsite without a memory of its own: all of them have one address.
struct Nothing<const NUMBER: usize>;

static METADATA: [OnceLock<Metadata<'static>>; 2] = [const { OnceLock::new() }; 2];
const FIELDS: [&[&str]; 2] = [&["message"], &["message", "user"]];

impl<const NUMBER: usize> Callsite for Nothing<NUMBER> {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        METADATA[NUMBER].get().unwrap()
    }
}

/// Registers a callsite of this number.
fn register<const NUMBER: usize>() -> &'static Metadata<'static> {
    let callsite: &'static dyn Callsite = Box::leak(Box::new(Nothing::<NUMBER>));
    let fields = FieldSet::new(FIELDS[NUMBER], Identifier(callsite));
    let metadata = METADATA[NUMBER]
        .get_or_init(|| Metadata::new("written by hand", "it", Level::DEBUG, None, None, None, fields, Kind::EVENT));
    tracing::callsite::register(callsite);
    metadata
}

/// A span of a callsite that no macro has written.
struct WrittenSpan;

static SPAN_METADATA: OnceLock<Metadata<'static>> = OnceLock::new();

impl Callsite for WrittenSpan {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        SPAN_METADATA.get().unwrap()
    }
}

fn written_span(user: u64) -> Span {
    static CALLSITE: WrittenSpan = WrittenSpan;
    let fields = || FieldSet::new(&["kind", "user"], Identifier(&CALLSITE));
    let metadata = SPAN_METADATA
        .get_or_init(|| Metadata::new("written by hand", "it", Level::INFO, None, None, None, fields(), Kind::SPAN));
    static REGISTERED: std::sync::Once = std::sync::Once::new();
    REGISTERED.call_once(|| tracing::callsite::register(&CALLSITE));
    let mut names = metadata.fields().iter();
    let (kind, key) = (names.next().unwrap(), names.next().unwrap());
    Span::new(metadata, &metadata.fields().value_set(&[(&kind, Some(&"hers" as &dyn Value)), (&key, Some(&user))]))
}

/// Logs as the macros do: asks first. Whether it was wanted.
fn log(metadata: &'static Metadata<'static>, parent: Option<&Span>, values: &[&dyn Value]) -> bool {
    dispatcher::get_default(|dispatch| {
        let is_enabled = dispatch.enabled(metadata);
        if is_enabled {
            let fields = metadata.fields();
            let mut fields = fields.iter();
            let mut next = || fields.next().unwrap();
            let set = |values: &tracing::field::ValueSet<'_>| match parent {
                Some(parent) => Event::child_of(parent.id(), metadata, values),
                None => Event::dispatch(metadata, values),
            };
            match values {
                [message] => set(&metadata.fields().value_set(&[(&next(), Some(*message))])),
                [message, user] => {
                    set(&metadata.fields().value_set(&[(&next(), Some(*message)), (&next(), Some(*user))]));
                }
                _ => unreachable!("there are callsites of one and of two fields"),
            }
        }
        is_enabled
    })
}

fn install() -> TapRouter {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(info_printer(&testing::Output::default())).with(router.layer()).init();
    router
}

/// Logs at a callsite that nothing matches, until it is known well enough to be vetoed; a bounded number of times, since it
/// may be one that is never vetoed.
fn log_elsewhere(router: &TapRouter, metadata: &'static Metadata<'static>, values: &[&dyn Value]) {
    for _ in 0..20 {
        log(metadata, None, values);
    }
    // Other callsites have been learned by now, so this one would have been.
    wait_until("callsites to be learned", || {
        tracing::debug!("nobody wants this");
        router.stats().vetoed_callsites > 0
    });
    for _ in 0..20 {
        log(metadata, None, values);
    }
}

/// Records on a span while it is printed.
struct Records(Span);

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.record("user", 42);
        self.0.record("name", "ann");
        f.write_str("recorded")
    }
}

/// A filter that wants nothing, and logs at a callsite of its own when the control thread asks about a certain one for the second time: first all callsites
/// are asked again, and then the other layers what they want themselves.
struct LogsWhenAsked;

static ASKED: AtomicUsize = AtomicUsize::new(0);
static HAS_LOGGED: AtomicBool = AtomicBool::new(false);

fn logged_when_asked(user: u64) {
    tracing::debug!(user, "reached in the middle of a question");
}

impl<S: tracing::Subscriber> Filter<S> for LogsWhenAsked {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        false
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        let is_control_thread = std::thread::current().name() == Some("tracing-tap");
        if is_control_thread && metadata.target() == "asked" && ASKED.fetch_add(1, Ordering::SeqCst) == 1 {
            logged_when_asked(1);
            HAS_LOGGED.store(true, Ordering::SeqCst);
        }
        Interest::never()
    }
}

isolated! {
    fn callsites_at_one_address_are_distinguished() {
        let router = install();
        let (plain, users) = (register::<0>(), register::<1>());
        assert_eq!(plain.callsite(), users.callsite(), "two callsites without memory have one address");
        let mut stream = router.watch(Predicate::eq("user", 42));
        log_elsewhere(&router, plain, &[&"plain"]);
        assert!(log(users, None, &[&"hers", &42_u64]));
        assert_eq!(messages(&mut stream), ["hers"]);
    }

    fn a_span_written_by_hand_brings_its_fields() {
        let router = install();
        let mut stream = router.watch(Predicate::eq("user", 42));
        for _ in 0..3 {
            written_span(7).in_scope(|| tracing::debug!("another's"));
            written_span(42).in_scope(|| tracing::debug!("hers"));
        }
        assert_eq!(messages(&mut stream), ["hers"; 3]);
    }

    fn a_span_written_by_hand_is_kept_before_any_session_opens() {
        let router = install();
        let hers = written_span(42);
        let mut stream = router.watch(Predicate::eq("user", 42));
        hers.in_scope(|| tracing::debug!("hers"));
        assert_eq!(messages(&mut stream), ["hers"]);
    }

    fn a_callsite_with_and_without_an_explicit_parent_is_not_vetoed() {
        let router = install();
        let plain = register::<0>();
        let hers = tracing::info_span!("request", user = 42);
        let mut stream = router.watch(Predicate::eq("user", 42));
        log_elsewhere(&router, plain, &[&"context"]);
        assert!(log(plain, Some(&hers), &[&"explicit"]));
        assert_eq!(messages(&mut stream), ["explicit"]);
    }

    // It is reached for the first time, so no filter has changed.
    fn a_callsite_at_the_address_of_another_enables_no_span() {
        let router = TapRouter::new();
        let absent = None::<tracing_subscriber::fmt::Layer<_>>;
        let others = tracing_subscriber::registry().with(absent).with(info_printer(&testing::Output::default()));
        others.with(router.layer()).init();
        register::<0>();
        let stream = router.watch(Predicate::eq("user", 42));
        register::<1>();
        assert!(tracing::debug_span!("work").is_disabled(), "nobody asks for it");
        drop(stream);
    }

    fn what_a_value_records_while_it_is_printed_for_us_is_kept() {
        let router = install();
        let span = tracing::info_span!("request", user = tracing::field::Empty, name = tracing::field::Empty);
        let mut hers = router.watch(Predicate::eq("user", 42) & Predicate::eq("name", "ann"));
        let mut printing = router.watch(Predicate::contains("value", "recorded"));
        span.in_scope(|| tracing::debug!(value = ?Records(span.clone()), "recording"));
        assert_eq!(messages(&mut printing), ["recording"]);
        span.in_scope(|| tracing::debug!("after it"));
        assert_eq!(messages(&mut hers).last().map(String::as_str), Some("after it"));
    }

    fn a_callsite_reached_while_others_are_asked_is_not_left_off() {
        let router = TapRouter::new();
        let others = info_printer(&testing::Output::default()).with_filter(LogsWhenAsked);
        tracing_subscriber::registry().with(others).with(router.layer()).init();
        tracing::debug!(target: "asked", "a layer is asked about this");
        let mut stream = router.watch(Predicate::eq("user", 42));
        wait_until("the other layer to log", || HAS_LOGGED.load(Ordering::SeqCst));
        wait_until("the callsite to be on", || {
            logged_when_asked(42);
            !messages(&mut stream).is_empty()
        });
    }
}
