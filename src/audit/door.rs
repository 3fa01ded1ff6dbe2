//! What the HTTP door tells.

use super::MAX_TEXT_BYTES;
use crate::config::AUDIT_TARGET;
use crate::render::shown::shown_name;
use std::net::SocketAddr;

/// Something that happened at the door and is about no session that was opened or ended.
#[derive(Debug)]
pub(crate) enum DoorAudit {
    /// A request was refused; `suppressed` before it were not told.
    RequestRefused {
        opener: Option<String>,
        peer: Option<SocketAddr>,
        method: String,
        path: String,
        status: u16,
        reason: &'static str,
        detail: String,
        suppressed: u64,
    },
    /// A session's reader was sent away; a session of the fleet has no number.
    ReaderClosed { opener: String, session: Option<u64>, reason: &'static str },
}

impl DoorAudit {
    pub(super) fn log(&self) {
        let shown = |text: &str| shown_name(text, MAX_TEXT_BYTES);
        match self {
            Self::RequestRefused { opener, peer, method, path, status, reason, detail, suppressed } => tracing::info!(
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
            ),
            Self::ReaderClosed { opener, session, reason } => {
                tracing::info!(target: AUDIT_TARGET, opener = shown(opener), session, reason, "reader closed");
            }
        }
    }
}
