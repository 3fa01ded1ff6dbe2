//! Hooks of `Auth` that panic: nobody gets in, and the next one is asked as ever.

use crate::fixture::{Served, Service};
use testing::client::{Curl, request};
use tracing_tap_web::{Auth, AuthRequest, Caller, Denied, Endpoint};

const MAX_CONNECTIONS: usize = 4;

fn asks_or_panics(request: &AuthRequest) -> Result<Caller, Denied> {
    match request.bearer() {
        Some("panics") => panic!("a hook's own"),
        Some(name) => Ok(Caller::new(name)),
        None => Err(Denied::unauthenticated("say who you are")),
    }
}

/// Panics before there is a future.
fn at_once() -> Auth {
    Auth::check(asks_or_panics)
}

/// Panics when the future has waited.
fn later() -> Auth {
    Auth::check_async(|request: AuthRequest| async move {
        tokio::task::yield_now().await;
        asks_or_panics(&request)
    })
}

fn lets_nobody_in_and_goes_on(service: &Service, served: &Served) {
    let mut reader = Curl::with(served.address, "/watch?q=user%3D42", &["-H", "Authorization: Bearer ann"]);
    service.wait_for_sessions(1);
    let opened = service.router.stats().opened_sessions;
    std::panic::set_hook(Box::new(|_| ()));
    for (method, path, body) in
        [("GET", "/watch?q=*", None), ("GET", "/stats", None), ("POST", "/sessions", Some(r#"{"q":"*"}"#))]
    {
        for _ in 0..2 * MAX_CONNECTIONS {
            let answer = request(served.address, "panics", method, path, body);
            assert!(answer.status == 0 && answer.body.is_empty(), "{answer:?}");
        }
    }
    let _ = std::panic::take_hook();
    assert_eq!(request(served.address, "ben", "GET", "/sessions", None).status, 200);
    assert_eq!(service.router.stats().opened_sessions, opened);
    tracing::info!(user = 42, "still here");
    assert_eq!(reader.json()["fields"]["message"], "still here");
    drop(reader);
    service.wait_for_sessions(0);
}

isolated! {
    fn a_hook_that_panics_lets_nobody_in_and_takes_no_place() {
        let service = Service::start();
        for auth in [at_once(), later()] {
            let endpoint = Endpoint::new(service.router.clone(), auth).max_connections(MAX_CONNECTIONS);
            let served = Served::start(endpoint);
            lets_nobody_in_and_goes_on(&service, &served);
            served.stop();
        }
    }

    fn a_hook_of_a_mounted_endpoint_that_panics_admits_nobody() {
        let service = Service::start();
        for auth in [at_once(), later()] {
            let served = Served::start_mounted(Endpoint::new(service.router.clone(), auth).routes());
            lets_nobody_in_and_goes_on(&service, &served);
            served.stop();
        }
    }
}
