//! Asking the subscriber about events that do not exist: is anything in the way between them and this layer?

use super::instance::Instance;
use tracing_core::callsite::{Callsite, Identifier};
use tracing_core::field::FieldSet;
use tracing_core::metadata::Kind;
use tracing_core::{Dispatch, Interest, Level, Metadata};

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
    /// Asks all layers on this thread, as `enabled!` does.
    pub(crate) fn event_visibility(&self, dispatch: &Dispatch, level: Level, target: &str) -> Visibility {
        self.visibility(dispatch, &metadata(level, target, Kind::EVENT))
    }

    /// As [`event_visibility`](Self::event_visibility), of spans.
    pub(crate) fn span_visibility(&self, dispatch: &Dispatch, level: Level) -> Visibility {
        self.visibility(dispatch, &metadata(level, env!("CARGO_CRATE_NAME"), Kind::SPAN))
    }

    /// What this layer would see of what is described so, which may be a callsite that exists.
    pub(crate) fn visibility(&self, dispatch: &Dispatch, metadata: &Metadata<'_>) -> Visibility {
        let mut enabled = false;
        // Inside the guard this layer vetoes nothing, so what hides a callsite is somebody else.
        match (self.is_asked_by(|| enabled = dispatch.enabled(metadata)), enabled) {
            (None, _) => Visibility::Visible,
            (_, false) => Visibility::Hidden,
            (Some(false), true) => Visibility::Withheld,
            (Some(true), true) => Visibility::Visible,
        }
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
