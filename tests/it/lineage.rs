//! Where a thread is and which span an id names, where other layers' hooks, other registries and recurring ids are in the way.

mod asked;
mod filtered;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use testing::{Output, events, messages, printer, wait_until};
use tracing::dispatcher::with_default;
use tracing::{Dispatch, Span, Subscriber};
use tracing_core::span;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_tap::{CapturedEvent, LookBack, Predicate, SessionOptions, TapRouter};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

fn user(user: u32) -> Span {
    tracing::info_span!("conn", user)
}

fn id_of(span: &Span) -> u64 {
    span.id().expect("the span is enabled").into_u64()
}

/// Another layer that logs whenever a span of the name `noisy` is entered or left.
struct LogsInHooks;

impl<S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>> Layer<S> for LogsInHooks {
    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        if context.metadata(id).is_some_and(|metadata| metadata.name() == "noisy") {
            tracing::info!("entered");
        }
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, S>) {
        if context.metadata(id).is_some_and(|metadata| metadata.name() == "noisy") {
            tracing::info!("left");
        }
    }
}

/// As many threads as have cells of their own: the spans of the next one want those of the first.
const THREADS: u64 = 1024;

/// Occupies the registry's thread numbers up to the last with cells of its own, with spans, and runs `then` on the next.
fn on_a_thread_too_many(then: impl FnOnce() + Send + 'static) {
    let (mut releases, mut threads) = (Vec::new(), Vec::new());
    for number in 1..THREADS {
        let (release, released) = mpsc::channel::<()>();
        let (ready, is_ready) = mpsc::channel();
        threads.push(
            std::thread::Builder::new()
                .stack_size(128 << 10)
                .spawn(move || {
                    let span = tracing::info_span!("filler");
                    ready.send(id_of(&span)).expect("the other end is there");
                    let _ = released.recv();
                })
                .expect("the other end is there"),
        );
        let id = is_ready.recv().expect("the other end is there");
        assert_eq!((id - 1) >> 38 & 0x1fff, number);
        releases.push(release);
    }
    let result = std::thread::spawn(then).join();
    drop(releases);
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn recurring_ids_in_a_taken_cell(first_user: u32, second_user: u32) {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let mut stream = router.watch(Predicate::eq("user", 42));
    // Holds the cell that the spans of the last thread want.
    let holder = tracing::info_span!("holder");
    assert_eq!((id_of(&holder) - 1) >> 38 & 0x1fff, 0);
    let holder_id = id_of(&holder);
    on_a_thread_too_many(move || {
        fn emit(user: u32) {
            tracing::debug!("of {user}");
        }
        let first = user(first_user);
        let id = id_of(&first);
        assert_eq!((id & ((1 << 38) - 1), (id - 1) >> 38 & 0x1fff), (holder_id & ((1 << 38) - 1), THREADS));
        first.in_scope(|| emit(first_user));
        drop(first);
        let mut silent = 0;
        let second = loop {
            let next = user(second_user);
            if id_of(&next) == id {
                break next;
            }
            silent += 1;
            assert!(silent < 20_000, "the id does not recur");
        };
        second.in_scope(|| emit(second_user));
    });
    assert_eq!(messages(&mut stream), ["of 42"]);
    drop(holder);
}

isolated! {
    fn an_event_in_a_child_shows_what_was_recorded_around_it() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut stream = router.watch(Predicate::eq("user", 42));
        let request = tracing::info_span!("request", user = 42, status = tracing::field::Empty).entered();
        tracing::info!("before");
        request.record("status", 200);
        tracing::info_span!("child").in_scope(|| tracing::info!("after"));
        let status = |event: &CapturedEvent| event.spans().next()?.field("status").map(ToString::to_string);
        let shown: Vec<_> = events(&mut stream).iter().map(|event| status(event)).collect();
        assert_eq!(shown, [None, Some("200".to_owned())]);
    }

    fn a_verbose_span_without_fields_is_shown_to_a_later_session() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(printer(&Output::default())).with(router.layer()).init();
        // Unknown to the layer, which keeps nothing of it while no session is open.
        let span = tracing::trace_span!("step");
        let mut stream = router.watch(Predicate::span("step"));
        span.in_scope(|| tracing::info!("inside"));
        let seen = events(&mut stream);
        let shown: Vec<_> = seen.iter().flat_map(|event| event.spans()).map(|span| span.name()).collect();
        assert_eq!(shown, ["step"]);
    }

    fn a_second_session_gets_what_is_in_a_child_of_a_known_span() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut streams = vec![router.watch(Predicate::eq("user", 42))];
        let request = user(42);
        fn step() { tracing::info_span!("step").in_scope(|| tracing::info!("inside")); }
        for round in 1..5 {
            // The first of a round is decided about before, the second by what is known of the request.
            request.in_scope(|| tracing::info!("in the request"));
            streams.push(router.watch(Predicate::eq("user", 42)));
            step();
            request.in_scope(step);
            for stream in &mut streams {
                let seen = messages(stream);
                assert_eq!(seen.iter().filter(|message| *message == "inside").count(), 1, "round {round}: {seen:?}");
            }
        }
    }

    fn an_event_of_a_hook_is_kept_where_the_registry_says() {
        let router = TapRouter::builder().look_back(LookBack::new(16 << 20).max_age(LONG)).build();
        tracing_subscriber::registry().with(LogsInHooks).with(router.layer()).init();
        wait_until("looking back to be switched on", || router.stats().look_back_bytes > 0);
        // From here on the thread is followed.
        tracing::info!("outside");
        tracing::info_span!("noisy", user = 42).in_scope(|| tracing::info!("inside"));
        let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).look_back(LONG));
        assert_eq!(messages(&mut stream), ["entered", "inside"]);
    }

    fn an_id_that_recurs_in_a_taken_cell_leaks_no_event() {
        recurring_ids_in_a_taken_cell(42, 43);
    }

    fn an_id_that_recurs_in_a_taken_cell_hides_no_event() {
        recurring_ids_in_a_taken_cell(43, 42);
    }

    fn a_span_keeps_its_fields_when_the_cell_it_wanted_is_free() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let holder = tracing::info_span!("holder", path = "/");
        assert_eq!((id_of(&holder) - 1) >> 38 & 0x1fff, 0);
        let holder = Arc::new(Mutex::new(Some(holder)));
        let watched = router.clone();
        on_a_thread_too_many(move || {
            let conn = user(42);
            assert_eq!((id_of(&conn) - 1) >> 38 & 0x1fff, THREADS);
            drop(holder.lock().unwrap().take());
            // While no session is open, so that its parent is asked for later.
            let request = conn.in_scope(|| tracing::info_span!("request", path = "/"));
            let mut stream = watched.watch(Predicate::eq("user", 42));
            conn.in_scope(|| request.in_scope(|| tracing::info!("of 42")));
            assert_eq!(messages(&mut stream), ["of 42"]);
        });
    }

    fn what_a_layer_logs_on_exit_is_not_inside_that_span() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(LogsInHooks).with(router.layer()).init();
        let mut stream = router.watch(Predicate::eq("user", 43));
        user(42).in_scope(|| {
            tracing::info!("outside of 43");
            tracing::info_span!("noisy", user = 43).in_scope(|| {});
        });
        assert!(!messages(&mut stream).contains(&"left".to_owned()));
    }

    fn a_layer_that_logs_on_enter_does_not_keep_the_thread_there() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(LogsInHooks).with(router.layer()).init();
        let task = tracing::info_span!("noisy", user = 42);
        let mut stream = router.watch(Predicate::eq("user", 42));
        task.in_scope(|| tracing::info!("polled"));
        messages(&mut stream);
        // The task waits; the thread does other things.
        tracing::info!("nobody's");
        user(43).in_scope(|| tracing::info!("of 43"));
        tracing::info!("nobody's");
        assert_eq!(messages(&mut stream), [""; 0]);
        drop(task);
    }

    fn a_span_closed_in_another_registry_hides_none_with_its_id() {
        let (router, other) = (TapRouter::new(), TapRouter::new());
        let mine = Dispatch::new(tracing_subscriber::registry().with(router.layer()));
        let elsewhere = Dispatch::new(tracing_subscriber::registry().with(other.layer()));
        let request = with_default(&mine, || tracing::info_span!("request"));
        let id = with_default(&elsewhere, || id_of(&tracing::info_span!("request")));
        assert_eq!(id, id_of(&request));
        with_default(&mine, || {
            let mut stream = router.watch(SessionOptions::from("@span = request".parse::<Predicate>().unwrap()));
            request.in_scope(|| tracing::info!("inside"));
            let seen = events(&mut stream);
            assert_eq!(seen.len(), 1);
        });
    }

    fn another_routers_names_do_not_say_what_a_span_adds() {
        let (router, other) = (TapRouter::new(), TapRouter::new());
        let mine = tracing_subscriber::registry().with(router.layer());
        let elsewhere = Dispatch::new(tracing_subscriber::registry().with(other.layer()));
        mine.init();
        let mut others = other.watch(Predicate::eq("zzz", 1));
        let other_sessions = router.watch(Predicate::eq("zzz", 1));
        fn event(text: &str) { tracing::info!("{text}"); }
        tracing::info!("outside");
        let conn = user(42);
        let fillers: Vec<_> = (0..3).map(|_| tracing::info_span!("filler")).collect();
        fn inner() -> Span { tracing::info_span!("inner", x = 1) }
        // The second to be created is judged already.
        let (one, inside) = conn.in_scope(|| {
            let one = inner();
            one.in_scope(|| event("judges"));
            (one, inner())
        });
        assert_ne!(id_of(&inside) % 4, id_of(&conn) % 4);
        conn.in_scope(|| inside.in_scope(|| event("absent as yet")));
        // Every place among the recent ones, for whatever `conn` has.
        let mut stream = router.watch("user = 42 and not x = 1".parse::<Predicate>().unwrap());
        let evict = || for filler in &fillers {
            if id_of(filler) % 4 == id_of(&conn) % 4 { filler.in_scope(|| event("filler")); }
        };
        let more: Vec<_> = (0..4).map(|_| tracing::info_span!("filler")).collect();
        conn.in_scope(|| { event("hers"); inside.in_scope(|| event("ruled out")); });
        evict();
        for filler in &more {
            if id_of(filler) % 4 == id_of(&conn) % 4 { filler.in_scope(|| event("filler")); }
        }
        with_default(&elsewhere, || event("elsewhere"));
        log::info!("a record");
        conn.in_scope(|| {
            inside.in_scope(|| event("ruled out"));
            event("hers again");
        });
        assert_eq!(messages(&mut stream), ["hers", "hers again"]);
        assert_eq!(messages(&mut others), [""; 0]);
        drop((other_sessions, one));
    }

}
