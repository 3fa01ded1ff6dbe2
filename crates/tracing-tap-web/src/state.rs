//! What all requests to an endpoint share.

use super::auth::Auth;
use super::hub::{Hub, HubSession};
use super::shutdown::{Closes, Shutdown};
use super::trace_view::TraceView;
use axum::routing::MethodRouter;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing_tap::audit::AuditLimit;
use tracing_tap::endpoint::SessionSource;
use tracing_tap::{EndReason, TapRouter};

/// Sessions that are opened at the same time. Each may hold one of the runtime's blocking threads for a second.
const MAX_OPENINGS: usize = 4;

/// A path below the endpoint, its method, and its handler.
pub(super) type Route = (&'static str, &'static str, MethodRouter<Arc<EndpointState>>);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) grace_period: Duration,
    pub(super) stall_timeout: Duration,
    pub(super) heartbeat: Duration,
    pub(super) batch_delay: Duration,
    pub(super) request_timeout: Duration,
    pub(super) max_connections: usize,
    /// Connections without an accepted request yet.
    pub(super) max_pending_connections: usize,
    pub(super) allowed_origins: Vec<String>,
    pub(super) shutdown: Option<Shutdown>,
    /// Where sessions are opened. Default: the endpoint's own router.
    pub(super) source: Option<Arc<dyn SessionSource>>,
    /// Whether callers may take CPU profiles.
    #[cfg(feature = "cpu")]
    pub(super) cpu_profiles: bool,
    /// Where the page links traces to.
    pub(super) trace_view: Option<TraceView>,
}

/// What all requests to an endpoint share.
#[derive(Debug)]
pub(super) struct EndpointState {
    pub(super) router: TapRouter,
    pub(super) auth: Auth,
    pub(super) settings: Settings,
    pub(super) hub: Hub,
    #[cfg(feature = "cpu")]
    pub(super) profiles: super::profiles::Profiles,
    pub(super) refusals: AuditLimit,
    pub(super) openings: Arc<Semaphore>,
    /// Whether the service's own server carries it, so that sessions see what that server logs.
    pub(super) is_mounted: bool,
}

impl EndpointState {
    pub(super) fn new(router: TapRouter, auth: Auth, settings: Settings, is_mounted: bool) -> Self {
        Self {
            router,
            auth,
            settings,
            hub: Hub::default(),
            #[cfg(feature = "cpu")]
            profiles: super::profiles::Profiles::default(),
            refusals: AuditLimit::default(),
            openings: Arc::new(Semaphore::new(MAX_OPENINGS)),
            is_mounted,
        }
    }

    /// Ends a session. Its reader gets the remaining items, then the end.
    pub(super) fn end(&self, session: &HubSession, reason: EndReason) {
        match session.about.session {
            Some(id) => drop(self.router.close_with(id, reason)),
            None => session.feed().end(reason),
        }
    }
}

impl Closes for EndpointState {
    /// Rejects new sessions, and ends the open ones: their readers get the remaining items and the reason.
    fn close(&self) {
        self.hub.close().iter().for_each(|session| self.end(session, EndReason::Shutdown));
        #[cfg(feature = "cpu")]
        for session in self.profiles.sessions() {
            self.router.close_with(session, EndReason::Shutdown);
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grace_period: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(15),
            heartbeat: Duration::from_secs(15),
            batch_delay: Duration::from_millis(50),
            request_timeout: Duration::from_secs(10),
            max_connections: 256,
            max_pending_connections: 128,
            allowed_origins: Vec::new(),
            shutdown: None,
            source: None,
            #[cfg(feature = "cpu")]
            cpu_profiles: false,
            trace_view: None,
        }
    }
}
