//! The HTTP endpoint: sessions over server-sent events and lines of JSON, for `curl`, browsers and other programs.
//!
//! A service that has HTTP of its own mounts [`routes`] under a path of its choice; one that has none calls [`serve`].
//! Either way somebody says who may come in: [`Auth`] has no default.
//!
//! ```no_run
//! use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};
//! use tracing_tap::TapRouter;
//! use tracing_tap_web as web;
//!
//! # async fn service() -> Result<(), Box<dyn std::error::Error>> {
//! let router = TapRouter::new();
//! tracing_subscriber::registry()
//!     .with(fmt::layer().with_filter(LevelFilter::INFO))
//!     .with(router.layer())
//!     .init();
//! let auth = web::Auth::token(std::env::var("TAP_TOKEN")?)?;
//! let tap = web::Endpoint::new(router, auth).with_graceful_shutdown(shutdown_signal()).routes();
//! let application = axum::Router::new().nest("/tap", tap);
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, application).with_graceful_shutdown(shutdown_signal()).await?;
//! # Ok(())
//! # }
//! # async fn shutdown_signal() {}
//! ```
//!
//! The server and the routes get the same signal: a graceful shutdown waits for open connections, and without it a stream
//! stays open as long as its session. A service without graceful shutdown needs [`routes`] alone.
//!
//! ```console
//! $ curl -N -H "Authorization: Bearer $TAP_TOKEN" 'http://localhost:8080/tap/watch?q=user%3D42'
//! ```
//!
//! | endpoint | what |
//! |---|---|
//! | `GET /watch?q=…` | opens a session and streams it, until the connection ends |
//! | `POST /sessions` | opens a session that outlives connections by 30 s |
//! | `GET /sessions`, `GET /sessions/{id}` | the caller's sessions |
//! | `GET /sessions/{id}/stream` | reads one; `Last-Event-ID` reads on |
//! | `DELETE /sessions/{id}` | closes one |
//! | `GET /catalog`, `GET /coverage?q=…` | what there is to ask for, and why it may not be seen |
//! | `GET /stats` | the router's health, as a Prometheus scrape |
//! | `POST /parse` | a predicate in its canonical text, or what is wrong with it |
//! | `GET /` | a page for all of this, to be opened in a browser |
//!
//! The repository's `docs/http.md` has a request and an answer for each, `docs/openapi.yaml` the same for programs.
//!
//! # What it promises
//! - A slow reader loses by its session's policy, is told how much, and slows nobody: nothing is made before its
//!   connection has room for it.
//! - A session belongs to whoever opened it. To others, but admins, it is not there.
//! - A request from another site's page is refused, and so is a body that is no JSON. There is no CORS.
//! - The page is served to everybody who may reach the endpoint, and holds no secrets: what it asks for is asked as above.
//! - Every refusal is a problem document (RFC 9457) that says what to change, and an event of the target
//!   `tracing_tap::audit`, of which ten a second are told.
//! - Under [`serve`], what the endpoint and its HTTP stack log reaches no session. Where the service mounts [`routes`] it is
//!   the service's own stack that logs. Where a session can see that, its coverage says so, and what to do about it.
//!
//! # Under other layers
//! Answers say `Cache-Control: no-transform`, but `tower-http`'s `CompressionLayer` does not look at it: it leaves
//! `text/event-stream` alone, and holds lines of JSON back until its encoder has enough. Let it leave the endpoint out, or read
//! events. `TimeoutLayer` bounds the time until a stream begins, which is at most a second or so, and not the stream.
//! Streams end by the signal of [`Endpoint::with_graceful_shutdown`], and with [`TapRouter::shutdown`].

// In the order of dependence: each uses only those above it, and a test checks it.
mod answer;
mod problem;
mod url_token;
mod auth;
mod ask;
mod query;
mod source;
mod feed;
mod hub;
mod shutdown;
mod state;
mod form;
mod socket;
mod connections;
mod security;
mod body;
mod own_traffic;
mod sight;
mod keeper;
mod opening;
mod intake;
mod watch;
mod sessions;
mod page;
mod routes;
mod endpoint;
mod serving;

#[cfg(test)]
mod tests;

pub use auth::{Auth, AuthError, AuthRequest, Caller, Denied};
pub use endpoint::Endpoint;
pub use serving::ServeError;

use std::future::Future;
use tokio::net::TcpListener;
use tracing_tap::TapRouter;

/// The endpoint as a part of the service's own application: [`nest`](axum::Router::nest) it under a path.
///
/// Where the hook of [`Auth::check`] asks for the peer's address, and with [`Auth::loopback_only`], the application must be
/// served by `into_make_service_with_connect_info::<SocketAddr>()`. The routes answer nothing but their own paths. Where the
/// server is shut down gracefully, use [`Endpoint::with_graceful_shutdown`].
///
/// ```
/// use tracing_tap::TapRouter;
/// use tracing_tap_web as web;
///
/// let auth = web::Auth::token("S8uWXu0mEZzN1Fbs").expect("it is long enough");
/// let application: axum::Router = axum::Router::new().nest("/tap", web::routes(TapRouter::new(), auth));
/// # let _ = application;
/// ```
pub fn routes(router: TapRouter, auth: Auth) -> axum::Router {
    Endpoint::new(router, auth).routes()
}

/// Serves the endpoint by HTTP/1.1 until `shutdown` is done; then ends its sessions as [`EndReason::Shutdown`], and gives
/// connections five seconds.
///
/// [`EndReason::Shutdown`]: tracing_tap::EndReason::Shutdown
///
/// ```
/// use std::future::ready;
/// use tokio::net::TcpListener;
/// use tracing_tap::TapRouter;
/// use tracing_tap_web as web;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let endpoint = |listener| web::serve(listener, TapRouter::new(), web::Auth::loopback_only(), ready(()));
/// let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
/// endpoint(listener).await.expect("it is on a loopback address");
///
/// let listener = TcpListener::bind("0.0.0.0:0").await.expect("there is a free port");
/// assert!(endpoint(listener).await.unwrap_err().is_not_loopback());
/// # }
/// ```
///
/// # Errors
/// Where `auth` is [`Auth::loopback_only`] and the listener is not on a loopback address.
pub async fn serve(
    listener: TcpListener,
    router: TapRouter,
    auth: Auth,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Endpoint::new(router, auth).serve(listener, shutdown).await
}
