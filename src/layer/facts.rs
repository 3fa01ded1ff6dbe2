//! An event's own metadata, with records of the `log` bridge shown as what they are.

use crate::event::{Name, Origin, OwnedOrigin};
use tracing_core::{Event, Metadata};

/// Where an event's level, target and place in the source come from.
#[derive(Debug)]
pub(crate) enum Facts<'a> {
    /// A callsite of `tracing`: all of it is static.
    Callsite(&'static Metadata<'static>),
    /// A record of `log`: the bridge's five static callsites say nothing, the record does.
    #[cfg_attr(not(feature = "log"), expect(dead_code, reason = "made by the feature `log` alone"))]
    LogRecord(Metadata<'a>),
}

impl<'a> Facts<'a> {
    #[cfg(feature = "log")]
    pub(crate) fn of(event: &'a Event<'a>) -> Self {
        if is_log_bridge(event.metadata()) { Self::of_record(event) } else { Self::Callsite(event.metadata()) }
    }

    #[cfg(feature = "log")]
    #[cold]
    fn of_record(event: &'a Event<'a>) -> Self {
        use tracing_log::NormalizeEvent;
        event.normalized_metadata().map_or(Self::Callsite(event.metadata()), Self::LogRecord)
    }

    #[cfg(not(feature = "log"))]
    pub(crate) fn of(event: &'a Event<'a>) -> Self {
        Self::Callsite(event.metadata())
    }

    pub(crate) fn metadata(&self) -> &Metadata<'a> {
        match self {
            Self::Callsite(metadata) => metadata,
            Self::LogRecord(metadata) => metadata,
        }
    }

    /// Whether this field only repeats the facts.
    #[inline]
    pub(crate) fn tell_field(&self, name: &str) -> bool {
        matches!(self, Self::LogRecord(_)) && name.starts_with("log.")
    }

    /// The same for an event that is captured.
    #[inline]
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::Callsite(metadata) => Origin::Callsite(metadata),
            Self::LogRecord(metadata) => Origin::Owned(Box::new(of_record(metadata))),
        }
    }
}

#[cold]
fn of_record(metadata: &Metadata<'_>) -> OwnedOrigin {
    let owned = |text: &str| Name::Owned(text.to_owned());
    OwnedOrigin {
        level: *metadata.level(),
        target: owned(metadata.target()),
        name: owned(metadata.name()),
        file: metadata.file().map(owned),
        line: metadata.line(),
        module_path: metadata.module_path().map(owned),
    }
}

/// Whether this is one of the static callsites of `tracing-log`, which are never registered.
pub(crate) fn is_log_bridge(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "log" && metadata.name() == "log event" && metadata.fields().field("log.target").is_some()
}
