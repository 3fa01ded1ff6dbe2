//! What spans were called and what values they had at a moment, by the records about them and by those that are open.
//!
//! A record says what the values were before something was recorded, or when the span closed. So at a moment a span had the
//! values of the first record after that, or those that it has now. Nothing was recorded in between that is not in a ring,
//! if the moment is after all such records that were overwritten or found no room.

use crate::event::{CapturedSpan, Fields, Lane, RequestId, plain_name};
use crate::layer::OpenSpan;
use crate::past::{Kind, Past, Record, SpanName};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;

/// A span around an event.
#[derive(Clone, Debug)]
pub(super) struct Around {
    pub(super) name: SpanName,
    /// `None` if scopes do not show it.
    pub(super) shown: Option<Arc<CapturedSpan>>,
}

/// The spans from the innermost one to the root.
pub(super) type Path = SmallVec<[Around; 8]>;

/// What is known of all spans.
#[derive(Debug, Default)]
pub(super) struct Stories {
    /// The router: the ids of requests are made with it.
    router: u64,
    spans: FxHashMap<SpanName, Story>,
    /// The time of the last record of values that was overwritten or found no room.
    recorded_until: u64,
}

#[derive(Debug, Default)]
struct Story {
    /// The address of its metadata, how it is shown, and its parent's key.
    end: Option<End>,
    /// Its values before each record, by time.
    before: Vec<(u64, Version)>,
}

#[derive(Debug)]
struct End {
    metadata: usize,
    is_hidden: bool,
    is_recorded: bool,
    parent: u64,
    /// When it was created; 0: not known.
    begun: u64,
    /// `None` if it was found open.
    closed: Option<u64>,
    values: Version,
}

/// When a span was created and closed, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Life {
    pub(super) begun: Option<u64>,
    pub(super) closed: Option<u64>,
}

/// Packed values, and the span that was made of them.
#[derive(Debug)]
struct Version {
    packed: Vec<u8>,
    captured: Option<Arc<CapturedSpan>>,
}

impl Stories {
    pub(super) fn of_router(router: u64) -> Self {
        Self { router, ..Self::default() }
    }

    /// Takes note of a record, unless it is of an event.
    pub(super) fn note(&mut self, record: &Record<'_>) {
        if record.kind == Kind::Event {
            return;
        }
        let payload = record.bytes();
        let Some((parent, rest)) = payload.split_first_chunk() else { return };
        let Some((begun, packed)) = rest.split_first_chunk() else { return };
        let story = self.spans.entry((record.instance, record.span)).or_default();
        let values = Version::new(packed.to_vec());
        if record.kind == Kind::Recorded {
            return story.before.push((record.time, values));
        }
        story.end = Some(End {
            metadata: record.metadata,
            is_hidden: record.is_hidden(),
            is_recorded: record.is_recorded(),
            parent: u64::from_le_bytes(*parent),
            begun: u64::from_le_bytes(*begun),
            closed: Some(record.time),
            values,
        });
    }

    /// Looks up a span and those around it, unless they are known. Returns whether all are.
    pub(super) fn look_up(&mut self, name: SpanName, find: impl Fn(u64) -> Option<OpenSpan>) -> bool {
        let mut next = name;
        while next.1 != 0 {
            let story = self.spans.entry(next).or_default();
            if story.end.is_none() {
                let Some(found) = find(next.1) else { return false };
                story.end = Some(End::open(found));
            }
            next.1 = story.end.as_ref().map_or(0, |end| end.parent);
        }
        true
    }

    /// When a span was created and closed.
    pub(super) fn life(&self, name: SpanName) -> Life {
        let end = self.spans.get(&name).and_then(|story| story.end.as_ref());
        end.map_or_else(Life::default, |end| Life {
            begun: Some(end.begun).filter(|begun| *begun > 0),
            closed: end.closed,
        })
    }

    /// Called once, after all records were noted. Something was recorded until then of which nothing is left.
    pub(super) fn settle(&mut self, recorded_until: u64) {
        self.recorded_until = recorded_until;
        self.spans.values_mut().for_each(|story| story.before.sort_by_key(|(time, _)| *time));
    }

    /// The span and those around it as they were at a moment; `None` if that is not known of each.
    pub(super) fn path(&mut self, innermost: SpanName, time: u64, past: &Past) -> Option<Path> {
        let mut path = Path::new();
        let mut next = innermost;
        while next.1 != 0 {
            let story = self.spans.get_mut(&next)?;
            let request = || Lane::of_past(self.router, next.0).request(next.1);
            path.push(Around { name: next, shown: story.shown_at(time, self.recorded_until, past, request)? });
            next.1 = story.end.as_ref()?.parent;
        }
        Some(path)
    }
}

impl Story {
    /// The span as it was; nothing inside if scopes do not show it.
    fn shown_at(
        &mut self,
        time: u64,
        recorded_until: u64,
        past: &Past,
        request: impl FnOnce() -> RequestId,
    ) -> Option<Option<Arc<CapturedSpan>>> {
        let end = self.end.as_mut()?;
        let is_recorded = end.is_recorded || !self.before.is_empty();
        if is_recorded && time < recorded_until {
            return None;
        }
        if end.is_hidden {
            return Some(None);
        }
        let metadata = end.metadata;
        let version = match self.before.iter_mut().find(|(recorded_at, _)| *recorded_at > time) {
            Some((_, before)) => before,
            None => &mut end.values,
        };
        version.captured(metadata, past, request).map(Some)
    }
}

impl End {
    fn open(span: OpenSpan) -> Self {
        let OpenSpan { metadata, is_hidden, is_recorded, parent, begun, values } = span;
        let metadata = crate::past::address_of(metadata);
        Self { metadata, is_hidden, is_recorded, parent, begun, closed: None, values: Version::new(values) }
    }
}

impl Version {
    fn new(packed: Vec<u8>) -> Self {
        Self { packed, captured: None }
    }

    fn captured(
        &mut self,
        metadata: usize,
        past: &Past,
        request: impl FnOnce() -> RequestId,
    ) -> Option<Arc<CapturedSpan>> {
        if let Some(captured) = &self.captured {
            return Some(Arc::clone(captured));
        }
        let metadata = past.metadata(metadata)?;
        let mut fields = Fields::of_packed(metadata.fields(), &self.packed);
        fields.keep_last();
        let captured = Arc::new(CapturedSpan {
            name: Cow::Borrowed(plain_name(metadata.name())),
            level: *metadata.level(),
            target: Cow::Borrowed(metadata.target()),
            fields,
            trace: None,
            request: Some(request()),
        });
        self.captured = Some(Arc::clone(&captured));
        Some(captured)
    }
}
