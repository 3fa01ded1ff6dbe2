//! A watch that begins with the past, of a service on `axum` that keeps it.

use crate::fixture::{Served, Service, anywhere};
use crate::program::{messages, run, watch};
use testing::wait_until;
use tracing_tap::{LookBack, TapRouter};
use tracing_tap_web::{Auth, Endpoint};

fn emit(user: u64, message: &str) {
    let conn = tracing::info_span!("conn", user);
    conn.in_scope(|| tracing::debug!(channel = "orders", "{message}"));
}

fn request(number: u64, status: u64) {
    tracing::info_span!("request", number).in_scope(|| {
        tracing::debug!("accepted {number}");
        tracing::info!(status, "answered {number}");
    });
}

isolated! {
    fn a_watch_begins_with_the_past_of_closed_spans() {
        let service = Service::start_with(TapRouter::builder().look_back(LookBack::new(1 << 20)).build());
        wait_until("looking back to be switched on", || service.router.stats().look_back_bytes > 0);
        emit(42, "before");
        emit(7, "another user's");
        let served = Served::start_graceful(Endpoint::new(service.router.clone(), Auth::loopback_only()), anywhere());
        let url = format!("{}/tap", served.url());
        for (form, parts) in [
            ("json", ["{\"type\":\"horizon\",\"asked_ms\":30000,", "\"past\":true,", "\"message\":\"after\""]),
            ("compact", ["-- the past reaches back ", " DEBUG it::past conn{user=42}: before", "after"]),
            ("human", ["-- the past reaches back ", "before\n", "after\n"]),
        ] {
            let seen = if form == "json" { "2" } else { "3" };
            let program = watch(&[&url, "user = 42", "--look-back", "30s", "--max", seen, "--format", form]);
            emit(42, "after");
            let ended = program.end();
            ended.assert(0, &["delivered, 0 lost."]);
            parts.iter().for_each(|part| assert!(ended.stdout.contains(part), "{part:?} in {form}: {}", ended.stdout));
            if form == "json" {
                let lines = ended.json();
                assert_eq!(messages(&lines), ["before", "after"]);
                assert_eq!((&lines[1]["past"], &lines[2]["past"]), (&true.into(), &serde_json::Value::Null));
            }
        }
        service.wait_for_sessions(0);
        served.stop();
    }

    fn failing_requests_of_the_past_are_shown_whole() {
        let service = Service::start_with(TapRouter::builder().look_back(LookBack::new(1 << 20)).build());
        wait_until("looking back to be switched on", || service.router.stats().look_back_bytes > 0);
        request(1, 200);
        request(2, 503);
        let open = tracing::info_span!("request");
        open.in_scope(|| tracing::debug!("accepted 3"));
        let served = Served::start_graceful(Endpoint::new(service.router.clone(), Auth::loopback_only()), anywhere());
        let url = format!("{}/tap", served.url());
        let outcome = ["--follow", "root", "--only-if", "status >= 500", "--look-back", "30s", "--max", "4"];
        let program = watch(&[&[url.as_str(), "*"], &outcome[..]].concat());
        open.in_scope(|| tracing::info!(status = 500, "answered 3"));
        let ended = program.end();
        ended.assert(0, &["4 events delivered, 0 lost"]);
        let lines: Vec<_> = ended.json().into_iter().filter(|line| line["type"] == "event").collect();
        assert_eq!(messages(&lines), ["accepted 2", "answered 2", "accepted 3", "answered 3"]);
        let past: Vec<_> = lines.iter().map(|line| line["past"] == true).collect();
        assert_eq!(past, [true, true, true, false]);
        service.wait_for_sessions(0);
        served.stop();
    }

    fn a_service_that_keeps_no_past_says_how_to_keep_it() {
        let service = Service::start();
        let served = service.serve();
        let ended = run(&["watch", &served.url(), "user = 42", "--look-back", "30s"]);
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains("TapRouterBuilder::look_back"), "{}", ended.stderr);
        for wrong in ["0s", "30", "soon"] {
            assert_eq!(run(&["watch", &served.url(), "user = 42", "--look-back", wrong]).code, Some(2), "{wrong}");
        }
        served.stop();
    }
}
