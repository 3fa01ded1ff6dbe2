//! Looking back: what each hook writes into the ring of its thread, and what readers find of the spans that are open.

use super::callsite::Callsites;
use super::facts::{Facts, is_log_bridge};
use super::host::Host;
use super::instance::Instance;
use super::keeping::Keeping;
use super::name::{NO_SPAN, key_of};
use super::span::{SpanCell, SpanContents, SpanKey};
use crate::past::{EventValues, Kind, Past, SpanRecord, Writer};
use crate::session::open::OpenSession;
use crate::session::outcome::{Request, RequestSpan};
use crate::session::sample::RootSerial;
use crate::sync::atomic::{Ordering, fence};
use std::cell::RefCell;
use std::sync::Arc;
use tracing_core::{Event, Metadata};

thread_local! {
    /// Kept between events, so that packing one allocates nothing, and moves nothing.
    static VALUES: RefCell<EventValues> = const { RefCell::new(EventValues::new()) };
}

/// An open span, as a reader of the past finds it.
#[derive(Debug)]
pub(crate) struct OpenSpan {
    pub(crate) metadata: &'static Metadata<'static>,
    pub(crate) is_hidden: bool,
    pub(crate) is_recorded: bool,
    /// The key of its parent; 0: it is a root.
    pub(crate) parent: u64,
    /// When it was created; 0: not known.
    pub(crate) begun: u64,
    /// Packed.
    pub(crate) values: Vec<u8>,
}

/// When the values of a span are written.
enum Moment {
    /// Before something is recorded on it.
    BeforeRecord,
    /// As it closes, inside the parent of this key.
    Closing(SpanKey),
}

/// For producers.
impl Instance {
    /// Has looking back switched on, if the router was built with it.
    pub(super) fn ask_for_past(&self) {
        if self.shared.past.is_some() && self.epoch() == 0 {
            self.shared.inbox.look_back();
        }
    }

    /// Notes a callsite for readers of the past.
    pub(super) fn note_for_past(&self, metadata: &'static Metadata<'static>) {
        if let Some(past) = &self.shared.past {
            past.note_metadata(metadata);
        }
    }

    /// Writes an event into the ring of this thread, if events like it are kept. Returns the epoch to route it by.
    #[inline]
    pub(super) fn keep_event<H: Host>(&self, event: &Event<'_>, epoch: u64, host: &H) -> u64 {
        let Some(past) = &self.shared.past else { return epoch };
        let kept = self.try_keep_event(past, event, epoch, host);
        Past::set_event_epoch(kept);
        kept.unwrap_or(epoch)
    }

    #[inline]
    fn try_keep_event<H: Host>(&self, past: &Arc<Past>, event: &Event<'_>, epoch: u64, host: &H) -> Option<u64> {
        let metadata = event.metadata();
        let is_kept = match self.callsites.word(key_of(metadata)) {
            Some(word) => {
                // Without a session it is not routed: coverage would take it for refused.
                Callsites::note_parent(word, event.is_contextual());
                Callsites::keeps_past(word, || self.shared.config.keeps_past_of(metadata))
            }
            None => self.keeps_unregistered(past, event),
        };
        if !is_kept {
            return None;
        }
        let Some((instance, writer)) = self.past_number.zip(past.writer()) else {
            past.count_unkept();
            return None;
        };
        let span = self.key_of_span_around(event, epoch, host);
        let written = VALUES.try_with(|values| {
            let mut values = values.try_borrow_mut().ok()?;
            Some(self.write_event(event, instance, span, writer, &mut values))
        });
        let written = written.ok().flatten();
        Some(written.unwrap_or_else(|| self.write_event(event, instance, span, writer, &mut EventValues::new())))
    }

    fn write_event(
        &self,
        event: &Event<'_>,
        instance: u8,
        span: SpanKey,
        writer: Writer<'_>,
        values: &mut EventValues,
    ) -> u64 {
        values.begin_event(writer.max_payload_bytes());
        let metadata = event.metadata();
        let config = &self.shared.config;
        event.record(&mut Keeping {
            values,
            literals: writer.literals(),
            key: crate::past::address_of(metadata),
            config,
            max_value_bytes: writer.settings().max_value_bytes.min(config.max_value_bytes),
        });
        writer.write_event(instance, metadata, span, values.finish(), || self.epoch())
    }

    /// Whether an event of a callsite that is not registered is kept, as a record of `log` may be.
    #[cold]
    fn keeps_unregistered(&self, past: &Past, event: &Event<'_>) -> bool {
        // As a routed event is noted.
        self.note_unregistered(event.metadata());
        let facts = Facts::of(event);
        let config = &self.shared.config;
        config.keeps_past_of(facts.metadata()) && past.note_unregistered(event.metadata())
    }

    /// The key of the innermost span around an event.
    #[inline]
    fn key_of_span_around(&self, event: &Event<'_>, epoch: u64, host: &dyn Host) -> SpanKey {
        let leaf = match event.is_contextual() {
            true => self.current_by_registry(epoch, host),
            false => self.leaf(event, epoch, host),
        };
        self.past_key(leaf, host)
    }

    /// The key of a span, whose parents are looked up if they are not known: later nobody can tell.
    #[inline]
    fn past_key(&self, id: u64, host: &dyn Host) -> SpanKey {
        if id == NO_SPAN {
            return 0;
        }
        self.spans.key_if_placed(id).unwrap_or_else(|| self.place_and_key(id, host))
    }

    #[cold]
    fn place_and_key(&self, id: u64, host: &dyn Host) -> SpanKey {
        self.tree(id, host);
        self.spans.key(id).unwrap_or_default()
    }

    /// Writes the values of a span on which something is about to be recorded.
    #[inline(never)]
    pub(super) fn keep_record(&self, past: &Arc<Past>, id: u64) {
        if self.epoch() != 0 {
            self.write_span(past, id, &Moment::BeforeRecord);
            self.spans.with(id, |cell| cell.mark_recorded());
        }
    }

    /// Writes the last values of a span that closes.
    #[inline(never)]
    pub(super) fn keep_closing(&self, id: u64, host: &dyn Host) {
        let Some(past) = self.shared.past.as_ref().filter(|_| self.epoch() != 0) else { return };
        let parent = self.parent(id, host);
        let parent = self.past_key(parent, host);
        self.write_span(past, id, &Moment::Closing(parent));
        // Release: a reader that finds it closed finds the record, see `open_span`. No model fails otherwise: the reader's
        // read-modify-write of the ring's head finds it in any order in which `loom` runs them.
        fence(Ordering::Release);
    }

    fn write_span(&self, past: &Arc<Past>, id: u64, moment: &Moment) {
        let (Some(instance), Some(span)) = (self.past_number, self.spans.contents(id)) else { return };
        let SpanContents { key, metadata, is_hidden, is_recorded, values } = span;
        let (kind, parent) = match moment {
            Moment::BeforeRecord => (Kind::Recorded, 0),
            Moment::Closing(parent) => (Kind::Closed, *parent),
        };
        let metadata = crate::past::address_of(metadata);
        past.write_span(&SpanRecord {
            kind,
            instance,
            metadata,
            is_hidden,
            is_recorded,
            span: key,
            parent,
            begun: self.spans.begun(id).unwrap_or_default(),
            values: &values,
        });
    }
}

/// For readers.
impl Instance {
    /// Its number in records of the past.
    pub(crate) fn past_number(&self) -> Option<u8> {
        self.past_number
    }

    /// An open span, by its key in a record; `None` if it has closed, or if nobody knows its parent.
    pub(crate) fn open_span(&self, key: u64) -> Option<OpenSpan> {
        let found =
            self.spans.with_key(key, |cell, place| Some((cell.contents(place)?, cell.parent()?, cell.id()))).flatten();
        // Acquire: pairs with the Release in `keep_closing`.
        fence(Ordering::Acquire);
        let (SpanContents { key: found, metadata, is_hidden, is_recorded, values }, parent, id) = found?;
        let parent = if parent == NO_SPAN { 0 } else { self.spans.key(parent)? };
        let begun = self.spans.begun(id).unwrap_or_default();
        (found == key).then(|| OpenSpan { metadata, is_hidden, is_recorded, parent, begun, values: values.to_vec() })
    }

    /// The serial of an open root.
    pub(crate) fn serial_of_root(&self, key: u64) -> Option<RootSerial> {
        self.spans.with_key(key, |cell, _| cell.serial())
    }

    /// The request that an open span makes for a session; `None` if it has closed.
    pub(crate) fn request_of_open(&self, key: u64, session: &Arc<OpenSession>) -> Option<Arc<Request>> {
        let id = self.spans.with_key(key, |cell, _| cell.id()).filter(|id| *id != NO_SPAN)?;
        let span = self.request_span_of(session, id, Some(key));
        let request = |cell: &SpanCell<'_>| cell.request_of(id, session, span);
        self.spans.with_key(key, |cell, _| request(cell)).flatten().map(|(request, _)| request)
    }

    /// What a session that looks back knows of a request by its span.
    pub(super) fn request_span_of(&self, session: &OpenSession, id: u64, key: Option<u64>) -> RequestSpan {
        let Some(past) = self.shared.past.as_ref().filter(|_| session.limits.look_back.is_some()) else {
            return RequestSpan::default();
        };
        let begun = self.spans.begun(id).and_then(|begun| past.instant(begun));
        RequestSpan { begun, name: self.past_number.zip(key.or_else(|| self.spans.key(id))) }
    }

    /// Marks an open span as followed by a session that an event of the past has matched.
    pub(crate) fn follow_from_past(&self, key: u64, session: &Arc<OpenSession>) {
        let tree = self.spans.with_key(key, |cell, _| {
            let id = cell.id();
            cell.add_followers(id, [session]);
            cell.tree()
        });
        if let Some(tree) = tree.flatten() {
            // After the mark is in place, as after a record.
            self.trees.count_deciding(tree);
            self.trees.count(tree);
        }
    }
}

/// Whether a record is of the `log` crate, whose fields say where it comes from.
pub(crate) fn is_of_log(metadata: &Metadata<'_>) -> bool {
    is_log_bridge(metadata)
}
