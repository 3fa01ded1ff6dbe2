//! Arbitrary bytes as requests to the endpoint: it never panics, always answers or closes, refuses by a problem document,
//! lets nobody in who is nobody, and leaves no session open.
//!
//! Each request is a text as it is on the wire; 0x1E separates them, `{id}` stands for the session that was opened
//! last, `{stale}` for one that is over. Each is made twice: as far as it can be understood, to the router in-process;
//! and as it is, over a connection that hyper serves as [`tracing_tap_web::serve`] has it do.

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Predicate, SessionOptions, TapRouter};
use tracing_tap_web::{Auth, AuthRequest, Caller, Denied, Endpoint};

const MAX_REQUESTS: usize = 4;
const BOUND: Duration = Duration::from_secs(20);
/// Who may see all sessions, and may come in whatever the bytes are.
const ADMIN: &str = "root";

/// What the service answers where there is no path of the endpoint.
const NOT_THE_ENDPOINTS: StatusCode = StatusCode::IM_A_TEAPOT;

struct Mounted {
    runtime: Runtime,
    router: TapRouter,
    application: axum::Router,
    /// Keeps all levels enabled, so that a session that is opened does not have `tracing` ask all callsites again.
    _keeper: EventStream,
}

static MOUNTED: LazyLock<Mutex<Mounted>> = LazyLock::new(|| {
    let router = TapRouter::builder().max_sessions_per_opener(4).max_unindexed_sessions(64).build();
    tracing_subscriber::registry().with(router.layer()).init();
    let endpoint = Endpoint::new(router.clone(), Auth::check(who)).request_timeout(BOUND / 4);
    let application = axum::Router::new().nest("/tap", endpoint.routes()).fallback(async || NOT_THE_ENDPOINTS);
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let nothing = SessionOptions::new(Predicate::eq("never declared", 1)).spans(LevelFilter::TRACE);
    let keeper = router.watch(nothing);
    Mutex::new(Mounted { runtime, router, application, _keeper: keeper })
});

fn who(request: &AuthRequest) -> Result<Caller, Denied> {
    match request.bearer() {
        Some("ann") => Ok(Caller::new("ann").confined_to(Predicate::eq("tenant", 7))),
        Some("ben") => Ok(Caller::new("ben")),
        Some(ADMIN) => Ok(Caller::new(ADMIN).admin()),
        Some("peer") => request.peer().map(|peer| Caller::new(peer.ip().to_string())),
        Some(_) => Err(Denied::forbidden("your account may not watch")),
        None => Err(Denied::unauthenticated("bring the token of your account")),
    }
}

/// Makes the requests that some bytes stand for.
pub(crate) fn check(bytes: &[u8]) {
    let mounted = MOUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let Mounted { runtime, router, application, .. } = &*mounted;
    let mut visit = Visit { application: application.clone(), newest: unknown_id(), stale: unknown_id() };
    let requests = async {
        for request in bytes.split(|byte| *byte == 0x1E).take(MAX_REQUESTS) {
            let request = visit.fill_in(request);
            visit.in_process(&request).await;
            visit.on_the_wire(request).await;
        }
        visit.leave().await;
        while router.sessions().len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    let done = runtime.block_on(async { tokio::time::timeout(BOUND * 2, requests).await.is_ok() });
    assert!(done, "the endpoint answers or closes, and all its sessions are over in the end: {:?}", router.sessions());
}

fn unknown_id() -> String {
    "0".repeat(32)
}

/// The requests of one client.
struct Visit {
    application: axum::Router,
    newest: String,
    stale: String,
}

impl Visit {
    fn fill_in(&self, request: &[u8]) -> Vec<u8> {
        let request = replaced(request, b"{id}", self.newest.as_bytes());
        replaced(&request, b"{stale}", self.stale.as_bytes())
    }

    /// The request as far as it is one, to the router itself. Of a stream the beginning is read, and then it is left.
    async fn in_process(&mut self, bytes: &[u8]) {
        let Some(request) = understood(bytes) else { return };
        let mut response = answer(self.application.clone(), request).await;
        something_happens();
        self.note(&response);
        if response.status() == 200 {
            let _ = response.body_mut().frame().now_or_never();
        }
        if response.status() == 201 {
            let body = response.into_body().collect().await.expect("an answer has a body").to_bytes();
            let shown: Value = serde_json::from_slice(&body).expect("a session is shown as JSON");
            self.newest = shown["id"].as_str().expect("a session has an id").to_owned();
        }
    }

    fn note(&mut self, response: &Response<Body>) {
        if let Some(id) = response.headers().get("tap-session").and_then(|id| id.to_str().ok()) {
            self.stale = id.to_owned();
        }
    }

    /// The request as it is, over a connection.
    async fn on_the_wire(&self, request: Vec<u8>) {
        let (client, server) = duplex(64 << 10);
        let application = self.application.clone();
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 7))));
            let answering = answer(application.clone(), request.map(Body::new));
            async move { Ok::<_, std::convert::Infallible>(answering.await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(BOUND / 4).max_buf_size(64 << 10);
        // A client that has sent all it has may still read, so that there is an answer to everything.
        builder.half_close(true);
        let connection = builder.serve_connection(TokioIo::new(server), service);
        tokio::select! {
            // How it ends is for the peer alone to know.
            _ = connection => {}
            () = exchange(client, request) => {}
        }
    }

    /// Closes all sessions that are left, as an admin can.
    async fn leave(&self) {
        let list = answer(self.application.clone(), admins("GET", "/tap/sessions")).await;
        let body = list.into_body().collect().await.expect("a list has a body").to_bytes();
        let list: Value = serde_json::from_slice(&body).expect("a list is JSON");
        for session in list["sessions"].as_array().expect("it lists sessions") {
            let path = format!("/tap/sessions/{}", session["id"].as_str().expect("a session has an id"));
            let closed = answer(self.application.clone(), admins("DELETE", &path)).await;
            // A session that belonged to a connection may have gone with it.
            assert!(closed.status() == 204 || session["outlives_connection"] == false, "{closed:?} for {session}");
        }
    }
}

/// An event that sessions may be about.
fn something_happens() {
    tracing::info_span!("conn", user = 42, tenant = 7).in_scope(|| tracing::info!(n = 1, "something happens"));
}

fn admins(method: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {ADMIN}"));
    request.body(Body::empty()).expect("it is a request")
}

/// Asks the endpoint, and checks what is true of every answer.
async fn answer(mut application: axum::Router, request: Request<Body>) -> Response<Body> {
    let (method, is_for_all) = (request.method().clone(), is_for_all(&request));
    let is_anonymous = !request.headers().contains_key(header::AUTHORIZATION);
    let asked = format!("{} {}", request.method(), request.uri());
    let response = application.call(request).await.into_response();
    let status = response.status();
    assert!(!is_anonymous || is_for_all || status.as_u16() >= 400, "{asked}: nobody gets {status}");
    assert!(!is_anonymous || !response.headers().contains_key("tap-session"), "{asked}: nobody gets a session");
    assert!(status.as_u16() < 500 || status == 503 || status == 500, "{asked}: {status}");
    if status.as_u16() < 400 || status == NOT_THE_ENDPOINTS {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a refusal has a body").to_bytes();
    assert_eq!(
        parts.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes()),
        Some(&b"application/problem+json"[..]),
        "{asked}"
    );
    assert!(parts.headers.contains_key(header::CACHE_CONTROL), "{asked}");
    if method != Method::HEAD {
        check_problem(&asked, status.as_u16(), &body);
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether this asks for the page, which holds no secrets.
fn is_for_all(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    let is_page = matches!(path, "/tap" | "/tap/") || path.starts_with("/tap/page/");
    is_page && matches!(*request.method(), Method::GET | Method::HEAD)
}

fn check_problem(asked: &str, status: u16, body: &[u8]) {
    let problem: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{asked}: {error} in {body:?}"));
    let text = |member: &str| problem[member].as_str().unwrap_or_else(|| panic!("{asked}: {problem}"));
    assert!(text("type").starts_with("urn:tracing-tap:problem:"), "{asked}: {problem}");
    assert!(!text("title").is_empty() && text("detail").len() > 10, "{asked}: {problem}");
    assert_eq!(problem["status"], status, "{asked}");
    let text = str::from_utf8(body).expect("JSON is text");
    assert!(!text.trim_end_matches('\n').contains(char::is_control), "{asked}: {text:?}");
    assert!(body.len() < 16 << 10, "{asked}: a refusal is short");
}

/// Sends all, and reads until there is the head of an answer with a part of its body, or the end.
async fn exchange(mut client: DuplexStream, request: Vec<u8>) {
    // What is too long is closed in the midst.
    let _ = client.write_all(&request).await;
    let _ = client.shutdown().await;
    let mut bytes = vec![0; 64 << 10];
    let mut read = 0;
    while let Ok(more @ 1..) = client.read(&mut bytes[read..]).await {
        read += more;
        if read == bytes.len() || bytes[..read].windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    assert!(read == 0 || bytes.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&bytes[..read]));
}

/// The request that some bytes are, as leniently as can be: all but its method and target may be missing.
fn understood(bytes: &[u8]) -> Option<Request<Body>> {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let mut words = lines.next()?.split(|byte| matches!(byte, b' ' | b'\r'));
    let mut request = Request::builder().method(words.next()?).uri(words.next()?);
    let mut rest = lines.next().unwrap_or_default();
    while !rest.is_empty() {
        let (line, behind) =
            rest.split_at(rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1));
        rest = behind;
        let line = line.trim_ascii_end();
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    request.body(Body::from(rest.to_vec())).ok()
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(place) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..place]);
        out.extend_from_slice(to);
        rest = &rest[place + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
