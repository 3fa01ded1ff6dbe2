//! Requests that are refused: what is said, and that nothing else changes.

use crate::fixture::{Served, Service, TOKEN};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;
use testing::client::{Answer, Curl, connect, exchange, get, post, read_answer, request};
use testing::wait_until;
use tracing_tap::endpoint::{Opening, SessionSource};
use tracing_tap::{SessionOptions, TapRouter};
use tracing_tap_web::{Auth, Endpoint};

/// A source that opens nothing.
#[derive(Debug)]
struct Away;

impl SessionSource for Away {
    fn open(&self, _: SessionOptions) -> Opening<'_> {
        Box::pin(async { Err("the session was not opened: the broker is away".into()) })
    }
}

/// A request with the token of the tests and these headers.
fn with_headers(address: SocketAddr, line: &str, headers: &[&str]) -> Answer {
    let host = if headers.iter().any(|header| header.starts_with("host:")) {
        String::new()
    } else {
        format!("host: {address}\r\n")
    };
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("{line} HTTP/1.1\r\n{host}authorization: Bearer {TOKEN}\r\n{headers}connection: close\r\n\r\n");
    exchange(address, &head)
}

/// Has another client watch meanwhile, and checks that nothing became of it but refusals.
fn unmoved(service: &Service, served: &Served, hostile: impl FnOnce(SocketAddr)) {
    let mut other = Curl::get(served.address, "/watch?q=user%3D42&format=json");
    service.wait_for_sessions(1);
    let opened = service.router.stats().opened_sessions;
    hostile(served.address);
    tracing::info!(user = 42, "still here");
    assert_eq!(other.json()["fields"]["message"], "still here");
    assert_eq!(service.router.stats().opened_sessions, opened);
    drop(other);
    service.wait_for_sessions(0);
}

isolated! {
    fn an_unknown_repeated_or_wrong_query_is_refused_by_name() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        unmoved(&service, &served, |address| {
            let check = |query: &str, problem: &str, said: &str| {
                let answer = get(address, &format!("/watch?{query}"));
                assert_eq!((answer.status, answer.problem().as_str()), (400, problem), "{query}");
                assert!(answer.body.contains(said), "{said} is not in {}", answer.body);
            };
            check("", "invalid-parameter", "or `*` for everything");
            check("q=%20", "invalid-parameter", "or `*` for everything");
            check("q=*&colour=red", "unknown-parameter", "`q`, `level`, `for`");
            check("q=*&%1b%5b2J=red", "unknown-parameter", r"\\x1B[2J");
            let answer = get(address, "/stats?q=*");
            assert!(answer.problem() == "unknown-parameter" && answer.body.contains("takes no query"), "{answer:?}");
            check("q=*&q=*", "repeated-parameter", "`q`");
            check("q=%ff", "bad-request", "UTF-8");
            check("q=user+%3D%3E+42", "invalid-predicate", "\"column\":6");
            check("q=*&max=many", "invalid-parameter", "`max`");
            check("q=*&format=xml", "invalid-parameter", "`compact`");
            check("q=*&coverage=yes", "invalid-parameter", "`coverage`");
            check(&format!("q={}user%3D42{}", "(".repeat(900), ")".repeat(900)), "invalid-predicate", "deep");
            check("q=path~%22(a%7B1,1000%7D)%7B1,1000%7D%22", "invalid-predicate", "costs too much");
            check("q=path~%22(%22", "invalid-predicate", "regular expression");
        });
        served.stop();
    }

    fn sizes_are_bounded() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        unmoved(&service, &served, |address| {
            let answer = get(address, &format!("/watch?q={}", "a".repeat(9_000)));
            assert_eq!((answer.status, answer.problem().as_str()), (414, "query-too-long"));
            assert_eq!(answer.json()["limit"], 8192);
            let answer = with_headers(address, "GET /sessions", &[&format!("x-filler: {}", "a".repeat(17_000))]);
            assert_eq!((answer.status, answer.problem().as_str()), (431, "headers-too-large"));
            let answer = with_headers(address, "GET /sessions", &[&format!("x-filler: {}", "a".repeat(100_000))]);
            assert_eq!(answer.status, 431, "hyper itself stops there: {answer:?}");
            let answer = post(address, "/parse", &format!(r#"{{"q":"{}"}}"#, "a".repeat(17_000)));
            assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
        });
        served.stop();
    }

    fn slow_heads_and_bodies_are_given_up_on() {
        let service = Service::start();
        let served = Served::start(service.endpoint().request_timeout(Duration::from_millis(200)));
        unmoved(&service, &served, |address| {
            let mut head = connect(address);
            head.write_all(b"GET /watch?q=* HTTP/1.1\r\nhost: slow").expect("the endpoint takes it");
            assert_eq!(head.read(&mut [0; 512]).unwrap_or(0), 0, "the connection is closed");
            let mut body = connect(address);
            let head = format!("POST /parse HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\
                content-type: application/json\r\ncontent-length: 20\r\nconnection: close\r\n\r\n{{\"q\":");
            body.write_all(head.as_bytes()).expect("the endpoint takes it");
            let answer = read_answer(body);
            assert_eq!((answer.status, answer.problem().as_str()), (408, "body-timeout"));
        });
        served.stop();
    }

    fn wrong_tokens_are_refused_however_similar() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        unmoved(&service, &served, |address| {
            let longer = format!("{TOKEN}x");
            for token in ["", "x", &TOKEN[..15], &longer, &TOKEN.to_lowercase(), &"x".repeat(4096)] {
                let answer = request(address, token, "GET", "/sessions", None);
                assert_eq!((answer.status, answer.problem().as_str()), (401, "not-authenticated"));
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
                assert!(!answer.body.contains(TOKEN));
            }
            let twice = with_headers(address, "GET /sessions", &[&format!("authorization: Bearer {TOKEN}")]);
            assert_eq!(twice.problem(), "not-authenticated");
            let basic = exchange(address, &format!("GET /sessions HTTP/1.1\r\nhost: a\r\nauthorization: Basic {TOKEN}\r\nconnection: close\r\n\r\n"));
            assert_eq!(basic.problem(), "not-authenticated");
        });
        served.stop();
    }

    fn requests_of_other_sites_are_refused() {
        let service = Service::start();
        let served = Served::start(service.endpoint().allow_origin("https://ops.example"));
        unmoved(&service, &served, |address| {
            let own = format!("origin: http://{address}");
            let refused = [
                &["sec-fetch-site: cross-site"][..],
                &["sec-fetch-site: same-site"],
                &["sec-fetch-site: same-origin", "sec-fetch-site: cross-site"],
                &["origin: http://evil.example"],
                &["origin: null"],
                &[&own, "origin: http://evil.example"],
                &["origin: https://ops.example", "origin: http://evil.example"],
                &["origin: https://ops.example.evil"],
            ];
            for headers in refused {
                let answer = with_headers(address, "GET /watch?q=*", headers);
                assert_eq!((answer.status, answer.problem().as_str()), (403, "cross-site"), "{headers:?}");
                assert!(answer.header("access-control-allow-origin").is_none());
            }
            let accepted = [
                &["sec-fetch-site: same-origin"][..],
                &["sec-fetch-site: none"],
                &[&own, "sec-fetch-site: same-origin"],
                &["origin: https://ops.example", "sec-fetch-site: cross-site"],
            ];
            for headers in accepted {
                assert_eq!(with_headers(address, "GET /sessions", headers).status, 200, "{headers:?}");
            }
        });
        served.stop();
    }

    fn bodies_that_do_not_say_that_they_are_json_are_refused() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        unmoved(&service, &served, |address| {
            for content_type in ["", "content-type: text/plain\r\n", "content-type: application/x-www-form-urlencoded\r\n"] {
                let head = format!("POST /sessions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n{content_type}");
                let answer = exchange(address, &format!("{head}content-length: 9\r\nconnection: close\r\n\r\n{{\"q\":\"*\"}}"));
                assert_eq!((answer.status, answer.problem().as_str()), (415, "unsupported-media-type"));
            }
        });
        served.stop();
    }

    fn what_is_not_there_is_said_to_be_so() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        unmoved(&service, &served, |address| {
            assert_eq!(get(address, "/other").problem(), "not-found");
            assert_eq!(get(address, "/sessions/1").problem(), "not-found");
            assert_eq!(get(address, &format!("/sessions/{}", "0".repeat(32))).problem(), "not-found");
            let answer = request(address, TOKEN, "PUT", "/sessions", None);
            assert_eq!((answer.status, answer.problem().as_str()), (405, "method-not-allowed"));
            assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")), "{answer:?}");
            let answer = with_headers(address, "GET /watch?q=*", &["accept: image/png"]);
            assert_eq!((answer.status, answer.problem().as_str()), (406, "not-acceptable"));
            let answer = with_headers(address, "GET /watch?q=*", &["last-event-id: 17"]);
            assert_eq!(answer.problem(), "bad-request");
        });
        served.stop();
    }

    fn a_path_that_is_no_text_is_refused_with_a_document() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        unmoved(&service, &served, |address| {
            for (method, path) in [("GET", "/sessions/%ff"), ("DELETE", "/sessions/%ff"), ("GET", "/sessions/%ff/stream")] {
                assert_eq!(request(address, TOKEN, method, path, None).problem(), "not-found", "{method} {path}");
            }
        });
        wait_until("the audit of it", || service.audit("request refused").len() == 3);
        served.stop();
    }

    fn a_head_without_a_body_opens_nothing_and_sends_no_reader_away() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let path = post(served.address, "/sessions", r#"{"q":"user = 43"}"#).header("location").expect("a path").to_owned();
        let mut reader = Curl::get(served.address, &format!("{path}/stream"));
        wait_until("it to be read", || get(served.address, &path).json()["is_read"] == true);
        for path in ["/watch?q=user%3D42", &format!("{path}/stream")] {
            let answer = request(served.address, TOKEN, "HEAD", path, None);
            assert_eq!((answer.status, answer.header("allow"), answer.body.as_str()), (405, Some("GET"), ""), "{path}");
        }
        assert_eq!(service.router.stats().opened_sessions, 1);
        tracing::info!(user = 43, "still read");
        assert_eq!(reader.json()["fields"]["message"], "still read");
        assert_eq!(request(served.address, TOKEN, "HEAD", "/sessions", None).status, 200);
        served.stop();
    }

    fn a_refused_client_does_not_learn_other_openers() {
        let service = Service::start_with(TapRouter::builder().max_sessions(1).build());
        let served = Served::start(service.endpoint_of_people());
        let open = |who: &str| request(served.address, who, "POST", "/sessions", Some(r#"{"q":"user = 42"}"#));
        assert_eq!(open("ann").status, 201);
        let refused = open("ben");
        assert_eq!(refused.problem(), "too-many-sessions");
        assert!(!refused.body.contains("ann") && refused.body.contains("`max_sessions`"), "{refused:?}");
        served.stop();
    }

    fn no_answer_is_kept_by_a_cache() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let session = post(served.address, "/sessions", r#"{"q":"user = 42"}"#).header("location").expect("a path").to_owned();
        let of = |answer: Answer| answer.header("cache-control").map(str::to_owned);
        assert_eq!(of(request(served.address, TOKEN, "DELETE", &session, None)).as_deref(), Some("no-store"));
        for path in ["/stats", "/catalog", "/nowhere", "/sessions/1", &format!("{session}/stream")] {
            assert_eq!(of(get(served.address, path)).as_deref(), Some("no-store"), "{path}");
        }
        assert_eq!(of(request(served.address, "wrong", "GET", "/stats", None)).as_deref(), Some("no-store"));
        served.stop();
    }

    fn without_a_host_an_origin_is_held_to_the_authority() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let address = served.address;
        // As HTTP/2 says it: there is no header `Host`.
        let ask = |origin: &str| {
            let head = format!("GET http://{address}/sessions HTTP/1.1\r\nauthorization: Bearer {TOKEN}\r\n");
            exchange(address, &format!("{head}origin: {origin}\r\nconnection: close\r\n\r\n"))
        };
        assert_eq!(ask(&format!("http://{address}")).status, 200);
        assert_eq!(ask("http://evil.example").problem(), "cross-site");
        served.stop();
    }

    fn caps_are_refused_with_the_limit_that_was_reached() {
        let service = Service::start_with(TapRouter::builder().max_sessions_per_opener(1).redact_fields(["password"]).build());
        let served = Served::start(service.endpoint());
        unmoved(&service, &served, |address| {
            let answer = get(address, "/watch?q=user%3D42");
            assert_eq!((answer.status, answer.problem().as_str()), (429, "too-many-sessions"));
            assert_eq!((&answer.json()["limit"], &answer.json()["limit_name"]), (&1.into(), &"max_sessions_per_opener".into()));
            let answer = get(address, "/watch?q=password%3Dhunter2");
            assert_eq!((answer.status, answer.problem().as_str()), (403, "redacted-field"));
        });
        served.stop();
    }

    fn connections_past_the_limit_are_refused_with_it() {
        let service = Service::start();
        let served = Served::start(service.endpoint().max_connections(2));
        let streams = [43, 44].map(|user| Curl::get(served.address, &format!("/watch?q=user%3D{user}")));
        service.wait_for_sessions(2);
        let refused = get(served.address, "/sessions");
        assert_eq!((refused.status, refused.problem().as_str(), &refused.json()["limit"]), (503, "unavailable", &2.into()));
        drop(streams);
        wait_until("a connection to end", || get(served.address, "/sessions").status == 200);
        served.stop();
    }

    fn an_error_of_the_session_source_is_shown_as_it_is() {
        let service = Service::start();
        let served = Served::start(service.endpoint().sessions_at(Away));
        let answer = post(served.address, "/sessions", r#"{"q":"user = 42"}"#);
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"));
        assert_eq!(answer.json()["detail"], "the session was not opened: the broker is away");
        served.stop();
    }

    fn an_endpoint_for_this_machine_answers_to_loopback_names_alone() {
        let service = Service::start();
        let served = Served::start(Endpoint::new(service.router.clone(), Auth::loopback_only()));
        let ask = |host: &str| exchange(served.address, &format!("GET /sessions HTTP/1.1\r\n{host}connection: close\r\n\r\n"));
        for host in ["host: localhost\r\n", "host: 127.0.0.1:80\r\n", "host: [::1]:7\r\n"] {
            assert_eq!(ask(host).status, 200, "{host}");
        }
        for host in ["", "host: evil.example\r\n", "host: 127.0.0.1.evil.example\r\n", "host: localhost\r\nhost: evil.example\r\n"] {
            let answer = ask(host);
            assert!(answer.status == 403 && answer.problem() == "wrong-host" || answer.status == 400, "{host} {answer:?}");
        }
        served.stop();
    }

    fn every_refusal_is_audited_and_no_more_than_ten_at_once() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        assert_eq!(request(served.address, "wrong", "GET", "/watch?q=*", None).status, 401);
        wait_until("the audit of the refusal", || service.audit("request refused").len() == 1);
        let line = service.audit("request refused").remove(0);
        for part in ["peer=\"127.0.0.1:", "method=\"GET\"", "path=\"/watch\"", "status=401", "reason=\"not-authenticated\""] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert!(!line.contains(TOKEN));
        (0..50).for_each(|_| drop(request(served.address, "wrong", "GET", "/stats", None)));
        service.router.shutdown();
        let logged = service.audit("request refused").len();
        assert!((10..40).contains(&logged), "{logged} were logged");
        served.stop();
    }
}
