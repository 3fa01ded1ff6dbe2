//! What a service may do that no manual recommends: the router does no harm, misses nothing and shows nothing of others.

mod panicking;

use std::sync::{Barrier, OnceLock};
use std::thread;
use testing::measure::{check_account, final_account};
use testing::{Output, info_printer, messages};
use tracing::dispatcher::with_default;
use tracing::field::Value;
use tracing::metadata::Kind;
use tracing::span::{Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, Span};
use tracing_core::callsite::{self, Callsite, Identifier};
use tracing_core::dispatcher;
use tracing_core::field::FieldSet;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use tracing_tap::{MissingReason, Predicate, SessionOptions, TapRouter};

fn user(user: u32) -> Span {
    tracing::info_span!("request", user, status = tracing::field::Empty)
}

fn of_42() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42))
}

fn failing() -> SessionOptions {
    SessionOptions::new(Predicate::everything()).only_if(Predicate::ge("status", 500))
}

/// A subscriber that prints nothing, whose layers look up no span.
fn silent(router: &TapRouter) -> Dispatch {
    Dispatch::new(registry().with(router.layer()))
}

/// A callsite that a program makes while it runs.
struct Dynamic {
    metadata: OnceLock<Metadata<'static>>,
    interest: std::sync::Mutex<Interest>,
}

impl Callsite for Dynamic {
    fn set_interest(&self, interest: Interest) {
        *self.interest.lock().unwrap() = interest;
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata.get().expect("metadata is set before the callsite is registered")
    }
}

impl Dynamic {
    fn new() -> &'static Self {
        let interest = std::sync::Mutex::new(Interest::never());
        let callsite: &'static Self = Box::leak(Box::new(Self { metadata: OnceLock::new(), interest }));
        let fields = FieldSet::new(&["n"], Identifier(callsite));
        let metadata = Metadata::new("event", "generated", Level::DEBUG, None, None, None, fields, Kind::EVENT);
        assert!(callsite.metadata.set(metadata).is_ok(), "it is new");
        callsite::register(callsite);
        callsite
    }

    /// Logs as the macros do.
    fn log(&'static self, n: u64) {
        let metadata = self.metadata.get().expect("it is set");
        if self.interest.lock().unwrap().is_never() || !dispatcher::get_default(|current| current.enabled(metadata)) {
            return;
        }
        let field = metadata.fields().field("n").expect("it is declared");
        Event::dispatch(metadata, &metadata.fields().value_set(&[(&field, Some(&n as &dyn Value))]));
    }
}

/// Enters the span as often as is said, inside itself, and logs at each depth on the way in and out.
fn recurse(spans: &[Span], depth: usize, most: usize) {
    if depth < most {
        spans[depth % spans.len()].in_scope(|| {
            tracing::debug!("in {depth}");
            recurse(spans, depth + 1, most);
            tracing::debug!("out {depth}");
        });
    }
}

isolated! {
    fn a_span_entered_a_hundred_times_inside_itself_stays_itself() {
        let router = TapRouter::new();
        registry().with(info_printer(&Output::default())).with(router.layer()).init();
        let mut stream = router.watch(of_42());
        let (alice, bob) = (user(42), user(43));
        recurse(std::slice::from_ref(&alice), 0, 100);
        assert_eq!(messages(&mut stream).len(), 200);
        recurse(&[bob.clone(), alice.clone()], 0, 100);
        // Entered for the first time, each is the current span; then the last one entered for the first time is.
        let inside = messages(&mut stream);
        assert_eq!((inside.len(), inside.first().map(String::as_str)), (198, Some("in 1")));
        bob.in_scope(|| tracing::debug!("his"));
        alice.in_scope(|| tracing::debug!("hers"));
        assert_eq!(messages(&mut stream), ["hers"]);
    }

    fn a_hundred_spans_inside_each_other_keep_their_order() {
        let router = TapRouter::new();
        registry().with(info_printer(&Output::default())).with(router.layer()).init();
        let mut stream = router.watch(of_42());
        let spans: Vec<_> = (0..100).map(|number| tracing::info_span!(parent: None, "conn", user = if number == 60 { 42 } else { 0 })).collect();
        for _ in 0..3 {
            recurse(&spans, 0, 100);
            assert_eq!(messages(&mut stream), ["in 60", "out 60"]);
        }
    }

    fn ten_thousand_callsites_are_each_heard_and_each_vetoed() {
        const COUNT: u64 = 10_000;
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        let callsites: Vec<_> = (0..COUNT / 2).map(|_| Dynamic::new()).collect();
        let mut stream = router.watch(of_42().capacity(COUNT as usize));
        // Half of them are registered while the session is open.
        let callsites: Vec<_> = callsites.into_iter().chain((0..COUNT / 2).map(|_| Dynamic::new())).collect();
        let log = || callsites.iter().zip(0..).for_each(|(callsite, n)| callsite.log(n));
        user(43).in_scope(log);
        log();
        assert_eq!(stream.stats().matched, 0);
        user(42).in_scope(log);
        assert_eq!(stream.stats().matched, COUNT);
        let numbers: Vec<_> = testing::events(&mut stream).iter().map(|event| event.field("n").and_then(tracing_tap::Value::as_u64).unwrap()).collect();
        assert!(numbers.into_iter().eq(0..COUNT));
        assert!(!stream.coverage().to_string().is_empty());
        check_account(stream.stats());
    }

    fn no_span_is_a_parent_of_nothing() {
        let router = TapRouter::new();
        registry().with(info_printer(&Output::default())).with(router.layer()).init();
        let mut stream = router.watch(of_42());
        let (alice, none) = (user(42), Span::none());
        for _ in 0..3 {
            alice.in_scope(|| {
                tracing::debug!(parent: &none, "of no parent");
                tracing::info_span!(parent: &none, "child").in_scope(|| tracing::debug!("in a root"));
                none.in_scope(|| tracing::debug!("in nothing more"));
                none.record("user", 43);
                Span::current().follows_from(&none);
                none.follows_from(Span::current());
                tracing::debug!("hers");
            });
            none.in_scope(|| tracing::debug!("in nothing"));
            assert_eq!(messages(&mut stream), ["in nothing more", "hers"]);
        }
    }

    fn a_scoped_subscriber_inside_a_global_one_has_its_own_spans() {
        let router = TapRouter::new();
        registry().with(info_printer(&Output::default())).with(router.layer()).init();
        let inner = silent(&router);
        let mut stream = router.watch(of_42());
        for _ in 0..50 {
            user(42).in_scope(|| {
                with_default(&inner, || {
                    tracing::debug!("outside, in the inner one");
                    user(43).in_scope(|| {
                        tracing::debug!("his");
                        with_default(&Dispatch::none(), || tracing::debug!("nowhere"));
                    });
                    user(42).in_scope(|| tracing::debug!("hers, inside"));
                });
                tracing::debug!("hers");
            });
            assert_eq!(messages(&mut stream), ["hers, inside", "hers"]);
        }
    }

    fn a_record_on_a_closed_span_changes_no_later_one() {
        let router = TapRouter::new();
        let dispatch = silent(&router);
        with_default(&dispatch, || {
            let mut stream = router.watch(of_42());
            for _ in 0..100 {
                let closed = user(7);
                let (id, metadata) = (closed.id().unwrap(), closed.metadata().unwrap());
                drop(closed);
                let later = user(43);
                assert_ne!(Some(&id), later.id().as_ref(), "ids recur late");
                record_42(&dispatch, &id, metadata);
                later.in_scope(|| tracing::debug!("his"));
                tracing::debug!("nobody's");
                later.record("user", 42);
                later.in_scope(|| tracing::debug!("hers now"));
                assert_eq!(messages(&mut stream), ["hers now"]);
            }
        });
    }

    fn a_subscriber_dropped_with_held_requests_leaves_none_of_them() {
        let router = TapRouter::new();
        let (gone, next) = (silent(&router), silent(&router));
        let mut stream = router.watch(failing());
        let left = with_default(&gone, || {
            let span = user(42);
            span.in_scope(|| tracing::debug!("accepted"));
            // Never closed: the span's reference to its subscriber is forgotten.
            let id = span.id().unwrap();
            gone.clone_span(&id);
            id
        });
        assert_eq!(stream.stats().held, 1, "{left:?}");
        drop(gone);
        testing::wait_until("what is held to go", || stream.stats().held == 0);
        with_default(&next, || user(42).in_scope(|| tracing::debug!(status = 500, "failed")));
        assert_eq!(messages(&mut stream), ["failed"]);
        assert_eq!(stream.stats().missing[MissingReason::NotChosen], 1);
        drop(stream);
        check_account(final_account(&router));
    }

    fn a_root_dropped_while_a_child_is_made_is_one_request() {
        let router = TapRouter::new();
        registry().with(info_printer(&Output::default())).with(router.layer()).init();
        let mut stream = router.watch(failing());
        for round in 0..500_u64 {
            let root = user(42);
            root.in_scope(|| tracing::debug!("accepted {round}"));
            let (clone, start) = (root.clone(), Barrier::new(2));
            thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    let child = tracing::info_span!(parent: &clone, "child");
                    drop(clone);
                    child.in_scope(|| tracing::debug!(status = 500, "failed {round}"));
                });
                start.wait();
                drop(root);
            });
            assert_eq!(messages(&mut stream), [format!("accepted {round}"), format!("failed {round}")]);
        }
        assert_eq!(stream.stats().held, 0);
        check_account(stream.stats());
    }

    fn an_outcome_recorded_twice_is_the_last_one() {
        let router = TapRouter::new();
        registry().with(info_printer(&Output::default())).with(router.layer()).init();
        let mut stream = router.watch(failing());
        for (first, second) in [(200, 500), (500, 200)] {
            let span = user(42);
            span.in_scope(|| tracing::debug!("accepted {first} {second}"));
            span.record("status", first).record("status", second);
            span.in_scope(|| tracing::debug!("answered {first} {second}"));
        }
        // An event may have a name twice, and is tested on both.
        user(42).in_scope(|| tracing::debug!(status = 500, status = 200, "both"));
        assert_eq!(messages(&mut stream), ["accepted 200 500", "answered 200 500", "both"]);
        check_account(stream.stats());
    }
}

/// Records `user = 42` on whatever span had this id.
fn record_42(dispatch: &Dispatch, id: &Id, metadata: &'static Metadata<'static>) {
    let field = metadata.fields().field("user").expect("it is declared");
    let values = [(&field, Some(&42_u32 as &dyn Value))];
    dispatch.record(id, &Record::new(&metadata.fields().value_set(&values)));
}
