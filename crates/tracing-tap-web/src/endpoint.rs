//! The endpoint's settings, and its routes put together.

use super::auth::Auth;
use super::shutdown::Shutdown;
use super::state::{EndpointState, Route, Settings};
use super::trace_view::{TraceView, TraceViewError};
use super::{page, routes, security};
use axum::middleware::from_fn_with_state;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing_tap::TapRouter;
use tracing_tap::endpoint::SessionSource;

/// Bounds of every duration: a shorter one would make a task spin, a longer one could overflow a clock.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// An endpoint with settings of its own; [`routes()`](super::routes()) and [`serve`](super::serve) are endpoints with the defaults.
///
/// Durations are clamped to between a millisecond and a day.
///
/// ```
/// use std::time::Duration;
/// use tracing_tap::TapRouter;
/// use tracing_tap_web as web;
///
/// let auth = web::Auth::token("S8uWXu0mEZzN1Fbs").expect("it is long enough");
/// let endpoint = web::Endpoint::new(TapRouter::new(), auth).grace_period(Duration::from_secs(120));
/// let application: axum::Router = axum::Router::new().nest("/tap", endpoint.routes());
/// # let _ = application;
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    router: TapRouter,
    auth: Auth,
    settings: Settings,
}

impl Endpoint {
    /// Creates an endpoint for the router's sessions, with the default settings.
    pub fn new(router: TapRouter, auth: Auth) -> Self {
        Self { router, auth, settings: Settings::default() }
    }

    /// Sets how long a session of `POST /sessions` stays open without a reader; default 30 s.
    #[must_use]
    pub fn grace_period(mut self, duration: Duration) -> Self {
        self.settings.grace_period = duration.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets how long a reader may accept nothing while items wait, before it is cut off; default 15 s.
    #[must_use]
    pub fn stall_timeout(mut self, duration: Duration) -> Self {
        self.settings.stall_timeout = duration.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets how long a stream of server-sent events may be silent before it is sent a comment; default 15 s.
    #[must_use]
    pub fn heartbeat(mut self, duration: Duration) -> Self {
        self.settings.heartbeat = duration.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets how long the first item of a batch waits for others; default 50 ms.
    #[must_use]
    pub fn batch_delay(mut self, duration: Duration) -> Self {
        self.settings.batch_delay = duration.clamp(SHORTEST, LONGEST);
        self
    }

    /// Bounds the time to receive a request's body and, under [`serve`](Self::serve), its head; default 10 s.
    #[must_use]
    pub fn request_timeout(mut self, duration: Duration) -> Self {
        self.settings.request_timeout = duration.clamp(SHORTEST, LONGEST);
        self
    }

    /// Bounds the connections of [`serve`](Self::serve) that have had an accepted request; default 256.
    ///
    /// A request over the limit is refused with 503.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.max_connections = connections.min(Semaphore::MAX_PERMITS);
        self
    }

    /// Bounds the connections of [`serve`](Self::serve) that have had no accepted request yet; default 128, at least 1.
    ///
    /// Each is closed after the [`request_timeout`](Self::request_timeout), or after 64 requests; a hook of
    /// [`Auth::check_async`] must be faster. Past the limit, a new connection closes the oldest of them. They do not count
    /// for [`max_connections`](Self::max_connections), so clients without a token cannot keep others out. The page is
    /// served to them.
    #[must_use]
    pub fn max_pending_connections(mut self, connections: usize) -> Self {
        self.settings.max_pending_connections = connections.max(1);
        self
    }

    /// Accepts requests from pages of another site, such as `https://ops.example`; none by default.
    ///
    /// The browser needs CORS headers as well; a layer around the routes must add them.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.allowed_origins.push(origin.into().trim_end_matches('/').to_ascii_lowercase());
        self
    }

    /// Ends the sessions when `signal` completes, so that the server's graceful shutdown does not wait for their readers.
    ///
    /// Give the server the same signal. Streams then end with
    /// [`EndReason::Shutdown`](tracing_tap::EndReason::Shutdown), after which `tracing-tap watch` and the page wait for the
    /// service to come back, and new sessions are refused. A reader that accepts nothing at that moment keeps its
    /// connection; the server must bound that time.
    ///
    /// A task of its own polls the signal, from [`routes()`](Self::routes) on if that is called inside a Tokio runtime, else
    /// from the first request on. The last call counts.
    ///
    /// ```no_run
    /// use tracing_tap::TapRouter;
    /// use tracing_tap_web as web;
    ///
    /// /// Waits for Ctrl-C, as in every example of `axum`.
    /// async fn shutdown_signal() {
    /// #   std::future::pending().await
    ///     // tokio::signal::ctrl_c().await
    /// }
    ///
    /// # async fn service(router: TapRouter, auth: web::Auth) -> std::io::Result<()> {
    /// let tap = web::Endpoint::new(router, auth).with_graceful_shutdown(shutdown_signal()).routes();
    /// let application = axum::Router::new().nest("/tap", tap);
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// axum::serve(listener, application).with_graceful_shutdown(shutdown_signal()).await
    /// # }
    /// ```
    #[must_use]
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.settings.shutdown = Some(Shutdown::new(signal));
        self
    }

    /// Opens the sessions at another source than the endpoint's own router, such as `tracing_tap_nats::Fleet`.
    ///
    /// Streams have that source's items. Catalog, coverage and statistics are those of the endpoint's own router.
    #[must_use]
    pub fn sessions_at(mut self, source: impl SessionSource) -> Self {
        self.settings.source = Some(Arc::new(source));
        self
    }

    /// Offers CPU profiles at `GET /profile`; off by default. On Linux.
    ///
    /// Each caller that may open a session may then take a profile of the requests that the session would show. One is taken
    /// at a time. A profile names the functions of the service. See `tracing_tap_profile` for what it needs and costs.
    #[cfg(feature = "cpu")]
    #[must_use]
    pub fn cpu_profiles(mut self) -> Self {
        self.settings.cpu_profiles = true;
        self
    }

    /// Has the page link each trace id to a view of the trace; none by default.
    ///
    /// The template is an address of `http` or `https` with `{trace_id}` in it once, behind the host. Callers that are
    /// admitted see it, in the answer to `GET /catalog`.
    ///
    /// # Errors
    /// If it is no such address.
    ///
    /// ```
    /// use tracing_tap::TapRouter;
    /// use tracing_tap_web as web;
    ///
    /// let endpoint = web::Endpoint::new(TapRouter::new(), web::Auth::loopback_only());
    /// let endpoint = endpoint.trace_view("https://jaeger.example/trace/{trace_id}")?;
    /// assert!(endpoint.trace_view("javascript:alert({trace_id})").is_err());
    /// # Ok::<_, web::TraceViewError>(())
    /// ```
    pub fn trace_view(mut self, template: impl AsRef<str>) -> Result<Self, TraceViewError> {
        self.settings.trace_view = Some(TraceView::new(template.as_ref())?);
        Ok(self)
    }

    /// Returns the endpoint as routes for the service's own application: [`nest`](axum::Router::nest) them.
    pub fn routes(self) -> axum::Router {
        application(&self.build(true))
    }

    pub(super) fn into_state(self) -> Arc<EndpointState> {
        self.build(false)
    }

    fn build(self, is_mounted: bool) -> Arc<EndpointState> {
        let state = Arc::new(EndpointState::new(self.router, self.auth, self.settings, is_mounted));
        if let Some(shutdown) = &state.settings.shutdown {
            shutdown.close_in_the_end(Arc::clone(&state) as _);
        }
        state
    }
}

/// The endpoint's paths alone; the service answers all others.
fn application(state: &Arc<EndpointState>) -> axum::Router {
    let admit = from_fn_with_state(Arc::clone(state), security::admit);
    router_of(routes::all()).route_layer(admit).merge(page_of(state)).with_state(Arc::clone(state))
}

/// The endpoint's paths, and an answer to every other.
pub(super) fn whole_application(state: &Arc<EndpointState>) -> axum::Router {
    let admit = from_fn_with_state(Arc::clone(state), security::admit);
    let authenticated = router_of(routes::all()).fallback(routes::not_found).layer(admit);
    authenticated.merge(page_of(state)).with_state(Arc::clone(state))
}

/// The page, which needs no authentication.
fn page_of(state: &Arc<EndpointState>) -> axum::Router<Arc<EndpointState>> {
    router_of(page::all()).route_layer(from_fn_with_state(Arc::clone(state), security::admit_visitor))
}

fn router_of(all: Vec<Route>) -> axum::Router<Arc<EndpointState>> {
    let application =
        all.into_iter().fold(axum::Router::new(), |application, (path, _, methods)| application.route(path, methods));
    application.method_not_allowed_fallback(routes::method_not_allowed)
}
