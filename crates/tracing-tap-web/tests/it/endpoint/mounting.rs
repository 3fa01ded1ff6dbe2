//! Endpoints that a service mounts in an application of its own.

use crate::fixture::{Served, Service, TOKEN};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testing::client::{Curl, exchange, get, post, request, wait_for_readers};
use testing::runtime::Gate;
use testing::{PATIENCE, wait_until};
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tracing_tap_web::{Auth, Caller, Endpoint, routes};

/// Lets everybody in whom it has counted, once the gate is open.
fn counts_and_waits(arrived: &Arc<AtomicUsize>, gate: &Gate) -> Auth {
    let (arrived, gate) = (Arc::clone(arrived), gate.clone());
    Auth::check_async(move |_| {
        let gate = gate.clone();
        arrived.fetch_add(1, Ordering::SeqCst);
        async move {
            gate.pass().await;
            Ok(Caller::new("anybody"))
        }
    })
}

isolated! {
    fn a_nested_endpoint_answers_under_its_path_alone() {
        let service = Service::start();
        let own = axum::Router::new().route("/", axum::routing::get(|| async { "ours" })).fallback(|| async { "nobody" });
        let served = Served::start_mounted(own.nest("/tap", service.endpoint().routes()));
        let answer = post(served.address, "/tap/sessions", r#"{"q":"user = 42"}"#);
        assert_eq!(answer.status, 201);
        let location = answer.header("location").expect("it says where it is");
        assert!(location.starts_with("/tap/sessions/"));
        assert_eq!(get(served.address, location).json()["predicate"], "user = 42");
        assert_eq!((get(served.address, "/").body, get(served.address, "/other").body), ("ours".into(), "nobody".into()));
        assert_eq!(get(served.address, "/tap/other").body, "nobody");
        assert_eq!(request(served.address, TOKEN, "PUT", "/tap/stats", None).problem(), "method-not-allowed");
        assert_eq!(request(served.address, "wrong", "GET", "/tap/catalog", None).problem(), "not-authenticated");
        service.router.shutdown();
        served.stop();
    }

    fn the_path_it_is_mounted_under_may_have_parts_that_are_named() {
        let service = Service::start();
        let served = Served::start_mounted(axum::Router::new().nest("/of/{tenant}/tap", service.endpoint().routes()));
        let opened = post(served.address, "/of/seven/tap/sessions", r#"{"q":"user = 42"}"#);
        let path = opened.header("location").expect("it says where it is");
        assert!(path.starts_with("/of/seven/tap/sessions/"));
        assert_eq!(get(served.address, path).json()["predicate"], "user = 42");
        assert_eq!(request(served.address, TOKEN, "DELETE", path, None).status, 204);
        served.stop();
    }

    fn a_hook_that_needs_the_peers_address_says_what_is_missing() {
        let service = Service::start();
        let served = Served::start_mounted(service.endpoint_of_people().routes());
        let answer = request(served.address, "peer", "GET", "/sessions", None);
        assert_eq!((answer.status, answer.problem().as_str()), (500, "missing-peer-address"));
        assert!(answer.body.contains("into_make_service_with_connect_info"));
        assert_eq!(request(served.address, "ben", "GET", "/sessions", None).status, 200);
        assert_eq!(request(served.address, "eve", "GET", "/sessions", None).problem(), "forbidden");
        served.stop();
        let served = Served::start(service.endpoint_of_people());
        assert_eq!(request(served.address, "peer", "GET", "/sessions", None).status, 200);
        served.stop();
    }

    fn a_shutdown_ends_all_streams_and_the_server() {
        let service = Service::start();
        let served = Served::start_mounted(service.endpoint().routes());
        let mut watching = Curl::get(served.address, "/watch?q=user%3D42");
        let session = post(served.address, "/sessions", r#"{"q":"user = 42"}"#);
        let path = session.header("location").expect("it says where it is").to_owned();
        let mut reading = Curl::get(served.address, &format!("{path}/stream"));
        wait_for_readers(served.address, "", 2);
        service.router.shutdown();
        for curl in [&mut watching, &mut reading] {
            assert_eq!(curl.json(), serde_json::json!({"type": "ended", "reason": "shutdown"}));
            assert_eq!(curl.line(), None);
        }
        served.stop();
    }

    fn a_request_in_flight_at_a_shutdown_leaves_no_session() {
        let service = Service::start();
        let (arrived, gate) = (Arc::new(AtomicUsize::new(0)), Gate::closed());
        let endpoint = Endpoint::new(service.router.clone(), counts_and_waits(&arrived, &gate));
        let served = Served::start_mounted(endpoint.routes());
        let address = served.address;
        let in_flight = [("GET", "/watch?q=user%3D42", None), ("POST", "/sessions", Some(r#"{"q":"user = 42"}"#))]
            .map(|(method, path, body)| std::thread::spawn(move || request(address, TOKEN, method, path, body)));
        wait_until("both to be in flight", || arrived.load(Ordering::SeqCst) == 2);
        service.router.shutdown();
        gate.open();
        for answer in in_flight.map(|request| request.join().expect("a request ends")) {
            assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"), "{answer:?}");
        }
        service.wait_for_sessions(0);
        // It is those in flight that it concerns, and no others.
        assert_eq!(post(served.address, "/sessions", r#"{"q":"user = 42"}"#).status, 201);
        service.router.shutdown();
        served.stop();
    }

    fn streams_of_events_pass_compression_and_timeout_layers() {
        let service = Service::start();
        let timeout = TimeoutLayer::with_status_code(http::StatusCode::REQUEST_TIMEOUT, PATIENCE);
        let application = service.endpoint().routes().layer((CompressionLayer::new(), timeout));
        let served = Served::start_mounted(application);
        let authorization = format!("Authorization: Bearer {TOKEN}");
        let arguments = ["-H", &authorization, "-H", "Accept: text/event-stream", "--compressed", "--include"];
        let mut curl = Curl::with(served.address, "/watch?q=user%3D42", &arguments);
        let head: Vec<_> = std::iter::from_fn(|| curl.line()).take_while(|line| line != "\r").collect();
        for line in ["cache-control: no-store, no-transform\r", "x-accel-buffering: no\r", "content-type: text/event-stream\r"] {
            assert!(head.iter().any(|known| known == line), "{line:?} is not in {head:?}");
        }
        assert_eq!([curl.line(), curl.line()], [Some("retry: 750".into()), Some(String::new())]);
        assert_eq!(curl.line().as_deref(), Some("event: coverage"));
        tracing::info!(user = 42, "at once");
        let seen = std::iter::from_fn(|| curl.line()).any(|line| line.contains("at once"));
        assert!(seen);
        service.router.shutdown();
        served.stop();
    }

    fn what_the_endpoints_own_stack_logs_is_bounded_by_batches() {
        let service = Service::start();
        let trace = TraceLayer::new_for_http().on_body_chunk(|_: &axum::body::Bytes, _: Duration, _: &tracing::Span| {
            tracing::trace!(target: "stack", "a chunk");
        });
        let served = Served::start_mounted(service.endpoint().routes().layer(trace));
        // Its coverage is the first batch, which logs the first event.
        let mut curl = Curl::get(served.address, "/watch?q=@target+%3D+stack&coverage=1");
        assert_eq!(curl.json()["type"], "coverage");
        // Each batch logs one event, which makes the next batch: never two for one.
        for sequence in 0..5 {
            assert_eq!(curl.json()["sequence"], sequence);
        }
        let stats = service.router.stats().events;
        assert!(stats.matched <= stats.delivered + 1, "{stats:?}");
        drop(curl);
        service.wait_for_sessions(0);
        served.stop();
    }

    fn the_http_stack_is_named_to_sessions_that_can_see_it() {
        let service = Service::start();
        let mounted = Served::start_mounted(service.endpoint().routes().layer(TraceLayer::new_for_http()));
        let alone = Served::start(service.endpoint());
        let own = |served: &Served, predicate: &str| {
            let coverage = get(served.address, &format!("/coverage?q={predicate}")).json();
            let notes = coverage["notes"].as_array().expect("a list").clone();
            notes.into_iter().find(|note| note["note"] == "own_traffic")
        };
        // Its events are seen from the first session on that could match them.
        let _open = service.router.watch(tracing_tap::Predicate::everything());
        get(mounted.address, "/sessions");
        for predicate in ["*", "@target+%3D+tower_http", "@level+%3E%3D+debug", "not+user+%3D+42"] {
            let note = own(&mounted, predicate).unwrap_or_else(|| panic!("{predicate} can match"));
            assert_eq!(note["crates"], serde_json::json!(["tower_http"]));
            let text = note["text"].as_str().expect("a text");
            assert!(text.contains("`user exists`") && text.contains("`web::serve`"), "{text}");
        }
        for predicate in ["user+%3D+42", "@level+%3E%3D+info", "@target+%3D+web", "*+and+user+exists"] {
            assert_eq!(own(&mounted, predicate), None, "{predicate} cannot");
        }
        assert_eq!(own(&alone, "*"), None, "what it logs reaches no session");
        let opened = post(mounted.address, "/sessions", r#"{"q":"@target = tower_http"}"#).json();
        assert!(opened["coverage"]["notes"].to_string().contains("own_traffic"), "{opened}");
        [mounted, alone].into_iter().for_each(Served::stop);
    }

    fn mounted_loopback_only_needs_the_address_of_the_peer() {
        let service = Service::start();
        let endpoint = || Endpoint::new(service.router.clone(), Auth::loopback_only());
        let ignorant = Served::start_mounted(endpoint().routes());
        assert_eq!(get(ignorant.address, "/sessions").problem(), "missing-peer-address");
        assert_eq!(get(ignorant.address, "/").problem(), "missing-peer-address");
        let served = Served::start_with_peers(endpoint().routes());
        assert_eq!(get(served.address, "/sessions").status, 200);
        assert_eq!(get(served.address, "/").status, 200);
        let asked = |headers: &str| {
            let head = format!("GET /sessions HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
            let answer = exchange(served.address, &head);
            if answer.status == 200 { "admitted".to_owned() } else { answer.problem() }
        };
        assert_eq!(asked("host: localhost\r\n"), "admitted");
        assert_eq!(asked("host: evil.example\r\n"), "wrong-host");
        for header in ["forwarded: for=10.0.0.7", "x-forwarded-for: 10.0.0.7", "x-real-ip: 10.0.0.7", "via: 1.1 proxy"] {
            assert_eq!(asked(&format!("host: localhost\r\n{header}\r\n")), "forbidden", "{header}");
        }
        [ignorant, served].into_iter().for_each(Served::stop);
    }

    fn mounted_loopback_only_admits_no_other_machine() {
        let service = Service::start();
        let stranger = axum::extract::ConnectInfo(SocketAddr::from(([10, 0, 0, 7], 4711)));
        let application = Endpoint::new(service.router.clone(), Auth::loopback_only()).routes().layer(axum::Extension(stranger));
        let served = Served::start_mounted(application);
        assert_eq!(get(served.address, "/sessions").problem(), "forbidden");
        assert_eq!(post(served.address, "/sessions", r#"{"q":"user = 42"}"#).problem(), "forbidden");
        let mapped = axum::extract::ConnectInfo(SocketAddr::from((std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 4711)));
        let application = Endpoint::new(service.router.clone(), Auth::loopback_only()).routes().layer(axum::Extension(mapped));
        let own = Served::start_mounted(application);
        assert_eq!(get(own.address, "/sessions").status, 200);
        [served, own].into_iter().for_each(Served::stop);
    }

    fn routes_are_those_of_a_endpoint_with_the_defaults() {
        let service = Service::start();
        let auth = tracing_tap_web::Auth::token(TOKEN).expect("it is long enough");
        let served = Served::start_mounted(routes(service.router.clone(), auth));
        assert_eq!(get(served.address, "/sessions").json(), serde_json::json!({"sessions": []}));
        let head = format!("GET /sessions HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", served.address);
        assert_eq!(exchange(served.address, &head).problem(), "not-authenticated");
        served.stop();
    }
}
