//! Traces that are tested or to be shown, and that no span is in.

use super::Inquiry;
use crate::coverage::{Finding, Note};
use crate::trace::{SPAN_ID, TRACE_ID, is_of_trace};
use tracing_core::Metadata;

impl Inquiry<'_> {
    /// The fields that spans may have by their trace.
    pub(super) fn fields_of_traces(&self) -> impl Iterator<Item = &'static str> + use<> {
        let knows_traces = self.core.shared.config.trace_source.is_some();
        [TRACE_ID, SPAN_ID].into_iter().filter(move |_| knows_traces)
    }

    /// Whether some span may satisfy a test of this field by its trace.
    pub(super) fn traces_may_pass(&self, field: &str) -> bool {
        self.fields_of_traces().any(|name| name == field) && self.spans.iter().any(|site| site.exists())
    }

    pub(super) fn look_at_traces(&mut self) {
        let Some(source) = &self.core.shared.config.trace_source else { return };
        if !self.core.shared.seen.lacks_traces() {
            return;
        }
        let spans = self.spans.iter().map(|site| site.metadata);
        let callsites: Vec<&'static Metadata<'static>> = spans.chain(self.events.iter().copied()).collect();
        let Some(reason) = crate::guard::run_user_code(|| source.why_none(&callsites)) else { return };
        let is_tested = self.tested_fields().any(is_of_trace);
        match is_tested {
            true => self.find(Finding::NoTrace { reason }),
            false => self.notes.push(Note::NoTrace { reason }),
        }
    }
}
