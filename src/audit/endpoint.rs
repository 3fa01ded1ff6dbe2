//! Events that an endpoint adds to the audit.

use super::MAX_TEXT_BYTES;
use crate::config::AUDIT_TARGET;
use crate::escape::escaped;
use crate::session::SessionId;
use std::net::SocketAddr;

/// An event at an endpoint, other than the opening and ending of sessions. Logged by
/// [`TapRouter::audit`](crate::TapRouter::audit).
///
/// Each text is escaped, and cut at 512 bytes. Limit the rate with an [`AuditLimit`](super::AuditLimit): a client that is
/// refused a thousand times a second must not fill the service's logs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuditEvent {
    /// A request was refused. Logged as `request refused`.
    RequestRefused(RefusedRequest),
    /// The endpoint disconnected a session's reader. Logged as `reader closed`.
    ReaderClosed {
        /// The opener of the session.
        opener: String,
        /// The session's number in this process; `None` if it was opened elsewhere.
        session: Option<SessionId>,
        /// The reason as one word: `stalled`.
        reason: &'static str,
    },
    /// A message from the network was not accepted. Logged as `message ignored`.
    MessageIgnored {
        /// The subject, topic or path on which it arrived.
        subject: String,
        /// The reason as one word: `forged`, `stale`.
        reason: &'static str,
        /// The number of events not logged since the last logged one: what [`AuditLimit::admit`](super::AuditLimit::admit)
        /// returned.
        suppressed: u64,
    },
}

/// A request that an endpoint refused; see [`AuditEvent::RequestRefused`].
#[derive(Clone, Debug, Default)]
pub struct RefusedRequest {
    /// The authenticated caller; `None` if the caller is unknown.
    pub opener: Option<String>,
    /// The client's address; `None` if it is unknown.
    pub peer: Option<SocketAddr>,
    /// The request's method: `GET`.
    pub method: String,
    /// The request's path: `/tap/watch`.
    pub path: String,
    /// The response's HTTP status code.
    pub status: u16,
    /// The reason as one word: `unauthorized`.
    pub reason: &'static str,
    /// The reason as a sentence.
    pub detail: String,
    /// The number of refusals not logged since the last logged one: what
    /// [`AuditLimit::admit`](super::AuditLimit::admit) returned.
    pub suppressed: u64,
}

impl AuditEvent {
    pub(super) fn log(&self) {
        let shown = |text: &str| escaped(text, MAX_TEXT_BYTES);
        match self {
            Self::RequestRefused(request) => request.log(),
            Self::ReaderClosed { opener, session, reason } => {
                tracing::info!(target: AUDIT_TARGET, opener = shown(opener), session = session.map(|session| session.0), reason, "reader closed");
            }
            Self::MessageIgnored { subject, reason, suppressed } => {
                tracing::info!(target: AUDIT_TARGET, subject = shown(subject), reason, suppressed, "message ignored");
            }
        }
    }
}

impl RefusedRequest {
    fn log(&self) {
        let shown = |text: &str| escaped(text, MAX_TEXT_BYTES);
        let Self { opener, peer, method, path, status, reason, detail, suppressed } = self;
        tracing::info!(
            target: AUDIT_TARGET,
            opener = opener.as_deref().map(shown),
            peer = peer.map(|peer| peer.to_string()),
            method = shown(method),
            path = shown(path),
            status,
            reason,
            error = shown(detail),
            suppressed,
            "request refused"
        );
    }
}
