//! Graceful shutdowns, as services write them: nobody who watches holds them up.

use crate::fixture::{Served, Service, TOKEN};
use serde_json::json;
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use testing::client::{Curl, connect, get, post, read_answer, wait_for_readers};
use tracing_tap_web::{Auth, Endpoint};

/// How often a machine that is busy with other tests may be too slow.
const ATTEMPTS: usize = 3;

/// Stops what is served; how long that took.
fn stop(served: Served) -> Duration {
    let begun = Instant::now();
    served.stop();
    begun.elapsed()
}

/// An endpoint of its own, since one that was closed stays so.
fn watched_and_stopped(service: &Service) -> Duration {
    let served = Served::start_graceful(service.endpoint());
    let address = served.address;
    let mut lines = Curl::get(address, "/tap/watch?q=user%3D42");
    let session = post(address, "/tap/sessions", r#"{"q":"user = 42"}"#);
    let path = session.header("location").expect("it says where it is").to_owned();
    // As `EventSource` asks, over a connection that it keeps.
    let mut events = connect(address);
    let head = format!("GET {path}/stream HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n");
    events.write_all(format!("{head}accept: text/event-stream\r\n\r\n").as_bytes()).expect("it is taken");
    let mut idle = connect(address);
    idle.write_all(format!("GET /tap/ HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).expect("it is taken");
    assert!(idle.read(&mut [0; 1024]).is_ok_and(|bytes| bytes > 0), "it is answered, and kept");
    wait_for_readers(address, "/tap", 2);
    tracing::info!(user = 42, "before the end");
    assert_eq!(lines.json()["fields"]["message"], "before the end");

    let took = stop(served);
    assert_eq!(lines.json(), json!({"type": "ended", "reason": "shutdown"}));
    assert_eq!(lines.line(), None);
    let events = read_answer(events);
    assert!(events.body.contains("before the end"), "{events:?}");
    assert!(events.body.contains(r#"data: {"type":"ended","reason":"shutdown"}"#), "{events:?}");
    service.wait_for_sessions(0);
    took
}

isolated! {
    fn a_graceful_shutdown_waits_for_nobody_who_watches() {
        let service = Service::start();
        let took: Vec<_> = (0..ATTEMPTS).map(|_| watched_and_stopped(&service)).collect();
        assert!(took.iter().any(|took| *took < Duration::from_secs(1)), "{took:?}");
    }

    fn after_the_signal_nothing_is_opened() {
        let service = Service::start();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let endpoint = service.endpoint().with_graceful_shutdown(async { drop(stopped.await) });
        // The routes are made where no runtime is: the first request begins the wait.
        let served = Served::start_mounted(endpoint.routes());
        let mut watching = Curl::get(served.address, "/watch?q=user%3D42");
        wait_for_readers(served.address, "", 1);
        drop(stop);
        assert_eq!(watching.json(), json!({"type": "ended", "reason": "shutdown"}));
        assert_eq!(post(served.address, "/sessions", r#"{"q":"user = 42"}"#).problem(), "unavailable");
        assert_eq!(get(served.address, "/watch?q=user%3D42").problem(), "unavailable");
        assert_eq!(get(served.address, "/sessions").status, 200);
        served.stop();
    }

    fn the_signal_ends_a_endpoint_that_is_served_alone() {
        let service = Service::start();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let endpoint = service.endpoint().with_graceful_shutdown(async { drop(stopped.await) });
        let served = Served::start(endpoint);
        let mut watching = Curl::get(served.address, "/watch?q=user%3D42");
        wait_for_readers(served.address, "", 1);
        drop(stop);
        assert_eq!(watching.json(), json!({"type": "ended", "reason": "shutdown"}));
        served.wait();
    }

    fn sessions_that_are_not_the_endpoint_go_on() {
        let service = Service::start();
        let own = service.router.watch(tracing_tap::Predicate::eq("user", 42));
        let auth = Auth::token(TOKEN).expect("it is long enough");
        let served = Served::start_graceful(Endpoint::new(service.router.clone(), auth));
        post(served.address, "/tap/sessions", r#"{"q":"user = 42"}"#);
        served.stop();
        let open: Vec<_> = service.router.sessions().iter().map(|session| session.id).collect();
        assert_eq!(open, [own.id()]);
    }
}
