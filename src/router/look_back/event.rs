//! An event of the past: what it was, and whether the session gets it.

use super::reading::Reading;
use super::spans::Path;
use crate::event::{CapturedEvent, Fields, Name, Origin, OwnedOrigin, plain_name};
use crate::layer::is_of_log;
use crate::past::{PastValue, Record, RingRead, SpanName, values};
use crate::session::Follow;
use crate::session::admission::Admission;
use crate::session::sample::RootSerial;
use crate::session::scope::{CapturedChain, CapturedSpans};
use crate::value::{TextRef, ValueRef};
use rustc_hash::FxHashSet;
use std::sync::Arc;
use tracing_core::Metadata;

/// An event of the past, with the spans around it.
pub(super) struct EventInPast {
    pub(super) event: CapturedEvent,
    pub(super) time: u64,
    /// All of its values, of which it shows some.
    tested: Fields,
    /// Its callsite, if values found no room: those of which of its fields is not known.
    cut: Option<&'static Metadata<'static>>,
    pub(super) path: Path,
}

/// A span whose later events belong to the session.
pub(super) type Followed = FxHashSet<SpanName>;

/// An event that the session gets if its limits admit it.
#[derive(Clone, Copy)]
pub(super) struct Matching<'e>(pub(super) &'e EventInPast);

impl EventInPast {
    /// Whether a field of this name may have had a value that was not kept.
    fn may_lack(&self, name: &str) -> bool {
        let declares = |callsite: &Metadata<'_>| callsite.fields().iter().any(|field| plain_name(field.name()) == name);
        self.cut.is_some_and(declares) && self.tested.last(name).is_none()
    }
}

impl Reading<'_> {
    /// The event of a record; `None` if it cannot match, or if too little is left of its spans, which is counted.
    pub(super) fn event_of(&mut self, record: &Record<'_>, ring: &RingRead) -> Option<EventInPast> {
        let Some(metadata) = self.past.metadata(record.metadata) else {
            self.unresolved += 1;
            return None;
        };
        let bytes = record.bytes();
        let literal = self.past.literal(metadata);
        let (tested, omitted) = fields(metadata, &bytes, literal.as_deref());
        let (origin, tested) = origin_of(metadata, tested);
        if !self.session.reaches(origin.level(), origin.target()) {
            return None;
        }
        let Some(path) = self.stories.path((record.instance, record.span), record.time, self.past) else {
            self.unresolved += 1;
            return None;
        };
        let spans = CapturedSpans::new(chain(&path));
        let (own, left_out) = first(&tested, metadata, self.shared.config.max_event_fields);
        let mut event = CapturedEvent::new(origin, own, spans.spans);
        event.time = self.system_time(record.time);
        event.thread.clone_from(&ring.thread);
        event.omitted_fields = left_out + u32::from(omitted);
        event.is_past = true;
        event.weigh(spans.bytes);
        let cut = (omitted > 0).then_some(metadata);
        Some(EventInPast { event, time: record.time, tested, cut, path })
    }

    /// Whether the session gets an event; where that is not known, it is counted. Follows what that has it follow.
    pub(super) fn decide<'e>(&mut self, event: &'e EventInPast, followed: &mut Followed) -> Option<Matching<'e>> {
        let is_followed = event.path.iter().any(|span| followed.contains(&span.name));
        let may_lack = |name: &str| event.may_lack(name);
        match self.session.matches_past(&event.event, &event.tested, may_lack, &chain(&event.path), is_followed) {
            Some(true) => {
                followed.extend(self.to_follow(&event.path));
                Some(Matching(event))
            }
            Some(false) => None,
            None => {
                self.unresolved += 1;
                None
            }
        }
    }

    fn to_follow(&self, path: &Path) -> Option<SpanName> {
        let mut shown = path.iter().filter_map(|span| Some((span.name, span.shown.as_deref()?)));
        match self.session.follow() {
            Follow::Event => None,
            Follow::Root => path.last().map(|span| span.name),
            Follow::Span => shown.next().map(|(name, _)| name),
            Follow::Named(wanted) => shown.find(|(_, span)| span.name() == plain_name(wanted)).map(|(name, _)| name),
        }
    }

    /// Gives a matching event to the session, if its limits admit it.
    pub(super) fn admit(&mut self, matching: Matching<'_>) {
        if self.admission(matching) == Admission::Admitted {
            self.session.push_past(Arc::new(matching.0.event.clone()));
            if self.session.is_used_up() {
                self.shared.session_is_full(self.session);
            }
        }
    }

    /// Whether an event must be held or pushed.
    pub(super) fn admission(&mut self, Matching(matching): Matching<'_>) -> Admission {
        let root = matching.path.last().map(|root| self.serial_of(root.name));
        let sampled = self.session.sampled(|| root);
        self.shared.admission_of_past(self.session, sampled)
    }

    fn serial_of(&mut self, root: SpanName) -> RootSerial {
        let (instance, key) = root;
        let open = || self.instances.get(&instance)?.serial_of_root(key);
        *self.serials.entry(root).or_insert_with(|| open().unwrap_or_else(RootSerial::next))
    }
}

fn chain(path: &Path) -> CapturedChain {
    path.iter().filter_map(|span| span.shown.clone()).collect()
}

/// The values of an event, and how many were not kept.
fn fields(metadata: &'static Metadata<'static>, bytes: &[u8], literal: Option<&str>) -> (Fields, u16) {
    let mut fields = Fields::named(metadata.fields());
    let mut omitted = 0;
    for value in values(bytes) {
        match value {
            PastValue::Field(place, value) => fields.push(place, value),
            PastValue::Literal(place) => {
                let text = literal.unwrap_or_default();
                fields.push(place, ValueRef::Debug(TextRef { text, cut: false }));
            }
            PastValue::Omitted(count) => omitted = count,
        }
    }
    (fields, omitted)
}

/// Where an event comes from, and its own fields: those of the `log` bridge say where a record comes from.
fn origin_of(metadata: &'static Metadata<'static>, fields: Fields) -> (Origin, Fields) {
    if !is_of_log(metadata) {
        return (Origin::Callsite(metadata), fields);
    }
    let text = |name: &str| match fields.last(name) {
        Some(ValueRef::Str(text)) => Some(Name::Owned(text.text.to_owned())),
        _ => None,
    };
    let line = match fields.last("log.line") {
        Some(ValueRef::U64(line)) => line.try_into().ok(),
        _ => None,
    };
    let origin = OwnedOrigin {
        level: *metadata.level(),
        target: text("log.target").unwrap_or_else(|| metadata.target().into()),
        name: metadata.name().into(),
        file: text("log.file"),
        line,
        module_path: text("log.module_path"),
    };
    let own = kept(&fields, metadata, |name| !name.starts_with("log."));
    (Origin::Owned(Box::new(origin)), own)
}

/// The first fields, as many as an event may show, and how many more there are.
fn first(fields: &Fields, metadata: &'static Metadata<'static>, room: usize) -> (Fields, u32) {
    let count = fields.iter().count();
    if count <= room {
        return (fields.clone(), 0);
    }
    let mut left = room;
    let first = kept(fields, metadata, |_| {
        let is_first = left > 0;
        left = left.saturating_sub(1);
        is_first
    });
    (first, (count - room) as u32)
}

fn kept(fields: &Fields, metadata: &'static Metadata<'static>, mut keeps: impl FnMut(&str) -> bool) -> Fields {
    let mut kept = Fields::named(metadata.fields());
    for (name, value) in fields.iter() {
        let place = metadata.fields().iter().position(|field| plain_name(field.name()) == name);
        if let Some(place) = place.filter(|_| keeps(name)) {
            kept.push(place, value);
        }
    }
    kept
}
