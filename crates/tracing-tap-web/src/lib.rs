//! The HTTP endpoint of [`tracing_tap`]: sessions over server-sent events and lines of JSON, for `curl`, browsers and other
//! programs.
//!
//! A service with an HTTP server mounts [`routes()`] under a path of its choice; any other calls [`serve`]. Both take an
//! [`Auth`], which has no default: you decide who may watch.
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
//! Give the server and the endpoint the same signal. A graceful shutdown waits for open connections, and a stream without
//! the signal stays open until its session ends. A service without graceful shutdown needs only [`routes()`].
//!
//! ```console
//! $ curl -N -H "Authorization: Bearer $TAP_TOKEN" 'http://localhost:8080/tap/watch?q=user%3D42'
//! ```
//!
//! | path | effect |
//! |---|---|
//! | `GET /watch?q=…` | opens a session and streams it until the connection ends |
//! | `POST /sessions` | opens a session that lives on for 30 s without a connection |
//! | `GET /sessions`, `GET /sessions/{id}` | the caller's sessions |
//! | `GET /sessions/{id}/stream` | streams one; `Last-Event-ID` resumes |
//! | `DELETE /sessions/{id}` | closes one |
//! | `GET /catalog`, `GET /coverage?q=…` | the service's callsites; why a session may see nothing |
//! | `GET /stats` | the router's health, as a Prometheus scrape |
//! | `POST /parse` | a predicate in canonical form, or its error |
//! | `GET /` | a page for the browser |
//!
//! The repository's `docs/http.md` has a request and an answer for each, `docs/openapi.yaml` the same for programs.
//!
//! # Guarantees
//! - A slow reader loses events by its session's policy and is sent their number. It slows nobody down: a batch is rendered
//!   only when its connection has room for it.
//! - A session is visible only to its opener and to admins.
//! - Requests from pages of other sites are refused, and so are bodies that are not JSON. There is no CORS.
//! - The page is served without authentication and holds no secrets; its requests are authenticated like any other.
//! - Under [`serve`], clients without a valid token cannot keep others out: their connections are bounded in number, time
//!   and requests, apart from authenticated ones.
//! - Every error is a problem document (RFC 9457) with its cause, and an event of the target `tracing_tap::audit`; at most
//!   ten of these events a second are logged.
//! - Under [`serve`], the logs of the endpoint and its HTTP stack reach no session. With [`routes()`], the service's own HTTP
//!   stack carries the streams and logs. If a session can see that, its coverage says so, with a remedy.
//!
//! # Under other layers
//! - `tower-http`'s `CompressionLayer` ignores the answers' `Cache-Control: no-transform`. It leaves `text/event-stream`
//!   alone and delays lines of JSON until its encoder has enough. Exclude the endpoint from it, or read server-sent events.
//! - `TimeoutLayer` bounds the time until a stream begins, about a second at most, and not the stream.
//! - Streams end with the signal of [`Endpoint::with_graceful_shutdown`], and with [`TapRouter::shutdown`].

#![cfg_attr(docsrs, feature(doc_cfg))]

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
mod trace_view;
#[cfg(feature = "cpu")]
mod profiles;
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
#[cfg(feature = "cpu")]
mod profile;
mod page;
mod routes;
mod endpoint;
mod serving;

#[cfg(test)]
mod tests;

pub use auth::{Auth, AuthError, AuthRequest, Caller, Denied};
pub use endpoint::Endpoint;
pub use serving::ServeError;
pub use trace_view::TraceViewError;

use std::future::Future;
use tokio::net::TcpListener;
use tracing_tap::TapRouter;

/// Returns the endpoint as routes for the service's own application: [`nest`](axum::Router::nest) them under a path.
///
/// The routes answer only their own paths. With [`Auth::loopback_only`], or if the hook of [`Auth::check`] reads the peer's
/// address, serve the application with `into_make_service_with_connect_info::<SocketAddr>()`. For a server with graceful
/// shutdown, use [`Endpoint::with_graceful_shutdown`].
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

/// Serves the endpoint over HTTP/1.1 until `shutdown` completes. Then ends its sessions with [`EndReason::Shutdown`], and
/// gives connections five seconds to finish.
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
/// If `auth` is [`Auth::loopback_only`] and the listener's address is not a loopback address, or if that address cannot be
/// read.
pub async fn serve(
    listener: TcpListener,
    router: TapRouter,
    auth: Auth,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Endpoint::new(router, auth).serve(listener, shutdown).await
}
