//! Asks the subscriber about events that do not exist: would a filter hide them from this layer?

use super::instance::Instance;
#[cfg(feature = "log")]
use crate::guard::run_user_code;
use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::field::FieldSet;
use tracing_core::metadata::Kind;
use tracing_core::{Dispatch, Interest, Level, Metadata};

/// What the layer would see of an event or span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// The layer would get it.
    Visible,
    /// A filter around the layer hides it from this layer alone.
    HiddenFromLayer,
    /// It is disabled for all layers.
    Disabled,
}

impl Instance {
    /// What this layer would see of events of this level and target.
    ///
    /// Asks all layers on this thread, as `enabled!` does.
    pub(crate) fn event_visibility(&self, dispatch: &Dispatch, level: Level, target: &str) -> Visibility {
        self.visibility(dispatch, &metadata(level, target, Kind::EVENT))
    }

    /// As [`event_visibility`](Self::event_visibility), of spans.
    pub(crate) fn span_visibility(&self, dispatch: &Dispatch, level: Level) -> Visibility {
        self.visibility(dispatch, &metadata(level, env!("CARGO_CRATE_NAME"), Kind::SPAN))
    }

    /// What this layer would see of a callsite with this metadata, which may exist.
    pub(crate) fn visibility(&self, dispatch: &Dispatch, metadata: &Metadata<'_>) -> Visibility {
        let mut enabled = false;
        // Inside the guard this layer vetoes nothing, so what hides a callsite is another layer.
        match (self.is_asked_by(|| enabled = dispatch.enabled(metadata)), enabled) {
            (None, _) => Visibility::Visible,
            (_, false) => Visibility::Disabled,
            (Some(false), true) => Visibility::HiddenFromLayer,
            (Some(true), true) => Visibility::Visible,
        }
    }
}

/// What a session should know of records of the `log` crate, which come only through a logger that hands them on.
#[cfg(feature = "log")]
impl Instance {
    /// Whether they come: whether the logger asks the subscriber of this layer, which must be this thread's default, as
    /// `tracing_log::LogTracer` does. `None` while no session is open. Runs the logger's `enabled`, so no lock may be held.
    pub(crate) fn accepts_log(&self) -> Option<bool> {
        if self.epoch() == 0 {
            return None;
        }
        let record = log::Metadata::builder().level(log::Level::Error).target(env!("CARGO_CRATE_NAME")).build();
        self.is_asked_by(|| {
            run_user_code(|| log::logger().enabled(&record));
        })
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
    fn whether_the_bridge_asks_this_layer_is_known() {
        let router = TapRouter::new();
        // Sets the logger as well, as another test of this process may have done.
        let _default = tracing_subscriber::registry().with(router.layer()).set_default();
        let instance = router.instance();
        assert_eq!(instance.accepts_log(), None, "no session is open");
        let mut stream = router.watch(Predicate::target("store"));
        let elsewhere = || tracing_core::dispatcher::with_default(&Dispatch::none(), || instance.accepts_log());
        assert_eq!((instance.accepts_log(), elsewhere()), (Some(true), Some(false)));
        log::debug!(target: "store", "by the bridge");
        assert_eq!(stream.drain().count(), 1, "what was asked made up nothing");
    }
}
