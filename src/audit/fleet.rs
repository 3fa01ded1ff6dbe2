//! What an instance of a fleet tells.

use super::MAX_TEXT_BYTES;
use crate::config::AUDIT_TARGET;
use crate::render::shown::shown_name;

/// A message was not heeded; `suppressed` before it were not told.
#[derive(Debug)]
pub(crate) struct FleetAudit {
    pub(crate) subject: String,
    pub(crate) reason: &'static str,
    pub(crate) suppressed: u64,
}

impl FleetAudit {
    pub(super) fn log(&self) {
        let Self { subject, reason, suppressed } = self;
        let subject = shown_name(subject, MAX_TEXT_BYTES);
        tracing::info!(target: AUDIT_TARGET, subject, reason, suppressed, "message ignored");
    }
}
