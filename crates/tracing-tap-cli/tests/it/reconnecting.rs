//! Lost connections, restarted servers, and servers that do not return.

use crate::fixture::{Served, Service, TOKEN, anywhere};
use crate::program::{Program, command, json_lines, messages, wait_for_reader_at};
use crate::strangers::{OPENED, Stranger, Way, begin_stream, hang_up_on, respond, wait_for_the_other_end};
use std::time::{Duration, Instant};
use testing::wait_until;
use tracing_tap_web::{Auth, Endpoint};

/// How often a machine that is busy with other tests may be too slow.
const ATTEMPTS: usize = 3;

fn emit(message: &str) {
    tracing::info!(user = 42, "{message}");
}

fn endpoint(service: &Service) -> Endpoint {
    Endpoint::new(service.router.clone(), Auth::loopback_only())
}

isolated! {
    fn a_cut_connection_loses_nothing_and_is_reported_in_place() {
        let service = Service::start();
        let endpoint = service.serve();
        let way = Way::to(endpoint.address);
        let program = crate::program::watch(&[&way.url(), "user = 42", "--max", "300"]);
        for round in 0..3 {
            for number in 0..100 {
                emit(&format!("{round}.{number}"));
                if number == 50 {
                    program.stdout.wait_for(&format!("\"{round}.10\""));
                    way.cut();
                }
            }
            wait_until("it to be reported", || program.stdout.text().matches("\"continued\"").count() == round + 1);
        }
        let ended = program.end();
        ended.assert(0, &["connection lost, trying again for 5m", "reconnected after", "300 events delivered, 0 lost"]);
        let lines = ended.json();
        let sequences = lines.iter().filter_map(|line| line["sequence"].as_u64());
        assert!(sequences.eq(0..300), "each once, and in order");
        assert_eq!(lines.iter().filter(|line| line["type"] == "continued").count(), 3);
    }

    fn a_restarted_service_gets_a_new_session_after_a_gap() {
        let service = Service::start();
        let served = service.serve();
        let address = served.address;
        let program = crate::program::watch(&[&served.url(), "user = 42", "--max", "2", "--format", "compact"]);
        emit("before");
        program.stdout.wait_for("before");
        served.kill();
        let again = Served::start(endpoint(&service), address);
        program.stdout.wait_for("-- reconnected after ");
        assert!(program.stdout.text().contains("with a new session: events in between are unknown"));
        emit("after");
        let ended = program.end();
        ended.assert(0, &["connection lost", "2 events delivered, 0 lost"]);
        let places = ["before", "-- reconnected", "after", "-- session over: reached"].map(|part| ended.stdout.find(part));
        assert!(places.is_sorted() && places[0].is_some(), "{}", ended.stdout);
        drop(again);
    }

    fn a_restarted_service_is_watched_again() {
        let service = Service::start();
        let served = service.serve();
        let address = served.address;
        let program = crate::program::watch(&[&served.url(), "user = 42", "--max", "2"]);
        emit("before");
        program.stdout.wait_for("before");
        served.stop();
        let again = Served::start(endpoint(&service), address);
        program.stdout.wait_for("\"gap\"");
        emit("after");
        let ended = program.end();
        ended.assert(0, &["connection lost", "the service is shutting down", "2 events delivered, 0 lost"]);
        let types: Vec<_> = ended.json().iter().map(|line| line["type"].clone()).collect();
        assert_eq!(types, ["event", "gap", "event", "ended"], "the end of the service is not that of the reading");
        drop(again);
    }

    fn a_service_that_is_back_is_watched_again_within_a_second() {
        let service = Service::start();
        let served = service.serve();
        let address = served.address;
        let program = crate::program::watch(&[&served.url(), "user = 42"]);
        let mut served = Some(served);
        let mut restarts = 0;
        // After so many tries as the second has, waits that only grow would be longer than a second.
        for tries in [1, 7] {
            let is_soon = (0..ATTEMPTS).any(|attempt| {
                let end = if attempt % 2 == 0 { Served::kill } else { Served::stop };
                served.take().into_iter().for_each(end);
                hang_up_on(address, tries);
                served = Some(Served::start(endpoint(&service), address));
                let back = Instant::now();
                restarts += 1;
                wait_until("the gap to be reported", || program.stdout.text().matches("\"gap\"").count() == restarts);
                back.elapsed() < Duration::from_secs(1)
            });
            assert!(is_soon, "more than a second after {tries} tries");
        }
        program.signal("INT");
        program.end();
    }

    fn a_graceful_shutdown_waits_for_no_watch_which_then_resumes() {
        let service = Service::start();
        let first = Served::start_graceful(endpoint(&service), anywhere());
        let (address, url) = (first.address, format!("{}/tap", first.url()));
        let program = crate::program::watch(&[&url, "user = 42", "--max", "1"]);
        let mut served = Some(first);
        let is_soon = (1..=ATTEMPTS).any(|attempt| {
            wait_for_reader_at(&url);
            let begun = Instant::now();
            served.take().into_iter().for_each(Served::stop);
            let took = begun.elapsed();
            served = Some(Served::start_graceful(endpoint(&service), address));
            wait_until("the gap to be reported", || program.stdout.text().matches("\"gap\"").count() == attempt);
            took < Duration::from_secs(1)
        });
        assert!(is_soon);
        emit("after");
        program.end().assert(0, &["the service is shutting down", "1 event delivered, 0 lost"]);
    }

    fn what_is_no_longer_allowed_after_a_cut_is_refused() {
        let service = Service::start();
        let served = service.serve_with_token();
        let address = served.address;
        let mut watch = command(&["watch", "user = 42"]);
        let program = Program::start(watch.env("TRACING_TAP_TOKEN", TOKEN).env("TRACING_TAP_URL", served.url()));
        program.stderr.wait_for("Watching ");
        served.kill();
        let auth = Auth::token("another-token-than-before").expect("it is long enough");
        let _served = Served::start(Endpoint::new(service.router.clone(), auth), address);
        program.end().assert(3, &["(not-authenticated, 401)"]);
    }
}

#[test]
fn a_lost_server_is_given_up_after_the_given_time() {
    let stranger = Stranger::start(|head, stream| match head.split(' ').next() {
        Some("POST") => respond(stream, "201 Created", "application/json", OPENED),
        _ => {
            begin_stream(stream);
            let _ = std::io::Write::write_all(
                stream,
                b"event: missing\ndata: {\"type\":\"missing\",\"count\":3,\"reason\":\"overflow\"}\n\n",
            );
        }
    });
    let way = Way::to(stranger.address);
    let program = crate::program::watch(&[&way.url(), "*", "--reconnect-for", "0s"]);
    let ended = program.end();
    ended.assert(1, &["failed to resume the session: the connection was lost", "no attempt within 0s succeeded"]);
    assert_eq!(json_lines(&ended.stdout).len(), 1);
}

#[test]
fn it_is_tried_again_for_as_long_as_was_said() {
    let stranger = Stranger::start(|head, stream| match head.split(' ').next() {
        Some("POST") => respond(stream, "201 Created", "application/json", OPENED),
        Some("GET") => respond(stream, "502 Bad Gateway", "text/html", "<h1>not now</h1>"),
        _ => respond(stream, "204 No Content", "text/plain", ""),
    });
    let program = crate::program::watch(&[&stranger.url(), "*", "--reconnect-for", "1100ms"]);
    let ended = program.end();
    ended.assert(
        1,
        &[
            "trying again for 1.1s: failed to read the session",
            "the answer is 502 Bad Gateway, and not from a tracing-tap endpoint",
        ],
    );
    let tries = stranger.requests().iter().filter(|head| head.contains("/stream ")).count();
    assert!((3..30).contains(&tries), "tried {tries} times");
}

#[test]
fn a_session_that_was_gone_when_its_time_was_over_leaves_a_gap() {
    let stranger = Stranger::start(|head, stream| match head.split(' ').next() {
        Some("POST") => {
            let short = OPENED.replace("2026-11-20T09:15:02", "2026-11-20T08:15:03");
            respond(stream, "201 Created", "application/json", &short);
        }
        Some("GET") if !head.to_lowercase().contains("last-event-id: a:0") => {
            begin_stream(stream);
            let sent = b"event: missing\nid: a:0\ndata: {\"type\":\"missing\",\"count\":3,\"reason\":\"overflow\"}\n\n";
            let _ = std::io::Write::write_all(stream, sent);
        }
        _ => respond(stream, "404 Not Found", "application/problem+json", "{}"),
    });
    let ended = crate::program::watch(&[&stranger.url(), "*"]).end();
    let types: Vec<_> = ended.json().iter().map(|line| line["type"].clone()).collect();
    assert_eq!(types, ["missing", "gap"], "{ended:?}");
}

#[test]
fn a_server_that_sends_a_heartbeat_and_hangs_up_is_given_up_too() {
    let stranger = Stranger::start(|head, stream| match head.split(' ').next() {
        Some("POST") => respond(stream, "201 Created", "application/json", OPENED),
        Some("GET") => {
            begin_stream(stream);
            let _ = std::io::Write::write_all(stream, b":\n\n");
        }
        _ => respond(stream, "204 No Content", "text/plain", ""),
    });
    let ended = crate::program::watch(&[&stranger.url(), "*", "--reconnect-for", "1100ms"]).end();
    ended.assert(1, &["no attempt within 1.1s succeeded"]);
}

#[test]
fn servers_without_shared_sessions_cause_no_endless_loop() {
    let stranger = Stranger::start(|head, stream| match head.split(' ').next() {
        Some("POST") => respond(stream, "201 Created", "application/json", OPENED),
        Some("GET") => respond(stream, "404 Not Found", "application/problem+json", "{}"),
        _ => respond(stream, "204 No Content", "text/plain", ""),
    });
    let program = crate::program::watch(&[&stranger.url(), "*", "--reconnect-for", "1s"]);
    program.end().assert(1, &["it was gone right after it was opened"]);
    assert!(stranger.requests().len() < 30);
}

#[test]
fn where_it_was_is_said_when_it_comes_back() {
    let stranger = Stranger::start(|head, stream| {
        if head.starts_with("POST ") {
            return respond(stream, "201 Created", "application/json", OPENED);
        }
        if !head.contains("/stream ") {
            return respond(stream, "204 No Content", "text/plain", "");
        }
        begin_stream(stream);
        let sent: &[u8] = if head.to_lowercase().contains("last-event-id: here:17.2") {
            b"event: ended\ndata: {\"type\":\"ended\",\"reason\":\"closed\"}\n\n"
        } else {
            // The second is cut off, and to be sent again.
            b"event: missing\nid: here:17.2\ndata: {\"type\":\"missing\",\"count\":3,\"reason\":\"overflow\"}\n\nid: here:18\ndata: {"
        };
        let _ = std::io::Write::write_all(stream, sent);
    });
    let program = crate::program::watch(&[&stranger.url(), "*"]);
    let ended = program.end();
    ended.assert(0, &["Session over: closed. 0 events delivered, 3 lost."]);
    let types: Vec<_> = ended.json().iter().map(|line| line["type"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(types, ["missing", "continued", "ended"]);
    assert_eq!(messages(&ended.json()), [""; 0]);
}

#[test]
fn what_a_connection_lost_at_once_is_requested_again() {
    let first = "last-event-id: 8c6f0b7be2c34b6fa1c5cf5f7ad1f0f1:-1";
    let stranger = Stranger::start(move |head, stream| {
        if head.starts_with("POST ") {
            return respond(stream, "201 Created", "application/json", OPENED);
        }
        if !head.contains("/stream ") {
            return respond(stream, "204 No Content", "text/plain", "");
        }
        if !head.to_lowercase().contains(first) {
            return respond(stream, "400 Bad Request", "text/plain", "");
        }
        begin_stream(stream);
        static TRIES: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        if TRIES.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0 {
            let ended = b"event: ended\ndata: {\"type\":\"ended\",\"reason\":\"closed\"}\n\n";
            let _ = std::io::Write::write_all(stream, ended);
        }
    });
    crate::program::watch(&[&stranger.url(), "*"]).end().assert(0, &["reconnected", "Session over: closed."]);
}

#[test]
fn a_reader_that_was_superseded_says_so() {
    let stranger = Stranger::streaming("event: superseded\ndata: {\"type\":\"superseded\"}\n\n");
    let program = crate::program::watch(&[&stranger.url(), "*"]);
    program.end().assert(1, &["failed to read the session: another client has taken it over"]);
}

#[test]
fn unknown_events_are_ignored() {
    let sent =
        "event: weather\ndata: {}\nretry: 5\n\nevent: ended\ndata: {\"type\":\"ended\",\"reason\":\"closed\"}\n\n";
    let stranger = Stranger::start(move |head, stream| match head.split(' ').next() {
        Some("POST") => respond(stream, "201 Created", "application/json", OPENED),
        Some("GET") => {
            begin_stream(stream);
            let _ = std::io::Write::write_all(stream, sent.as_bytes());
            wait_for_the_other_end(stream);
        }
        _ => respond(stream, "204 No Content", "text/plain", ""),
    });
    let ended = crate::program::watch(&[&stranger.url(), "*"]).end();
    assert_eq!((ended.code, ended.json().len()), (Some(0), 1));
}
