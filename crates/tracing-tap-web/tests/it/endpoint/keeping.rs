//! `/sessions`: sessions that outlive connections, and whose they are.

use crate::fixture::{Served, Service, TOKEN};
use std::net::SocketAddr;
use std::time::Duration;
use testing::client::{Answer, Curl, get, post, request};
use testing::wait_until;
use tracing::level_filters::LevelFilter;
use tracing_tap::TapRouter;

const EVENTS: &str = "Accept: text/event-stream";

/// Opens a session and returns its path.
#[track_caller]
fn open(address: SocketAddr, body: &str) -> String {
    let answer = post(address, "/sessions", body);
    assert_eq!(answer.status, 201, "{answer:?}");
    let location = answer.header("location").expect("it says where it is").to_owned();
    assert_eq!(location, format!("/sessions/{}", answer.json()["id"].as_str().expect("an id is text")));
    location
}

fn reader(address: SocketAddr, session: &str, last: Option<&str>) -> Curl {
    let authorization = format!("Authorization: Bearer {TOKEN}");
    let last = last.map(|last| format!("Last-Event-ID: {last}"));
    let mut arguments = vec!["-H", EVENTS, "-H", &authorization];
    arguments.extend(last.iter().flat_map(|last| ["-H", last.as_str()]));
    Curl::with(address, &format!("{session}/stream"), &arguments)
}

/// The id and the name or message of the next thing on a stream of events.
fn next(curl: &mut Curl) -> Option<(String, String)> {
    let (mut id, mut name, mut data) = (String::new(), String::new(), String::new());
    loop {
        let line = curl.line()?;
        match line.split_once(": ") {
            Some(("id", text)) => id = text.rsplit_once(':').expect("an id has two parts").1.to_owned(),
            Some(("event", text)) => name = text.to_owned(),
            Some(("data", text)) => data = text.to_owned(),
            _ if line.is_empty() && !data.is_empty() => break,
            _ => assert!(line.is_empty() || line == ":" || line.starts_with("retry: "), "{line}"),
        }
    }
    let data: serde_json::Value = serde_json::from_str(&data).expect("data is JSON");
    let message = data["fields"]["message"].as_str().unwrap_or_default();
    let count = data["count"].as_u64().map(|count| format!(" {count} {}", data["reason"].as_str().expect("a reason")));
    Some((id, format!("{name}{message}{}", count.unwrap_or_default())))
}

#[track_caller]
fn check(curl: &mut Curl, expected: &[(&str, &str)]) {
    for (id, what) in expected {
        assert_eq!(next(curl), Some(((*id).to_owned(), (*what).to_owned())));
    }
}

fn id_of(session: &str) -> &str {
    session.rsplit_once('/').expect("a path has parts").1
}

#[track_caller]
fn is_read(address: SocketAddr, session: &str) -> bool {
    get(address, session).json()["is_read"].as_bool().expect("it is a boolean")
}

isolated! {
    fn a_reader_that_comes_back_continues_behind_what_it_has_seen() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let session = open(served.address, r#"{"q":"user = 42","name":"ticket 7"}"#);
        tracing::info!(user = 42, "zero");
        let mut curl = reader(served.address, &session, None);
        check(&mut curl, &[("0", "zero")]);
        tracing::info!(user = 42, "one");
        tracing::info!(user = 42, "two");
        check(&mut curl, &[("1", "one"), ("2", "two")]);
        drop(curl);
        wait_until("the reader to be gone", || !is_read(served.address, &session));
        tracing::info!(user = 42, "three");
        let last = format!("{}:0", id_of(&session));
        check(&mut reader(served.address, &session, Some(&last)), &[("1", "one"), ("2", "two"), ("3", "three")]);
        // Without the header, what was sent is not sent again.
        wait_until("the reader to be gone", || !is_read(served.address, &session));
        let mut curl = reader(served.address, &session, None);
        tracing::info!(user = 42, "four");
        check(&mut curl, &[("4", "four")]);
        served.stop();
    }

    fn what_is_no_longer_kept_is_reported_lost_with_its_count() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let session = open(served.address, r#"{"q":"user = 42","capacity":4}"#);
        let mut curl = reader(served.address, &session, None);
        for n in 0..10 {
            tracing::info!(user = 42, "{n}");
            check(&mut curl, &[(&n.to_string(), &n.to_string())]);
        }
        drop(curl);
        let last = format!("{}:1", id_of(&session));
        let kept = [("5", "missing 4 overflow"), ("6", "6"), ("7", "7"), ("8", "8"), ("9", "9")];
        check(&mut reader(served.address, &session, Some(&last)), &kept);
        // What nobody read in time is lost by the session's policy, and the numbers go on.
        wait_until("the reader to be gone", || !is_read(served.address, &session));
        (10..20).for_each(|n| tracing::info!(user = 42, "{n}"));
        let last = format!("{}:9", id_of(&session));
        let mut curl = reader(served.address, &session, Some(&last));
        check(&mut curl, &[("15", "missing 6 overflow"), ("16", "16"), ("17", "17"), ("18", "18"), ("19", "19")]);
        // A reader that has seen nothing at all says so with -1.
        let last = format!("{}:-1", id_of(&session));
        check(&mut reader(served.address, &session, Some(&last)), &[("15", "missing 16 overflow"), ("16", "16")]);
        served.stop();
    }

    fn a_returning_reader_gets_kept_back_counts_once() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let session = open(served.address, r#"{"q":"user = 42","rate":1}"#);
        let mut curl = reader(served.address, &session, None);
        (0..5).for_each(|n| tracing::info!(user = 42, "{n}"));
        check(&mut curl, &[("0", "0"), ("0.1", "missing 4 rate_limited")]);
        drop(curl);
        let last = |position| format!("{}:{position}", id_of(&session));
        check(&mut reader(served.address, &session, Some(&last("0"))), &[("0.1", "missing 4 rate_limited")]);
        request(served.address, TOKEN, "DELETE", &session, None);
        assert_eq!(get(served.address, &format!("{session}/stream")).status, 204);
        served.stop();
    }

    fn a_new_reader_supersedes_the_previous_one() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let session = open(served.address, r#"{"q":"user = 42"}"#);
        let mut first = reader(served.address, &session, None);
        tracing::info!(user = 42, "to the first");
        check(&mut first, &[("0", "to the first")]);
        let mut second = reader(served.address, &session, None);
        check(&mut first, &[("", "superseded")]);
        assert_eq!(next(&mut first), None);
        tracing::info!(user = 42, "to the second");
        check(&mut second, &[("1", "to the second")]);
        assert!(is_read(served.address, &session), "the end of the first is not that of the second");
        served.stop();
    }

    fn a_session_never_read_is_closed_after_the_grace_period() {
        let service = Service::start();
        let served = Served::start(service.endpoint().grace_period(Duration::from_millis(750)));
        let never_read = open(served.address, r#"{"q":"user = 42"}"#);
        service.wait_for_sessions(0);
        wait_until("it to be forgotten", || get(served.address, &never_read).status == 404);
        let read = open(served.address, r#"{"q":"user = 42"}"#);
        let mut curl = reader(served.address, &read, None);
        tracing::info!(user = 42, "zero");
        check(&mut curl, &[("0", "zero")]);
        wait_until("more than the grace period to pass", || service.audit("session ended").len() == 1);
        assert_eq!(get(served.address, &read).status, 200);
        drop(curl);
        service.wait_for_sessions(0);
        // A browser that comes back now gets the status that stops it.
        wait_until("it to be over", || get(served.address, &format!("{read}/stream")).status == 204);
        served.stop();
    }

    fn an_ended_session_gives_what_is_left_and_then_answers_204() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let session = open(served.address, r#"{"q":"user = 42","max":2}"#);
        (0..3).for_each(|n| tracing::info!(user = 42, "{n}"));
        service.wait_for_sessions(0);
        let mut curl = reader(served.address, &session, None);
        check(&mut curl, &[("0", "0"), ("1", "1"), ("1.1", "ended")]);
        assert_eq!(next(&mut curl), None);
        assert!(get(served.address, &session).json()["has_ended"] == true);
        let again = |position| format!("{}:{position}", id_of(&session));
        check(&mut reader(served.address, &session, Some(&again("1"))), &[("1.1", "ended")]);
        let mut curl = reader(served.address, &session, Some(&again("1.1")));
        assert_eq!(next(&mut curl), None);
        assert_eq!(get(served.address, &format!("{session}/stream")).status, 204);
        served.stop();
    }

    fn ended_sessions_that_wait_to_be_read_count_for_their_opener() {
        let service = Service::start_with(TapRouter::builder().max_sessions_per_opener(3).build());
        let served = Served::start(service.endpoint());
        let brief = r#"{"q":"user = 42","for":"1ms"}"#;
        let first = open(served.address, brief);
        (0..2).for_each(|_| drop(open(served.address, brief)));
        service.wait_for_sessions(0);
        let refused = post(served.address, "/sessions", brief);
        assert_eq!((refused.problem().as_str(), &refused.json()["limit"]), ("too-many-sessions", &3.into()));
        assert_eq!(service.router.stats().opened_sessions, 3);
        assert_eq!(request(served.address, TOKEN, "DELETE", &first, None).status, 204);
        open(served.address, brief);
        served.stop();
    }

    fn closing_a_session_ends_its_reader() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let session = open(served.address, r#"{"q":"user = 42"}"#);
        let mut curl = reader(served.address, &session, None);
        tracing::info!(user = 42, "zero");
        check(&mut curl, &[("0", "zero")]);
        assert_eq!(request(served.address, TOKEN, "DELETE", &session, None).status, 204);
        check(&mut curl, &[("0.1", "ended")]);
        assert_eq!(next(&mut curl), None);
        assert_eq!(request(served.address, TOKEN, "DELETE", &session, None).problem(), "not-found");
        served.stop();
    }

    fn sessions_are_there_for_their_opener_and_for_admins_alone() {
        let service = Service::start();
        let served = Served::start(service.endpoint_of_people());
        let ask = |who: &str, method: &str, path: &str| request(served.address, who, method, path, None);
        let answer = request(served.address, "ann", "POST", "/sessions", Some(r#"{"q":"*","name":"mine"}"#));
        let opened = answer.json();
        assert_eq!((&opened["opened_by"], &opened["confinement"]), (&"ann".into(), &"tenant = 7".into()));
        let path = answer.header("location").expect("it says where it is").to_owned();
        let count = |who: &str| ask(who, "GET", "/sessions").json()["sessions"].as_array().expect("a list").len();
        assert_eq!([count("ann"), count("ben"), count("root")], [1, 0, 1]);
        let stream = format!("{path}/stream");
        for (method, path) in [("GET", &path), ("DELETE", &path), ("GET", &stream)] {
            assert_eq!(ask("ben", method, path).problem(), "not-found");
        }
        assert_eq!(ask("ann", "GET", &path).json()["name"], "mine");
        assert_eq!(ask("root", "DELETE", &path).status, 204);
        assert_eq!(ask("ann", "GET", &path).problem(), "not-found");
        assert_eq!(ask("ann", "GET", &stream).status, 204);
        assert_eq!(ask("ben", "GET", &stream).problem(), "not-found");
        served.stop();
    }

    fn a_scope_confines_what_a_session_sees() {
        let service = Service::start();
        let served = Served::start(service.endpoint_of_people());
        let mut curl = Curl::with(served.address, "/watch?q=*", &["-H", "Authorization: Bearer ann"]);
        service.wait_for_sessions(1);
        tracing::info!(tenant = 8, "theirs");
        tracing::info!(tenant = 7, "ours");
        assert_eq!(curl.json()["fields"]["message"], "ours");
        served.stop();
    }

    fn bodies_that_ask_for_what_there_is_not_open_nothing() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let check = |body: &str, problem: &str, said: &str| {
            let answer: Answer = post(served.address, "/sessions", body);
            assert_eq!(answer.problem(), problem, "{body}");
            assert!(answer.body.contains(said), "{said} is not in {}", answer.body);
        };
        check("", "invalid-body", "EOF while parsing");
        check("[1", "invalid-body", "\"column\":");
        check("7", "invalid-body", "expected an object with a predicate's text as `q`");
        check("{}", "invalid-body", "missing field `q`");
        check(r#"{"q":"user = 42","colour":"red"}"#, "invalid-body", "unknown field `colour`");
        check(r#"{"q":"user = 42","q":"*"}"#, "invalid-body", "duplicate field `q`");
        check(r#"{"q":"user => 42"}"#, "invalid-predicate", "\"column\":6");
        check(r#"{"q":"user = 42","for":"soon"}"#, "invalid-parameter", "15m");
        check(r#"{"q":"user = 42","for":"25h"}"#, "invalid-parameter", "24 hours");
        check(r#"{"q":"user = 42","for":"-3s"}"#, "invalid-parameter", "15m");
        check(r#"{"q":"user = 42","for":900}"#, "invalid-body", "`for` is text with a unit: did you mean `\\\"900s\\\"`?");
        check(r#"{"q":"user = 42","for":"900"}"#, "invalid-parameter", "did you mean `900s`?");
        check(r#"{"q":"user = 42","for":true}"#, "invalid-body", "expected a duration as text in `for`");
        check(r#"{"q":"user = 42","max":-1}"#, "invalid-body", "invalid value");
        check(r#"{"q":"user = 42","capacity":0}"#, "invalid-parameter", "65536");
        check(r#"{"q":"user = 42","sample":0}"#, "invalid-parameter", "sample");
        check(r#"{"q":"user = 42","level":"loud"}"#, "invalid-parameter", "debug");
        check(r#"{"q":"user = 42","level":"3"}"#, "invalid-parameter", "`level` is none of `error`, `warn`, `info`, `debug` and `trace`");
        check(r#"{"q":"user = 42","spans":"loud"}"#, "invalid-parameter", "`spans` is none of `error`, `warn`, `info`, `debug` and `trace`");
        check(r#"{"q":"user = 42","spans":"off"}"#, "invalid-parameter", "spans");
        check(r#"{"q":"*","only_if":"status => 500"}"#, "invalid-predicate", "\"parameter\":\"only_if\"");
        check(r#"{"q":"*","only_if":" "}"#, "invalid-parameter", "`only_if` is empty");
        check(r#"{"q":"*","slower_than":"soon"}"#, "invalid-parameter", "`slower_than` is not a duration");
        check(r#"{"q":"*","slower_than":2}"#, "invalid-body", "`slower_than` is text with a unit: did you mean `\\\"2s\\\"`?");
        check(r#"{"q":"*","slower_than":"2h"}"#, "invalid-parameter", "max_hold_time");
        check(r#"{"q":"user = 42","follow":"me"}"#, "invalid-parameter", "named:");
        check(&format!(r#"{{"q":"*","name":"{}"}}"#, "n".repeat(300)), "invalid-parameter", "256");
        assert_eq!(service.router.stats().opened_sessions, 0);
        let opened = post(served.address, "/sessions",
            r#"{"q":"user = 42","level":"debug","for":"90s","max":3,"rate":9,"sample":2,"follow":"named:conn","spans":"TRACE","capacity":8}"#);
        let opened = opened.json();
        assert_eq!((&opened["predicate"], &opened["follow"]), (&"user = 42".into(), &"named:conn".into()));
        assert_eq!((&opened["level"], &opened["spans"]), (&"debug".into(), &"trace".into()));
        let session = &service.router.sessions()[0];
        assert_eq!((session.max_level, session.spans), (LevelFilter::DEBUG, LevelFilter::TRACE));
        let outcome = r#"{"q":"*","only_if":"status>=500","slower_than":"0s"}"#;
        let outcome = post(served.address, "/sessions", outcome).json();
        assert_eq!((&outcome["only_if"], &outcome["slower_than_ms"]), (&"status >= 500".into(), &0.0.into()));
        let plain = post(served.address, "/sessions", r#"{"q":"user = 42"}"#).json();
        assert_eq!((&plain["level"], &plain["spans"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        for followed in [r#"{"q":"user = 42","for":"900s"}"#, r#"{"q":"user = 42","for":null}"#] {
            assert_eq!(post(served.address, "/sessions", followed).status, 201, "{followed}");
        }
        served.stop();
    }
}
