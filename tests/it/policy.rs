//! What a service lets others watch: denied targets, redacted fields, scopes, caps.

use std::sync::{Arc, Barrier};
use testing::{Output, events, info_printer, messages};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::coverage::{Finding, Note};
use tracing_tap::{EventStream, Predicate, SessionOptions, TapRouter, TapRouterBuilder, WatchError};

fn install(builder: TapRouterBuilder) -> TapRouter {
    let router = builder.build();
    tracing_subscriber::registry().with(router.layer()).init();
    router
}

fn user(number: u64) -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", number))
}

/// A session for which no field has to equal anything.
fn unindexed() -> SessionOptions {
    SessionOptions::new(Predicate::starts_with("path", "/"))
}

/// Refused, with these words; nothing else has changed, and the session that was there goes on.
#[track_caller]
fn check_refused(router: &TapRouter, session: SessionOptions, other: &mut EventStream, words: &str) -> WatchError {
    let before: Vec<_> = router.sessions().iter().map(|session| session.id).collect();
    let stats = router.stats();
    let error = router.try_watch(session).expect_err("it is refused");
    assert_eq!(error.to_string(), words);
    assert!(
        !error.is_hold_too_long() && !error.is_too_costly() && !error.is_without_past(),
        "it is for another reason"
    );
    assert_eq!(router.sessions().iter().map(|session| session.id).collect::<Vec<_>>(), before);
    assert_eq!(router.stats().opened_sessions, stats.opened_sessions);
    assert_eq!(router.stats().refused, stats.refused + 1);
    tracing::debug!(user = 1, "goes on");
    assert_eq!(messages(other), ["goes on"]);
    error
}

/// A denied span is in no scope, and its fields match nobody.
#[track_caller]
fn check_denied_spans(router: &TapRouter) {
    let before = tracing::info_span!(target: "secret::vault", "opened_before", user = 42);
    let mut hers = router.watch(Predicate::eq("user", 42));
    let mut named = router.watch(Predicate::span("opened_before") | Predicate::span("opened_after"));
    let mut all = router.watch(Predicate::everything());
    let after = tracing::info_span!(target: "secret", "opened_after", user = 42);
    let bare = tracing::info_span!(target: "secret", "without_fields");
    for span in [&before, &after, &bare] {
        span.in_scope(|| {
            tracing::info!(target: "service", "inside");
            tracing::info!(target: "secret::vault", user = 42, "denied");
            tracing::info_span!("request").in_scope(|| tracing::info!("deeper"));
        });
        span.record("user", 42);
    }
    tracing::info!(target: "secretary", user = 42, "not below the prefix");
    assert_eq!(messages(&mut hers), ["not below the prefix"]);
    assert!(messages(&mut named).is_empty());
    let seen = events(&mut all);
    let shown: Vec<_> =
        seen.iter().map(|event| (event.message(), event.spans().map(|span| span.name()).collect::<Vec<_>>())).collect();
    let (inside, deeper) = (("inside", vec![]), ("deeper", vec!["request"]));
    let both = [inside, deeper];
    assert_eq!(shown, [&both[..], &both, &both, &[("not below the prefix", vec![])]].concat());
}

isolated! {
    fn a_denied_targets_event_matches_nobody_by_its_own_field() {
        let router = TapRouter::builder().deny_targets(["secret"]).build();
        let output = testing::Output::default();
        tracing_subscriber::registry().with(testing::info_printer(&output)).with(router.layer()).init();
        let mut indexed = router.watch(user(42));
        let mut linear = router.watch(Predicate::ge("user", 42));
        tracing::info!(target: "secret::vault", user = 42, "denied");
        tracing::info_span!("request").in_scope(|| tracing::info!(target: "secret", user = 42, "denied"));
        tracing::info_span!("request", user = 42).in_scope(|| tracing::info!(target: "secret", user = 42, "denied"));
        assert_eq!(output.lines().len(), 3, "the other layer wants them");
        assert!(messages(&mut indexed).is_empty() && messages(&mut linear).is_empty());
        tracing::info!(user = 42, "not denied");
        assert_eq!((messages(&mut indexed), messages(&mut linear)), (vec!["not denied".into()], vec!["not denied".into()]));
    }

    fn a_denied_span_is_in_no_scope_and_its_fields_match_nobody() {
        check_denied_spans(&install(TapRouter::builder().deny_targets(["secret"])));
    }

    fn a_denied_span_that_another_layer_wants_is_in_no_scope_either() {
        let router = TapRouter::builder().deny_targets(["secret"]).build();
        tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
        check_denied_spans(&router);
    }

    fn a_redacted_field_can_be_tested_by_nobody() {
        let router = install(TapRouter::builder().redact_fields(["password"]));
        let mut other = router.watch(user(1));
        let words = "the session was not opened: the field `password` is redacted and cannot be tested";
        let tests = || Predicate::eq("user", 1) & !Predicate::exists(["secret", "password"]);
        let error = check_refused(&router, SessionOptions::new(tests()), &mut other, words);
        assert!(error.is_redacted_field() && !error.is_too_many_sessions());
        assert_eq!((error.field(), error.limit(), error.limit_name(), error.holders()), (Some("password"), None, None, &[][..]));
        check_refused(&router, user(1).confined_to(tests()), &mut other, words);
        assert_eq!(router.stats().refused_by.redacted_field, 2);

        let found = Finding::RedactedField { field: "password".to_owned() };
        for session in [SessionOptions::new(tests()), user(1).confined_to(tests())] {
            let stream = router.watch(session);
            assert!(stream.coverage().findings().contains(&found), "{}", stream.coverage());
        }
    }

    fn what_a_redacted_field_held_is_nowhere_in_what_a_session_gets() {
        let router = install(TapRouter::builder().redact_fields(["password"]));
        let mut stream = router.watch(Predicate::everything());
        let span = tracing::info_span!("login", password = "hunter1");
        span.record("password", "hunter2");
        span.in_scope(|| tracing::info!(password = ?"hunter3", "tried"));
        let event = events(&mut stream).pop().unwrap();
        let text = format!("{event} {}", serde_json::to_string(&*event).unwrap());
        assert!(!text.contains("hunter") && text.matches("<redacted>").count() == 5, "{text}");
    }

    fn a_confinement_holds_for_any_predicate_and_is_shown_apart() {
        let router = install(TapRouter::builder());
        let tenant = |number: u64| Predicate::eq("tenant", number);
        let mut sessions: Vec<_> = [Predicate::everything(), !tenant(7), Predicate::eq("user", 1) | Predicate::everything()]
            .map(|predicate| router.try_watch(SessionOptions::new(predicate).confined_to(tenant(7))).unwrap())
            .into();
        let mut nothing = router.watch(SessionOptions::new(tenant(7)).confined_to(tenant(7)).confined_to(tenant(8)));
        tracing::info_span!("theirs", tenant = 8).in_scope(|| tracing::info!(user = 1, "theirs"));
        tracing::info_span!("ours", tenant = 7).in_scope(|| tracing::debug!(user = 1, "ours"));
        tracing::info!(user = 1, "nobody's");
        let seen: Vec<_> = sessions.iter_mut().map(messages).collect();
        assert_eq!(seen, [&["ours"][..], &[], &["ours"]]);
        assert!(messages(&mut nothing).is_empty());

        let listed = router.sessions();
        assert_eq!((&listed[1].predicate, &listed[1].confinement), (&!tenant(7), &Some(tenant(7))));
        assert_eq!(listed[3].confinement, Some(tenant(7) & tenant(8)));
    }

    /// As it says of itself: nothing is known of a span that was not tracked when it was created.
    fn a_confinement_holds_for_unknown_spans_if_it_is_positive() {
        let router = TapRouter::new();
        // Another layer wants DEBUG spans; the router does not, while no session is open.
        let debug = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::DEBUG);
        tracing_subscriber::registry().with(debug).with(router.layer()).init();
        let theirs = tracing::debug_span!("job", tenant = 8);
        let watch = |scope| router.watch(SessionOptions::new(Predicate::everything()).confined_to(scope));
        let (mut only_7, mut all_but_8) = (watch(Predicate::eq("tenant", 7)), watch(Predicate::ne("tenant", 8)));
        theirs.in_scope(|| tracing::info!("theirs"));
        assert_eq!(messages(&mut only_7), [""; 0]);
        assert_eq!(messages(&mut all_but_8), ["theirs"]);
        tracing::debug_span!("job", tenant = 8).in_scope(|| tracing::info!("theirs, later"));
        assert_eq!(messages(&mut all_but_8), [""; 0]);
    }

    fn coverage_of_a_stream_takes_the_scope_into_account() {
        let router = install(TapRouter::builder().deny_targets(["secret"]));
        let stream = router.watch(SessionOptions::new(Predicate::everything()).confined_to(Predicate::eq("tennant", 7)));
        let _declares = tracing::info_span!("conn", tenant = 7);
        let near = Finding::MisspeltField { field: "tennant".to_owned(), near: "tenant".to_owned() };
        assert!(stream.coverage().findings().contains(&near), "{}", stream.coverage());
        let denied = router.watch(user(1).confined_to(Predicate::target("secret")));
        let found = Finding::DeniedTarget { target: "secret".to_owned() };
        assert!(denied.coverage().findings().contains(&found), "{}", denied.coverage());
    }

    fn coverage_names_no_target_outside_of_the_confinement() {
        let router = install(TapRouter::builder());
        let _stream = router.watch(user(42));
        tracing::debug_span!(target: "theirs", "request", user = 42).in_scope(|| {
            tracing::info!(target: "theirs", "inside");
            tracing::info!(target: "ours", "inside");
        });
        let is_named = |target: &str| {
            let coverage = router.coverage_of(&user(42).confined_to(Predicate::target(target)));
            coverage.findings().iter().any(|found| matches!(found, Finding::SpanNotEnabled { .. }))
        };
        assert_eq!(["theirs", "ours"].map(is_named), [true, false]);
    }

    fn coverage_suggests_no_name_from_outside_of_the_confinement() {
        let router = install(TapRouter::builder());
        let _stream = router.watch(Predicate::everything());
        tracing::info_span!(target: "theirs", "request", tenant = 1).in_scope(|| {
            tracing::info!(name: "login", target: "theirs", "logged in");
        });
        tracing::info!(target: "ours", "started");
        for (predicate, near) in [("tennant = 1", "tenant"), ("@span = requst", "request"), ("@name = logim", "login")] {
            let session = SessionOptions::new(predicate.parse::<Predicate>().unwrap());
            let coverage = |target| router.coverage_of(&session.clone().confined_to(Predicate::target(target)));
            let is_suggested = |target| coverage(target).to_string().contains(&format!("`{near}`"));
            assert_eq!(["theirs", "ours"].map(is_suggested), [true, false], "{predicate}");
            let own = |note: &Note| matches!(note, Note::Callsites { seen: 1, .. });
            assert!(coverage("ours").notes().iter().any(own), "{}", coverage("ours"));
        }
    }

    fn a_session_too_many_is_refused_with_who_holds_how_many() {
        let router = install(TapRouter::builder().max_sessions(6));
        let mut other = router.watch(user(1));
        let open = |opener: &str| router.try_watch(user(2).opened_by(opener)).unwrap();
        let mut held = vec![open("ben"), open("ann"), open("ann"), open("ben"), open("ann")];
        let words = "the session was not opened: 6 are open, which is the limit `max_sessions`; `ann` holds 3, `ben` 2, 1 without a name";
        let error = check_refused(&router, user(3).opened_by("eve"), &mut other, words);
        assert!(error.is_too_many_sessions() && !error.is_too_many_of_opener() && !error.is_too_many_unindexed());
        assert_eq!((error.limit_name(), error.limit(), error.open_sessions()), (Some("max_sessions"), Some(6), Some(6)));
        let holders: Vec<_> = error.holders().iter().map(|holder| (holder.opener.as_deref(), holder.sessions)).collect();
        assert_eq!(holders, [(Some("ann"), 3), (Some("ben"), 2), (None, 1)]);
        assert_eq!(router.stats().refused_by.max_sessions, 1);

        held.pop();
        assert!(router.try_watch(user(3)).is_ok(), "a place that was given back");
    }

    fn the_applications_own_sessions_are_never_refused_and_count() {
        let router = install(TapRouter::builder().max_sessions(1).max_sessions_per_opener(1).max_unindexed_sessions(1));
        let mut other = router.watch(user(1).opened_by("ann"));
        let _more = [router.watch(unindexed().opened_by("ben")), router.watch(unindexed().opened_by("ben"))];
        let words = "the session was not opened: 3 are open, past the limit `max_sessions` of 1; `ben` holds 2, `ann` 1";
        check_refused(&router, user(1), &mut other, words);
    }

    fn one_opener_has_a_share_and_nameless_ones_share_one() {
        let router = install(TapRouter::builder().max_sessions_per_opener(2));
        let mut other = router.watch(user(1).opened_by("eve"));
        let open = |opener: Option<&str>| {
            let session = user(2);
            router.try_watch(match opener { Some(opener) => session.opened_by(opener), None => session })
        };
        let _held: Vec<_> = [Some("ann"), Some("ann"), None, None].map(|opener| open(opener).unwrap()).into();
        let words = "the session was not opened: 2 of `ann` are open, which is the limit `max_sessions_per_opener`";
        let error = check_refused(&router, user(1).opened_by("ann"), &mut other, words);
        assert!(error.is_too_many_of_opener() && !error.is_too_many_sessions());
        assert_eq!((error.limit_name(), error.limit()), (Some("max_sessions_per_opener"), Some(2)));
        let words = "the session was not opened: 2 without a name are open, which is the limit `max_sessions_per_opener`";
        check_refused(&router, user(1), &mut other, words);
        assert_eq!(router.stats().refused_by.max_sessions_per_opener, 2);
        assert!(open(Some("ben")).is_ok(), "another's share is theirs");
    }

    fn an_empty_name_is_none() {
        let router = install(TapRouter::builder().max_sessions_per_opener(1));
        let mut other = router.try_watch(user(1)).expect("there is room for one");
        let words = "the session was not opened: 1 without a name are open, which is the limit `max_sessions_per_opener`";
        check_refused(&router, user(2).opened_by(""), &mut other, words);
    }

    fn by_default_eight_sessions_an_opener_and_sixteen_unindexed() {
        let router = TapRouter::new();
        let open = |n: usize| router.try_watch(user(1).opened_by(format!("{n}"))).unwrap();
        let _nine: Vec<_> = (0..8).map(|_| open(1)).chain([open(2)]).collect();
        assert_eq!(router.try_watch(user(1).opened_by("1")).unwrap_err().limit(), Some(8));
        let open = |n: usize| router.try_watch(unindexed().opened_by(format!("opener {}", n / 4)));
        let _sixteen: Vec<_> = (0..16).map(|n| open(n).unwrap()).collect();
        assert_eq!(open(16).unwrap_err().limit(), Some(16));
    }

    fn few_sessions_may_be_tested_against_every_event() {
        let router = install(TapRouter::builder().max_unindexed_sessions(2));
        let mut other = router.watch(user(1));
        let open = || router.try_watch(unindexed().opened_by("ann"));
        let _held = [open().unwrap(), open().unwrap()];
        let words = "the session was not opened: 2 that require no field to equal a value are open, which is the limit \
                     `max_unindexed_sessions`; `ann` holds 2";
        let error = check_refused(&router, SessionOptions::new(Predicate::everything()), &mut other, words);
        assert!(error.is_too_many_unindexed());
        assert_eq!((error.limit_name(), error.limit(), error.holders().len()), (Some("max_unindexed_sessions"), Some(2), 1));
        assert_eq!(router.stats().refused_by.max_unindexed_sessions, 1);
        assert!(router.try_watch(user(1)).is_ok() && router.try_watch(unindexed().confined_to(Predicate::eq("tenant", 7))).is_ok());
    }

    fn the_names_of_openers_are_escaped_cut_and_few() {
        let router = install(TapRouter::builder().max_sessions(9).max_sessions_per_opener(3));
        let mut other = router.watch(user(1));
        let open = |opener: &str| router.try_watch(user(2).opened_by(opener)).unwrap();
        let hostile = "e\u{1B}[2J\u{202E}\n";
        let long = "x".repeat(10_000);
        let _held = [open(hostile), open(hostile), open(hostile), open(&long), open(&long), open("c"), open("d"), open("e")];
        let words = format!(
            "the session was not opened: 9 are open, which is the limit `max_sessions`; `e\\x1B[2J\\u202E\\n` holds 3, `{}…[cut]` 2, \
             1 without a name, `c` 1, 2 of others", &long[..64]);
        let error = check_refused(&router, user(1).opened_by("eve"), &mut other, &words);
        assert_eq!(error.holders()[0].opener.as_deref(), Some(hostile), "endpoints escape in their own way");
        let words = "the session was not opened: 3 of `e\\x1B[2J\\u202E\\n` are open, which is the limit `max_sessions_per_opener`";
        check_refused(&router, user(1).opened_by(hostile), &mut other, words);
    }

    fn those_who_open_at_once_never_exceed_a_cap() {
        const LIMIT: usize = 3;
        const THREADS: usize = 8;
        let router = TapRouter::builder().max_sessions(LIMIT).max_unindexed_sessions(LIMIT).max_sessions_per_opener(LIMIT).build();
        for round in 0..50 {
            let barrier = Arc::new(Barrier::new(THREADS));
            let threads: Vec<_> = (0..THREADS).map(|thread| {
                let (router, barrier) = (router.clone(), Arc::clone(&barrier));
                std::thread::spawn(move || {
                    barrier.wait();
                    // Each cap in its turn is the one that is reached.
                    let opener = if round % 2 == 0 { "one".to_owned() } else { thread.to_string() };
                    let session = if round % 3 == 0 { unindexed() } else { user(1) };
                    router.try_watch(session.opened_by(opener))
                })
            }).collect();
            let opened: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), LIMIT, "round {round}");
            assert_eq!(router.sessions().len(), LIMIT);
        }
    }
}
