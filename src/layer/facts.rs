//! An event's own metadata, with records of the `log` bridge told as what they are.

use crate::event::Name;
use std::borrow::Cow;
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
        use tracing_log::NormalizeEvent;
        match is_log_bridge(event.metadata()).then(|| event.normalized_metadata()).flatten() {
            Some(metadata) => Self::LogRecord(metadata),
            None => Self::Callsite(event.metadata()),
        }
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

    /// Whether this field only carries what the facts have told already.
    #[inline]
    pub(crate) fn tell_field(&self, name: &str) -> bool {
        matches!(self, Self::LogRecord(_)) && name.starts_with("log.")
    }

    pub(crate) fn target(&self) -> Name {
        match self {
            Self::Callsite(metadata) => Cow::Borrowed(metadata.target()),
            Self::LogRecord(metadata) => Cow::Owned(metadata.target().to_owned()),
        }
    }

    pub(crate) fn file(&self) -> Option<Name> {
        match self {
            Self::Callsite(metadata) => metadata.file().map(Cow::Borrowed),
            Self::LogRecord(metadata) => metadata.file().map(|file| Cow::Owned(file.to_owned())),
        }
    }

    pub(crate) fn module_path(&self) -> Option<Name> {
        match self {
            Self::Callsite(metadata) => metadata.module_path().map(Cow::Borrowed),
            Self::LogRecord(metadata) => metadata.module_path().map(|path| Cow::Owned(path.to_owned())),
        }
    }

    pub(crate) fn name(&self) -> Name {
        match self {
            Self::Callsite(metadata) => Cow::Borrowed(metadata.name()),
            Self::LogRecord(metadata) => Cow::Owned(metadata.name().to_owned()),
        }
    }
}

/// Whether this is one of the static callsites of `tracing-log`, which are never registered.
pub(crate) fn is_log_bridge(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "log" && metadata.name() == "log event" && metadata.fields().field("log.target").is_some()
}
