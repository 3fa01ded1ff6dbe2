//! Where an event comes from.

use super::Name;
use tracing_core::{Level, Metadata};

/// Where an event comes from: its level, target and place in the source.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A callsite of `tracing`: all of it is static.
    Callsite(&'static Metadata<'static>),
    /// A record of `log`, or an event that was read back.
    Owned(Box<OwnedOrigin>),
}

/// The origin of an event without a static callsite.
#[derive(Clone, Debug)]
pub(crate) struct OwnedOrigin {
    pub(crate) level: Level,
    pub(crate) target: Name,
    pub(crate) name: Name,
    pub(crate) file: Option<Name>,
    pub(crate) line: Option<u32>,
    pub(crate) module_path: Option<Name>,
}

impl Origin {
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Callsite(metadata) => *metadata.level(),
            Self::Owned(owned) => owned.level,
        }
    }

    pub(crate) fn target(&self) -> &str {
        match self {
            Self::Callsite(metadata) => metadata.target(),
            Self::Owned(owned) => &owned.target,
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Callsite(metadata) => metadata.name(),
            Self::Owned(owned) => &owned.name,
        }
    }

    pub(crate) fn file(&self) -> Option<&str> {
        match self {
            Self::Callsite(metadata) => metadata.file(),
            Self::Owned(owned) => owned.file.as_deref(),
        }
    }

    pub(crate) fn line(&self) -> Option<u32> {
        match self {
            Self::Callsite(metadata) => metadata.line(),
            Self::Owned(owned) => owned.line,
        }
    }

    pub(crate) fn module_path(&self) -> Option<&str> {
        match self {
            Self::Callsite(metadata) => metadata.module_path(),
            Self::Owned(owned) => owned.module_path.as_deref(),
        }
    }

    /// Bytes held outside this value.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Callsite(_) => 0,
            Self::Owned(owned) => {
                let optional = [&owned.file, &owned.module_path].into_iter().flatten();
                let texts = [&owned.target, &owned.name].into_iter().chain(optional);
                size_of::<OwnedOrigin>() + texts.map(|text| text.len()).sum::<usize>()
            }
        }
    }
}
