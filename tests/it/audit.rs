//! The audit: every session that is opened, refused or ended is logged once, to the service's logs and to no session.
#![expect(clippy::unwrap_used, reason = "a test may")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, RwLock};
use std::time::Duration;
use testing::{Output, bounded, messages, wait_for, wait_until};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{fmt, registry};
use tracing_tap::audit::{AuditEvent, RefusedRequest};
use tracing_tap::{Follow, Predicate, SessionOptions, TapRouter, TapRouterBuilder};

const AUDIT: &str = "tracing_tap::audit";
const PREDICATE_OF_42: &str = "user = 42";
const SCOPE_OF_7: &str = "tenant = 7";

/// The service's ordinary logs, at INFO, as JSON.
fn logs<S>(output: &Output) -> impl Layer<S> + Send + Sync + use<S>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fmt::layer().json().with_writer(output.clone()).with_filter(LevelFilter::INFO)
}

fn install(builder: TapRouterBuilder) -> (TapRouter, Output) {
    let (router, output) = (builder.build(), Output::default());
    registry().with(logs(&output)).with(router.layer()).init();
    (router, output)
}

/// What the audit has logged, in order.
fn logged(output: &Output) -> Vec<Value> {
    let lines = output.all_lines();
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["target"] == AUDIT).map(|mut line| line["fields"].take()).collect()
}

/// Waits until so much was logged, and no more.
#[track_caller]
fn wait_logged(output: &Output, count: usize) -> Vec<Value> {
    let logged = wait_for("the audit", || Some(logged(output)).filter(|logged| logged.len() >= count));
    assert_eq!(logged.len(), count, "{logged:#?}");
    logged
}

fn of_kind<'a>(logged: &'a [Value], kind: &str) -> Vec<&'a Value> {
    logged.iter().filter(|logged| logged["message"] == kind).collect()
}

fn user(number: u64) -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", number))
}

/// Another layer, which does something whenever the audit tells something.
struct OnAudit<F>(F);

impl<S: Subscriber, F: Fn() + 'static> Layer<S> for OnAudit<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == AUDIT {
            self.0();
        }
    }
}

isolated! {
    fn an_audit_has_all_facts_of_opening_and_end() {
        let (router, output) = install(TapRouter::builder());
        let session = user(42).confined_to(Predicate::eq("tenant", 7)).opened_by("ann").name("ticket 7")
            .capacity(2).capacity_bytes(10_000).expires_in(Duration::from_millis(600_500)).max_events(100).max_rate(1_000).sample(1)
            .follow(Follow::Named("job\u{1B}".to_owned())).max_level(LevelFilter::DEBUG).spans(LevelFilter::DEBUG);
        let mut stream = router.watch(session);
        for n in 0..5 {
            tracing::debug!(user = 42, tenant = 7, n, "event");
        }
        assert!(stream.try_recv().is_ok() && stream.try_recv().is_ok(), "a loss and an event");
        router.close(stream.id());
        let logged = wait_logged(&output, 2);
        let mut opened = json!({
            "message": "session opened", "opener": "ann", "session": 1, "name": "ticket 7", "capacity": 2,
            "predicate": PREDICATE_OF_42, "confinement": SCOPE_OF_7,
            "capacity_bytes": 10_000, "overflow": "drop_oldest", "expires_in_ms": 600_500, "max_events": 100, "max_rate": 1_000,
            "max_level": "debug", "follow": "named:job\\x1B", "spans": "debug",
        });
        assert_eq!(logged[0], opened);

        let mut ended = logged[1].clone();
        let duration = ended["duration_ms"].as_u64().unwrap();
        assert!(duration < 60_000, "{duration}");
        ended.as_object_mut().unwrap().remove("duration_ms");
        let more = json!({
            "message": "session ended", "reason": "closed", "matched": 5, "delivered": 1, "buffered": 1, "lost": 3, "kept_back": 0,
        });
        opened.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(ended, opened);
        drop(stream);
        router.shutdown();
        assert_eq!(logged_count(&output), 2, "its end is logged once");
    }

    fn what_was_not_given_is_absent() {
        let (router, output) = install(TapRouter::builder());
        let _stream = router.watch(Predicate::everything());
        let logged = wait_logged(&output, 1);
        let names: Vec<_> = logged[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["capacity", "capacity_bytes", "message", "overflow", "predicate", "session"]);
    }

    fn no_session_coverage_or_catalog_shows_the_audit() {
        let (router, output) = install(TapRouter::builder().max_sessions(3));
        tracing::info!("reached, so that something can match");
        let mut all = router.watch(Predicate::everything());
        let mut asked = router.watch(Predicate::target(AUDIT));
        drop(router.watch(Predicate::everything()));
        let _third = router.watch(user(1));
        assert!(router.try_watch(user(2)).is_err());
        wait_logged(&output, 6);
        assert!(messages(&mut all).is_empty() && messages(&mut asked).is_empty());
        assert!(router.catalog().iter().all(|entry| entry.target != AUDIT), "{:#?}", router.catalog());
        assert!(all.coverage().is_clear(), "{}", all.coverage());
    }

    fn every_reason_for_an_end_is_reported() {
        let (router, output) = install(TapRouter::builder());
        drop(router.watch(user(1)));
        let closed = router.watch(user(2));
        router.close(closed.id());
        let _full = router.watch(user(3).max_events(2));
        (0..5).for_each(|_| tracing::info!(user = 3, "event"));
        let _never = router.watch(user(4).max_events(0));
        let _expired = router.watch(user(5).expires_in(Duration::ZERO));
        wait_until("the limits", || router.sessions().is_empty());
        let _shut_down = router.watch(user(6));
        router.shutdown();
        let logged = wait_logged(&output, 12);
        let mut ends: Vec<_> = of_kind(&logged, "session ended").iter().map(|end| (end["session"].as_u64(), end["reason"].as_str().unwrap())).collect();
        ends.sort_unstable();
        let reasons: Vec<_> = ends.iter().map(|(_, reason)| *reason).collect();
        assert_eq!(reasons, ["closed", "closed", "max_events", "max_events", "expired", "shutdown"]);
        let full = logged.iter().find(|logged| logged["session"] == 3 && logged["message"] == "session ended").unwrap();
        assert_eq!((&full["matched"], &full["buffered"]), (&json!(2), &json!(2)));
        let ended = router.stats().ended;
        assert_eq!((ended.closed, ended.max_events, ended.expired, ended.shutdown), (2, 2, 1, 1));
    }

    fn a_refusal_is_logged_with_reason_and_opener() {
        let (router, output) = install(TapRouter::builder().max_sessions(1).redact_fields(["password"]));
        let _open = router.try_watch(user(1).opened_by("ann")).unwrap();
        let error = router.try_watch(user(2).opened_by("eve").name("hers").max_events(7).sample(3)).unwrap_err();
        let redacted = router.try_watch(Predicate::exists("password")).unwrap_err();
        let logged = wait_logged(&output, 3);
        let expected = [
            ("opener", json!("eve")), ("name", json!("hers")), ("sample", json!(3)), ("reason", json!("max_sessions")), ("max_events", json!(7)),
            ("error", json!(error.to_string())), ("suppressed", json!(0)), ("message", json!("session refused")),
        ];
        for (field, value) in expected {
            assert_eq!(logged[1][field], value, "{field}");
        }
        assert!(logged[1].get("session").is_none() && logged[1]["predicate"].as_str().unwrap().contains("user"));
        assert_eq!((&logged[2]["reason"], &logged[2]["error"]), (&json!("redacted_field"), &json!(redacted.to_string())));
    }

    fn a_storm_of_refusals_is_logged_in_part_and_counted() {
        const STORM: u64 = 5_000;
        let (router, output) = install(TapRouter::builder().max_sessions(0));
        let mut refused = 0;
        let mut refuse = || {
            assert!(router.try_watch(user(1)).is_err());
            refused += 1;
        };
        (0..STORM).for_each(|_| refuse());
        // Logged and suppressed add up once one is logged again.
        let all = wait_for("a refusal that is logged after the storm", || {
            refuse();
            let logged = logged(&output);
            logged.last().is_some_and(|last| last["suppressed"] != 0).then_some(logged)
        });
        let suppressed: u64 = all.iter().map(|logged| logged["suppressed"].as_u64().unwrap()).sum();
        assert!(all.len() < 1000 && suppressed > 0, "{}", all.len());
        assert!(all.len() as u64 + suppressed <= refused);
        assert_eq!(router.stats().refused, refused);
    }

    fn texts_of_openers_cannot_forge_a_line_and_are_cut() {
        let output = Output::default();
        let router = TapRouter::builder().build();
        // Text as people have it on their terminals; `{}` of a string would show what is in it as it is.
        registry().with(OnAuditText(output.clone())).with(router.layer()).init();
        let hostile = "ann\r\n2026 INFO forged\u{1B}[2J\u{202E}\u{200B}\\n";
        let long = "x".repeat(100_000);
        let session = |text: &str| {
            let predicate = Predicate::eq("user", text);
            SessionOptions::new(predicate.clone()).confined_to(predicate).opened_by(text).name(text)
        };
        drop((router.watch(session(hostile)), router.watch(session(&long))));
        router.shutdown();
        let lines = output.all_lines();
        let fields = |name: &str| lines.iter().filter(|line| line.starts_with(name)).cloned().collect::<Vec<_>>();
        assert!(lines.iter().all(|line| line.split_once('=').is_some()), "no text begins a line of its own: {lines:#?}");
        for name in ["opener", "name", "predicate", "confinement"] {
            let fields = fields(name);
            assert_eq!(fields.len(), 4, "{name}");
            assert!(fields.iter().flat_map(|line| line.chars()).all(|c| !c.is_control() && c != '\u{202E}' && c != '\u{200B}'));
            assert!(fields.iter().any(|line| line.ends_with("…[cut]") && line.len() < 600), "{fields:#?}");
        }
        assert_eq!(fields("opener")[0], r"opener=ann\r\n2026 INFO forged\x1B[2J\u202E\u200B\\n");
    }

    fn texts_of_refused_requests_are_escaped() {
        let (router, output) = install(TapRouter::builder());
        let text = "/tap\u{9B}2J\u{202E}".to_owned();
        let request = RefusedRequest {
            opener: Some(text.clone()),
            method: text.clone(),
            path: text.clone(),
            detail: text.clone(),
            ..RefusedRequest::default()
        };
        router.audit(AuditEvent::RequestRefused(request));
        let logged = wait_logged(&output, 1);
        for field in ["opener", "method", "path", "error"] {
            assert_eq!(logged[0][field], r"/tap\x9B2J\u202E", "{field}");
        }
    }

    fn an_end_is_logged_once_and_after_the_opening() {
        const THREADS: usize = 4;
        const ROUNDS: usize = 100;
        let (router, output) = install(TapRouter::builder());
        let threads: Vec<_> = (0..THREADS).map(|thread| {
            let router = router.clone();
            std::thread::spawn(move || for round in 0..ROUNDS {
                let session = user(thread as u64).max_events(2);
                let expires_in = Duration::from_micros(10 * round as u64);
                let stream = router.watch(if round % 2 == 0 { session.expires_in(expires_in) } else { session });
                let id = stream.id();
                let barrier = Arc::new(Barrier::new(2));
                let closing = {
                    let (router, barrier) = (router.clone(), Arc::clone(&barrier));
                    std::thread::spawn(move || { barrier.wait(); router.close(id) })
                };
                barrier.wait();
                (0..round % 4).for_each(|_| tracing::debug!(user = thread, "event"));
                drop(stream);
                closing.join().unwrap();
            })
        }).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let logged = wait_logged(&output, 2 * THREADS * ROUNDS);
        let mut kinds: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        for logged in &logged {
            kinds.entry(logged["session"].as_u64().unwrap()).or_default().push(logged["message"].as_str().unwrap());
        }
        assert!(kinds.values().all(|kinds| kinds[..] == ["session opened", "session ended"]), "{kinds:#?}");
        for end in of_kind(&logged, "session ended") {
            let number = |name: &str| end[name].as_u64().unwrap();
            let parts = ["delivered", "buffered", "lost", "kept_back"].map(number);
            assert_eq!(number("matched"), parts.iter().sum::<u64>(), "{end}");
        }
        assert_eq!(router.stats().ended.closed + router.stats().ended.expired + router.stats().ended.max_events, (THREADS * ROUNDS) as u64);
    }

    fn the_numbers_of_a_dropped_streams_end_are_final() {
        let (router, output) = install(TapRouter::builder());
        let stop = Arc::new(AtomicBool::new(false));
        let producers: Vec<_> = (0..2).map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || while !stop.load(Ordering::Relaxed) { tracing::debug!(user = 42, "event") })
        }).collect();
        for _ in 0..50 {
            let mut stream = router.watch(user(42).capacity(16));
            wait_until("an event", || stream.drain().next().is_some());
            drop(stream);
        }
        wait_logged(&output, 100);
        stop.store(true, Ordering::Relaxed);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        let ends = logged(&output);
        let sum = |name: &str| of_kind(&ends, "session ended").iter().map(|end| end[name].as_u64().unwrap()).sum::<u64>();
        let events = router.stats().events;
        assert_eq!((sum("matched"), sum("delivered"), sum("lost"), sum("buffered")), (events.matched, events.delivered, events.lost, 0));
    }

    fn sessions_opened_inside_a_callback_are_logged_afterwards() {
        struct Opens(TapRouter);
        impl<S: Subscriber> Layer<S> for Opens {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                if event.metadata().target() == "opens" {
                    drop(self.0.watch(user(1)));
                    let stream = self.0.watch(user(2));
                    self.0.close(stream.id());
                    assert!(self.0.try_watch(Predicate::exists("password")).is_err());
                }
            }
        }
        let (router, output) = (TapRouter::builder().redact_fields(["password"]).build(), Output::default());
        registry().with(logs(&output)).with(Opens(router.clone())).with(router.layer()).init();
        bounded("opening inside a callback", || tracing::info!(target: "opens", "event"));
        wait_logged(&output, 5);
    }

    fn a_layer_that_opens_sessions_in_an_audit_does_not_recurse() {
        let (router, output) = (TapRouter::new(), Output::default());
        let (inner, opened, depth) = (router.clone(), AtomicUsize::new(0), AtomicUsize::new(0));
        let react = move || {
            assert_eq!(depth.fetch_add(1, Ordering::SeqCst), 0, "logged within the telling");
            if opened.fetch_add(1, Ordering::SeqCst) < 20 {
                drop(inner.watch(user(2)));
            }
            depth.fetch_sub(1, Ordering::SeqCst);
        };
        registry().with(logs(&output)).with(OnAudit(react)).with(router.layer()).init();
        let stream = bounded("watch", { let router = router.clone(); move || router.watch(user(1)) });
        // The first opening, and 20 sessions that open and end.
        wait_logged(&output, 41);
        drop(stream);
        wait_logged(&output, 42);
    }

    fn a_layer_that_panics_in_an_audit_ends_nothing() {
        let (router, output) = (TapRouter::new(), Output::default());
        let panics = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&panics);
        let panic = move || { counted.fetch_add(1, Ordering::SeqCst); panic!("a layer's own") };
        registry().with(logs(&output)).with(OnAudit(panic)).with(router.layer()).init();
        let mut stream = router.watch(user(1));
        tracing::debug!(user = 1, "event");
        assert_eq!(messages(&mut stream), ["event"]);
        let expires = router.watch(user(2).expires_in(Duration::from_millis(1)));
        wait_until("the expiry", || router.sessions().len() == 1);
        drop((stream, expires));
        wait_logged(&output, 4);
        assert_eq!(panics.load(Ordering::SeqCst), 4);
    }

    fn opening_under_a_lock_that_the_log_wants_does_not_hang() {
        let lock = Arc::new(RwLock::new(()));
        let wanted = Arc::clone(&lock);
        let (router, output) = (TapRouter::new(), Output::default());
        registry().with(OnAudit(move || drop(wanted.read().unwrap()))).with(logs(&output)).with(router.layer()).init();
        let opener = router.clone();
        bounded("opening and closing under a lock", move || {
            let _held = lock.write().unwrap();
            let stream = opener.watch(user(1));
            assert!(opener.close(stream.id()));
            drop(opener.watch(user(2)));
            opener.shutdown();
        });
        wait_logged(&output, 4);
        drop(router);
    }

    fn a_log_that_blocks_holds_up_neither_openers_nor_events() {
        let gate = Arc::new(Mutex::new(()));
        let (router, output) = (TapRouter::new(), Output::default());
        let wanted = Arc::clone(&gate);
        registry().with(OnAudit(move || drop(wanted.lock().unwrap()))).with(logs(&output)).with(router.layer()).init();
        let closed = gate.lock().unwrap();
        let blocked = router.clone();
        let mut stream = bounded("watch", move || blocked.watch(user(1)));
        tracing::debug!(user = 1, "event");
        assert_eq!(messages(&mut stream), ["event"]);
        assert!(router.close(stream.id()));
        drop(closed);
        wait_logged(&output, 2);
    }

    fn audits_go_to_the_subscriber_that_the_layer_is_in() {
        let (router, output, elsewhere) = (TapRouter::new(), Output::default(), Output::default());
        registry().with(logs(&elsewhere)).init();
        let subscriber = registry().with(logs(&output)).with(router.layer());
        let dispatch = tracing::Dispatch::new(subscriber);
        drop(router.watch(user(1)));
        wait_logged(&output, 2);
        assert_eq!(logged_count(&elsewhere), 0);
        drop(dispatch);
    }

    fn a_router_that_goes_tells_what_is_left() {
        let output = Output::default();
        registry().with(logs(&output)).init();
        let router = TapRouter::new();
        let (dropped, open) = (router.watch(user(1)), router.watch(user(2)));
        drop(dropped);
        drop(router);
        let logged = wait_logged(&output, 4);
        let reasons: Vec<_> = of_kind(&logged, "session ended").iter().map(|end| end["reason"].clone()).collect();
        assert!(reasons.contains(&json!("closed")) && reasons.contains(&json!("shutdown")), "{reasons:?}");
        drop(open);
        assert_eq!(logged_count(&output), 4);
    }

    fn a_shutdown_returns_once_all_is_logged() {
        let (router, output) = install(TapRouter::builder());
        let _streams: Vec<_> = (0..20).map(|n| router.watch(user(n))).collect();
        drop(router.watch(user(1)));
        router.shutdown();
        assert_eq!(logged_count(&output), 42);
    }
}

fn logged_count(output: &Output) -> usize {
    logged(output).len()
}

/// Writes each text of the audit as it is, a field a line.
struct OnAuditText(Output);

impl<S: Subscriber> Layer<S> for OnAuditText {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Fields(Output);
        impl tracing::field::Visit for Fields {
            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                use std::io::Write;
                writeln!(self.0, "{}={value}", field.name()).unwrap();
            }
            fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
        }
        event.record(&mut Fields(self.0.clone()));
    }
}
