//! What an endpoint adds to the audit.

use super::MAX_TEXT_BYTES;
use crate::config::AUDIT_TARGET;
use crate::escape::escaped;
use crate::session::SessionId;
use std::net::SocketAddr;

/// Something that happened at an endpoint besides the opening and ending of sessions, for
/// [`TapRouter::audit`](crate::TapRouter::audit).
///
/// Texts are escaped, and cut at 512 bytes each. Bound how many you log with an [`AuditLimit`](super::AuditLimit): a
/// client that is refused a thousand times a second must not fill the service's logs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuditEvent {
    /// A request was refused: the event `request refused`.
    RequestRefused(RefusedRequest),
    /// A session's reader was disconnected: the event `reader closed`.
    ReaderClosed {
        /// Who opened the session.
        opener: String,
        /// The session's number in this process, if it has one.
        session: Option<SessionId>,
        /// Why, in one word: `stalled`.
        reason: &'static str,
    },
    /// A message from the network was not accepted: the event `message ignored`.
    MessageIgnored {
        /// Where it came in: a subject, a topic, a path.
        subject: String,
        /// Why, in one word: `forged`, `stale`.
        reason: &'static str,
        /// How many were not logged since the last that was.
        suppressed: u64,
    },
}

/// A request that an endpoint refused.
#[derive(Clone, Debug, Default)]
pub struct RefusedRequest {
    /// Who asked, if known.
    pub opener: Option<String>,
    /// The client's address, if known.
    pub peer: Option<SocketAddr>,
    /// What was to be done: `GET`.
    pub method: String,
    /// To what: `/tap/watch`.
    pub path: String,
    /// The status of the answer, by HTTP's numbers.
    pub status: u16,
    /// Why, in one word: `unauthorized`.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub detail: String,
    /// How many were not logged since the last that was.
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
