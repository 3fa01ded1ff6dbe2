//! Asking the subscriber about events that do not exist: is anything in the way between them and this layer?

use super::callsite::key_of;
#[cfg(feature = "log")]
use super::facts::has_seen_log_record;
use super::instance::Instance;
use super::thread;
#[cfg(feature = "log")]
use crate::guard::run_user_code;
use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::field::FieldSet;
use tracing_core::metadata::Kind;
use tracing_core::{Dispatch, Interest, Level, Metadata};
#[cfg(feature = "log")]
use tracing_log::AsTrace;

/// What the layer would see of an event or span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// It would be handed over.
    Visible,
    /// A filter around the layer keeps it from the layer alone.
    Withheld,
    /// It would happen for nobody.
    Hidden,
}

impl Instance {
    /// What this layer would see of events of this level and target.
    ///
    /// Asks all layers on this thread, as `enabled!` does. While no session is open nothing is said to be withheld.
    pub(crate) fn event_visibility(&self, dispatch: &Dispatch, level: Level, target: &str) -> Visibility {
        self.visibility(dispatch, &metadata(level, target, Kind::EVENT))
    }

    /// As [`event_visibility`](Self::event_visibility), of spans.
    pub(crate) fn span_visibility(&self, dispatch: &Dispatch, level: Level) -> Visibility {
        self.visibility(dispatch, &metadata(level, env!("CARGO_CRATE_NAME"), Kind::SPAN))
    }

    /// What this layer would see of what is described so, which may be a callsite that exists.
    pub(crate) fn visibility(&self, dispatch: &Dispatch, metadata: &Metadata<'_>) -> Visibility {
        let asked = |key| thread::with(|state| state.asked.replace(key));
        asked(0);
        let enabled = dispatch.enabled(metadata);
        // Forgotten, so that an event whose arguments asked this is asked about once more.
        let reached = asked(0) == key_of(metadata) || self.epoch() == 0;
        match (enabled, reached) {
            (false, _) => Visibility::Hidden,
            (true, false) => Visibility::Withheld,
            (true, true) => Visibility::Visible,
        }
    }
}

/// What a session should know of records of the `log` crate, which come only through a logger that hands them on.
#[cfg(feature = "log")]
impl Instance {
    /// Whether any has come while a session was open. What came before that is not known: it would cost each event.
    #[cfg_attr(not(test), expect(dead_code, reason = "the verdict of coverage is to ask it"))]
    #[expect(clippy::unused_self, reason = "asked of a layer, though the logger is the process's")]
    pub(crate) fn has_seen_log_record(&self) -> bool {
        has_seen_log_record()
    }

    /// Whether they come: whether the logger asks the subscriber of this layer, which must be this thread's default, as
    /// `tracing_log::LogTracer` does. Nothing while no session is open. Runs the logger's `enabled`, so no lock may be held.
    pub(crate) fn hears_log(&self) -> Option<bool> {
        if self.epoch() == 0 {
            return None;
        }
        let record = log::Metadata::builder().level(log::Level::Error).target(env!("CARGO_CRATE_NAME")).build();
        let asked = |key| thread::with(|state| state.asked.replace(key));
        asked(0);
        run_user_code(|| log::logger().enabled(&record));
        Some(asked(0) == key_of(&record.as_trace()))
    }
}

/// The callsite of what does not exist. Never registered, so nothing is known of it and it is never vetoed.
struct Nowhere {
    /// So that it has an address of its own.
    _identity: u8,
}

static NOWHERE: Nowhere = Nowhere { _identity: 0 };
static METADATA: Metadata<'static> = metadata(Level::ERROR, "", Kind::EVENT);

impl Callsite for Nowhere {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &METADATA
    }
}

const fn metadata(level: Level, target: &str, kind: Kind) -> Metadata<'_> {
    let fields = FieldSet::new(&[], Identifier(&NOWHERE));
    Metadata::new("coverage", target, level, None, None, None, fields, kind)
}

#[cfg(all(test, feature = "log"))]
mod tests {
    use super::*;
    use crate::{Predicate, TapRouter};
    use tracing_subscriber::prelude::*;

    #[test]
    fn it_is_known_whether_records_of_log_come_and_whether_any_came() {
        let router = TapRouter::new();
        // Sets the logger as well, as another test of this process may have done.
        let _default = tracing_subscriber::registry().with(router.layer()).set_default();
        let instance = router.instance();
        assert_eq!(instance.hears_log(), None, "no session is open");
        let mut stream = router.watch(Predicate::target("store"));
        let elsewhere = || tracing_core::dispatcher::with_default(&Dispatch::none(), || instance.hears_log());
        assert_eq!((instance.hears_log(), elsewhere()), (Some(true), Some(false)));
        log::debug!(target: "store", "by the bridge");
        assert!(instance.has_seen_log_record());
        assert_eq!(stream.drain().count(), 1, "what was asked made up nothing");
    }
}
