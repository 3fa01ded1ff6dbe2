//! Whether records of the `log` crate arrive.

use super::Inquiry;

impl Inquiry<'_> {
    /// Whether the bridge that hands records to `tracing` is missing. Known for sure only where one has arrived, or where
    /// this router is in the default subscriber of the thread that asks: the bridge asks no other.
    pub(super) fn look_at_log_records(&mut self) {
        #[cfg(feature = "log")]
        if !self.core.shared.seen.has_log_record() && self.is_bridge_missing() {
            self.find(crate::coverage::Finding::NoLogRecords);
        }
    }

    #[cfg(feature = "log")]
    fn is_bridge_missing(&self) -> bool {
        let default = |dispatch: &tracing_core::Dispatch| {
            self.installed.iter().map(|(instance, _)| instance).find(|instance| instance.is_in(dispatch)).cloned()
        };
        let Some(instance) = tracing_core::dispatcher::get_default(default) else { return false };
        if tracing_core::LevelFilter::current() < tracing_core::LevelFilter::ERROR {
            return false;
        }
        let question = log::Metadata::builder().level(log::Level::Error).target("tracing_tap").build();
        // The logger is asked, as `log_enabled!` does; nothing is logged. Only the bridge asks us in turn.
        let ask = || {
            let _is_enabled = log::logger().enabled(&question);
        };
        instance.is_asked_by(ask) == Some(false)
    }
}
