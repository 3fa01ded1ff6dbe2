//! Follows a watched request into the next service.
//!
//! A session of the fleet that is open on [several services](crate::Config::also_on) matches `user = 42` in the first of
//! them, where the user is known. Each request that this service sends while it works for user 42 carries a signed token in
//! its `baggage`, and the next service's session of the same name then follows that one request.
//!
//! ```no_run
//! use axum::{Router, body::Body, routing::get};
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower_http::trace::{DefaultMakeSpan, TraceLayer};
//! use tower_layer::Layer;
//! use tracing::Level;
//! use tracing_tap::TapRouter;
//! use tracing_tap_nats::propagation::Inject;
//! use tracing_tap_nats::{self as fleet, Config, Key};
//!
//! type Http = Inject<Client<HttpConnector, Body>>;
//!
//! fn join(tap: TapRouter, nats: async_nats::Client, key: Key) -> Result<(Router, Http), Box<dyn std::error::Error>> {
//!     let membership = fleet::join(tap, nats, Config::new("orders", key)?, std::future::pending());
//!     let propagator = membership.propagator().hosts(["billing:8080", "*.svc.cluster.local"])?;
//!     tokio::spawn(membership);
//!
//!     // Where requests leave: around any client of `tower`, here hyper's.
//!     let http = propagator.client().layer(Client::builder(TokioExecutor::new()).build_http());
//!     // Where requests arrive: inside `TraceLayer`, which is added after it and creates the request's span. Its own span would
//!     // be DEBUG, which is not there unless another layer wants it.
//!     let request = TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().level(Level::INFO));
//!     let app = Router::new().route("/", get(async || "packed"));
//!     let app = app.layer(propagator.server()).layer(request);
//!     Ok((app, http))
//! }
//! ```
//!
//! For everything else there are [`Propagator::extract`] and [`Propagator::inject`].
//!
//! - **A token opens nothing.** It names sessions that watchers have opened here already, within the limits of this
//!   instance, and a session shows of the request what it would show if the request's fields were known.
//! - **A token is for one request.** It is signed with the fleet's key, lasts 30 s, holds for the trace in `traceparent`,
//!   and counts once. Any other token does nothing but [count](Propagator::stats).
//! - **A token stays inside.** Only [listed](Propagator::hosts) hosts get it. It is removed from requests that arrive, so that
//!   nothing forwards it, and from those that go to other hosts.
//! - **Other baggage is left alone**, byte for byte. If there is no room in its 8,192 bytes and 64 members, the token is left
//!   out.

mod baggage;
mod client;
mod hosts;
mod memory;
mod outcome;
mod server;
#[cfg(test)]
mod tests;
mod token;

pub use client::{Inject, InjectLayer};
pub use hosts::HostError;
pub use outcome::{PropagationStats, TokenOutcome};
pub use server::{Extract, ExtractFuture, ExtractLayer};

use super::key::Keys;
use super::local::LocalSessions;
use super::message::SessionKey;
use super::seal::now_us;
use baggage::Found;
use hosts::Hosts;
use http::HeaderMap;
use http::uri::Authority;
use memory::Memory;
use outcome::Counts;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use token::{MAX_SESSIONS, Token};
use tracing_tap::TapRouter;
use tracing_tap::audit::{AuditEvent, AuditLimit};

/// The audit's name for the place at which a token arrives.
const PLACE: &str = "baggage";

/// Follows watched requests from the previous service into this one, and on into the next: see the [module](self). Clones
/// share their counts.
///
/// Returned by [`Membership::propagator`](crate::Membership::propagator). Without a session on several services, a request
/// costs a look for the header `baggage`.
#[derive(Clone)]
pub struct Propagator {
    shared: Arc<Shared>,
    hosts: Hosts,
}

struct Shared {
    router: TapRouter,
    keys: Keys,
    local: Arc<LocalSessions>,
    memory: Memory,
    counts: Counts,
    refusals: AuditLimit,
}

impl Propagator {
    pub(super) fn new(router: TapRouter, keys: Keys, local: Arc<LocalSessions>) -> Self {
        let (memory, counts, refusals) = Default::default();
        let shared = Shared { router, keys, local, memory, counts, refusals };
        Self { shared: Arc::new(shared), hosts: Hosts::default() }
    }

    /// Adds hosts whose requests carry a token; default none.
    ///
    /// A host is a name or an address, `orders`, on any port, or with the only port allowed, `orders:8080`. `*.internal` is
    /// every name below `internal`. The host is the one in the request's URI, and not the one in its `Host` header.
    ///
    /// # Errors
    /// If a text is not a host.
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, HostError> {
        hosts.into_iter().try_for_each(|host| self.hosts.add(host.as_ref()))?;
        Ok(self)
    }

    /// A layer for servers, of `tower`, `axum` or `tonic`: [`extract`](Self::extract) for each request.
    ///
    /// Put it inside the layer that creates the request's span. It looks for the span when the response is first polled, so
    /// the `trace_fn` of `tonic` is such a layer as well.
    pub fn server(&self) -> ExtractLayer {
        ExtractLayer::new(self.clone())
    }

    /// A layer for clients, of `tower` or `tonic`: [`inject`](Self::inject) for each request.
    ///
    /// Put it inside layers that retry or follow redirects: one outside of them is not asked again. Put it outside of a
    /// `tower::buffer`, whose task is in no span of the request.
    pub fn client(&self) -> InjectLayer {
        InjectLayer::new(self.clone())
    }

    /// Takes the token from a request that has arrived. If it is valid, the sessions it names follow the current span from
    /// now on. Returns whether any does.
    ///
    /// Call it once for a request, inside the request's span and before its other spans. The token is removed in any
    /// case; other baggage stays.
    pub fn extract(&self, headers: &mut HeaderMap) -> bool {
        let Some(found) = baggage::take(headers) else { return false };
        let outcome = self.follow(&found, token::trace_of(headers));
        self.shared.note(outcome);
        outcome == TokenOutcome::Followed
    }

    /// Gives a request that goes to `host` a token, if the current request is watched and the host is
    /// [listed](Self::hosts). `host` is a name or an address, with a port if it is not the default one: `orders:8080`.
    ///
    /// Call it inside the current request's span, after `traceparent` was set: the token holds for that trace alone. A token
    /// that is there already is removed.
    pub fn inject(&self, headers: &mut HeaderMap, host: &str) {
        let host = host.parse::<Authority>().ok();
        self.inject_for(headers, host.as_ref().map(|host| (host.host(), host.port_u16())));
    }

    /// What has become of tokens so far.
    ///
    /// ```no_run
    /// # fn example(propagator: tracing_tap_nats::Propagator) {
    /// use tracing_tap_nats::propagation::TokenOutcome;
    ///
    /// let stats = propagator.stats();
    /// println!("{} of the tokens were forged", stats[TokenOutcome::Forged]);
    /// # }
    /// ```
    pub fn stats(&self) -> PropagationStats {
        self.shared.counts.read()
    }

    /// Whether a request has a token, or something like it.
    fn is_named_in(headers: &HeaderMap) -> bool {
        baggage::is_named_in(headers)
    }

    fn inject_for(&self, headers: &mut HeaderMap, host: Option<(&str, Option<u16>)>) {
        if baggage::take(headers).is_some() {
            self.shared.counts.count(TokenOutcome::Removed);
        }
        let sessions = self.shared.sessions_in_scope();
        if sessions.is_empty() {
            return;
        }
        let is_listed = host.is_some_and(|(host, port)| self.hosts.list(host, port));
        let outcome = if is_listed { self.shared.add_token(headers, sessions) } else { TokenOutcome::UnlistedHost };
        self.shared.counts.count(outcome);
    }

    /// What becomes of a token.
    fn follow(&self, found: &Found, trace: Option<[u8; 16]>) -> TokenOutcome {
        match self.shared.accept(found, trace, now_us() / 1_000_000) {
            Err(refused) => refused,
            Ok(sessions) => {
                let named = self.shared.local.ids_of(&sessions);
                match () {
                    () if named.is_empty() => TokenOutcome::NotOpen,
                    () if self.shared.router.follow_current_span(&named) == 0 => TokenOutcome::NoSpan,
                    () => TokenOutcome::Followed,
                }
            }
        }
    }
}

impl Shared {
    /// The fleet's sessions to which the current request belongs.
    fn sessions_in_scope(&self) -> Vec<SessionKey> {
        if self.local.are_none() {
            return Vec::new();
        }
        let sessions = self.router.sessions_in_scope();
        if sessions.is_empty() { Vec::new() } else { self.local.keys_of(&sessions) }
    }

    fn add_token(&self, headers: &mut HeaderMap, mut sessions: Vec<SessionKey>) -> TokenOutcome {
        if sessions.len() > MAX_SESSIONS {
            self.counts.count(TokenOutcome::TooManySessions);
            sessions.truncate(MAX_SESSIONS);
        }
        let Some(token) = Token::new(sessions, token::trace_of(headers), now_us() / 1_000_000) else {
            return TokenOutcome::NoRandomness;
        };
        match baggage::add(headers, &token.signed(&self.keys)) {
            true => TokenOutcome::Injected,
            false => TokenOutcome::NoRoom,
        }
    }

    /// The sessions that a valid token names.
    ///
    /// # Errors
    /// Why it does nothing.
    fn accept(&self, found: &Found, trace: Option<[u8; 16]>, now: u64) -> Result<Vec<SessionKey>, TokenOutcome> {
        let (token, signature) = Token::read(found.only()?, &self.keys)?;
        token.check(trace, now)?;
        self.memory.remember(signature, Instant::now())?;
        Ok(token.sessions)
    }

    fn note(&self, outcome: TokenOutcome) {
        self.counts.count(outcome);
        if outcome.is_refusal()
            && let Some(suppressed) = self.refusals.admit(Instant::now())
        {
            let (subject, reason) = (PLACE.to_owned(), outcome.word());
            self.router.audit(AuditEvent::MessageIgnored { subject, reason, suppressed });
        }
    }
}

impl fmt::Debug for Propagator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Propagator").field("hosts", &self.hosts).field("stats", &self.stats()).finish_non_exhaustive()
    }
}
