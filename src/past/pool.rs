//! The rings of all threads: made once, taken by one thread after the other.

use super::literals::Literals;
use super::record::{HEADER_WORDS, Kind, Record, SpanRecord};
use super::ring::Ring;
use super::rings::{RingRead, Rings, Seat, literal_bytes, ring_bytes};
use super::settings::LookBack;
use crate::predicate::Reach;
use crate::sync::Numbers;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};
use tracing_core::Metadata;

/// What a router keeps of the past.
#[derive(Debug)]
pub(crate) struct Past {
    /// Names it within the process; 0 names none.
    number: u64,
    pub(crate) settings: LookBack,
    created: Instant,
    /// Made when the layer is installed.
    rings: OnceLock<Rings>,
    /// Events of threads that got no ring.
    unkept: AtomicU64,
    /// When the last of them happened.
    unkept_until: AtomicU64,
    /// When values were recorded on a span whose values before found no ring, or no room in one.
    unrecorded_until: AtomicU64,
    /// The metadata at each address that may be in a ring.
    metadata: DashMap<usize, &'static Metadata<'static>, FxBuildHasher>,
    /// The callsites that are never registered: those of the `log` bridge.
    unregistered: [OnceLock<&'static Metadata<'static>>; UNREGISTERED],
    instances: Numbers,
    /// Whether all callsites have been asked since the rings were made.
    is_on: AtomicBool,
    /// Held while rings are copied, so that there is one copy at a time.
    reading: Mutex<()>,
}

/// As many as a bridge has levels, and some.
const UNREGISTERED: usize = 8;

/// How many events a thread without a ring lets pass before it looks for one again.
const RETRY_AFTER: u32 = 1024;

/// The seat of this thread.
#[derive(Clone, Copy)]
struct Place {
    past: u64,
    /// [`NOWHERE`]: none was free.
    seat: usize,
    /// How many events are to pass before it looks again.
    passes: u32,
}

const NOWHERE: usize = usize::MAX;

/// What a thread writes into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer<'p> {
    past: &'p Past,
    literals: &'p Literals,
    ring: &'p Ring,
}

/// What a thread holds until it ends.
struct Holding {
    past: Weak<Past>,
    seat: usize,
}

thread_local! {
    /// Without a destructor. Where another router's layer was called last, the seat is looked up again.
    static PLACE: Cell<Place> = const { Cell::new(Place { past: 0, seat: NOWHERE, passes: 0 }) };
    static HELD: RefCell<Vec<Holding>> = const { RefCell::new(Vec::new()) };
    static EVENT_EPOCH: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// The epoch of the event that this thread is routing, if that is in a ring; otherwise more than any.
#[inline]
pub(crate) fn event_epoch() -> u64 {
    EVENT_EPOCH.get()
}

impl Past {
    pub(crate) fn new(settings: LookBack) -> Self {
        static PASTS: Numbers = Numbers::new();
        Self {
            number: PASTS.next(),
            settings,
            created: Instant::now(),
            rings: OnceLock::new(),
            unkept: AtomicU64::new(0),
            unkept_until: AtomicU64::new(0),
            unrecorded_until: AtomicU64::new(0),
            metadata: DashMap::default(),
            unregistered: std::array::from_fn(|_| OnceLock::new()),
            instances: Numbers::new(),
            is_on: AtomicBool::new(false),
            reading: Mutex::default(),
        }
    }

    /// The levels and targets of the events that are kept.
    pub(crate) fn reach(&self) -> Vec<Reach> {
        let level = self.settings.level;
        let of = |target: Option<&str>| Reach { level, target: target.map(Arc::from) };
        match self.settings.prefixes() {
            [] => vec![of(None)],
            prefixes => prefixes.iter().map(|prefix| of(Some(prefix))).collect(),
        }
    }

    /// Allocates the rings.
    pub(crate) fn make_rings(&self) {
        self.rings.get_or_init(|| Rings::new(&self.settings, self.now()));
    }

    /// Notes that all callsites have been asked.
    pub(crate) fn set_on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// The bytes of the rings, once events are kept.
    pub(crate) fn bytes(&self) -> usize {
        if !self.is_on.load(Ordering::Relaxed) {
            return 0;
        }
        self.rings
            .get()
            .map_or(0, |rings| rings.seats.len() * ring_bytes(&self.settings) + literal_bytes(&self.settings))
    }

    /// The number of one more layer instance; `None` if there were too many to be told apart.
    pub(crate) fn next_instance(&self) -> Option<u8> {
        self.instances.next().try_into().ok()
    }

    /// Nanoseconds since the router was created.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        // 2.2 years of them fit into a record.
        self.created.elapsed().as_nanos() as u64 & (u64::MAX >> 8)
    }

    /// The moment so many nanoseconds after the router was created.
    pub(crate) fn instant(&self, nanos: u64) -> Option<Instant> {
        self.created.checked_add(Duration::from_nanos(nanos))
    }

    /// Notes the metadata of a callsite, so that a reader finds it by its address.
    pub(crate) fn note_metadata(&self, metadata: &'static Metadata<'static>) {
        self.metadata.insert(address_of(metadata), metadata);
    }

    /// The same for a callsite that is never registered. Returns whether it is noted.
    pub(crate) fn note_unregistered(&self, metadata: &'static Metadata<'static>) -> bool {
        let is_it =
            |place: &&OnceLock<&'static Metadata<'static>>| std::ptr::eq(*place.get_or_init(|| metadata), metadata);
        self.unregistered.iter().any(|place| is_it(&place))
    }

    /// The metadata at an address that was found in a ring.
    pub(crate) fn metadata(&self, address: usize) -> Option<&'static Metadata<'static>> {
        let registered = self.metadata.get(&address).map(|found| *found);
        let mut others = self.unregistered.iter().filter_map(OnceLock::get).copied();
        registered.or_else(|| others.find(|metadata| address_of(metadata) == address))
    }

    /// The text that is kept of a callsite's message.
    pub(crate) fn literal(&self, metadata: &'static Metadata<'static>) -> Option<String> {
        self.rings.get()?.literals.text(address_of(metadata))
    }

    /// What this thread writes into; `None` if it has got no ring.
    #[inline]
    pub(crate) fn writer(self: &Arc<Self>) -> Option<Writer<'_>> {
        let place = PLACE.get();
        let rings = self.rings.get()?;
        let seat = if place.past == self.number { rings.seats.get(place.seat) } else { None };
        let seat = seat.or_else(|| rings.seats.get(self.find_seat(&rings.seats, place)?))?;
        Some(Writer { past: self, literals: &rings.literals, ring: &seat.ring })
    }

    /// Counts an event that finds no ring.
    #[cold]
    pub(crate) fn count_unkept(&self) {
        self.unkept.fetch_add(1, Ordering::Relaxed);
        self.unkept_until.store(self.now(), Ordering::Relaxed);
    }

    /// Writes a record about a span. One that finds no room is noted, if others would take later values for those of then.
    pub(crate) fn write_span(self: &Arc<Self>, record: &SpanRecord<'_>) {
        let is_written = self.writer().is_some_and(|writer| writer.write_span(record));
        if !is_written && record.kind == Kind::Recorded {
            // Relaxed: the values change after this, under a lock that their reader takes.
            self.unrecorded_until.fetch_max(self.now(), Ordering::Relaxed);
        }
    }

    /// Sets the epoch of the event that this thread routes next.
    #[inline]
    pub(crate) fn set_event_epoch(epoch: Option<u64>) {
        EVENT_EPOCH.set(epoch.unwrap_or(u64::MAX));
    }

    #[cold]
    fn find_seat(self: &Arc<Self>, seats: &[Seat], place: Place) -> Option<usize> {
        if place.past == self.number && place.passes > 0 {
            PLACE.set(Place { passes: place.passes - 1, ..place });
            return None;
        }
        let seat = HELD.try_with(|held| {
            let mut held = held.try_borrow_mut().ok()?;
            self.held_or_taken(&mut held, seats)
        });
        let seat = seat.ok().flatten();
        let passes = if seat.is_none() { RETRY_AFTER } else { 0 };
        PLACE.set(Place { past: self.number, seat: seat.unwrap_or(NOWHERE), passes });
        seat
    }

    fn held_or_taken(self: &Arc<Self>, held: &mut Vec<Holding>, seats: &[Seat]) -> Option<usize> {
        let is_ours = |holding: &&Holding| std::ptr::eq(holding.past.as_ptr(), Arc::as_ptr(self));
        if let Some(holding) = held.iter().find(is_ours) {
            return Some(holding.seat);
        }
        let now = self.now();
        let max_age = as_nanos(self.settings.max_age);
        let seat = seats.iter().position(|seat| seat.take(now, max_age))?;
        held.retain(|holding| holding.past.strong_count() > 0);
        held.push(Holding { past: Arc::downgrade(self), seat });
        Some(seat)
    }
}

impl<'p> Writer<'p> {
    /// The most bytes that the values of an event may take.
    #[inline]
    pub(crate) fn max_payload_bytes(&self) -> usize {
        8 * self.ring.max_record_words().saturating_sub(HEADER_WORDS)
    }

    /// The settings of the past that it writes.
    #[inline]
    pub(crate) fn settings(&self) -> &'p LookBack {
        &self.past.settings
    }

    /// The messages that are kept of callsites.
    #[inline]
    pub(crate) fn literals(&self) -> &'p Literals {
        self.literals
    }

    /// Writes an event with so many bytes of values. Returns the epoch in which it happened, for its sessions to be decided
    /// by.
    #[inline]
    pub(crate) fn write_event(
        &self,
        instance: u8,
        metadata: &'static Metadata<'static>,
        span: u64,
        (values, bytes): (&[[u8; 8]], usize),
        epoch: impl FnOnce() -> u64,
    ) -> u64 {
        // Before the read-modify-write in `write`, not after: the clock waits for that, and takes 7 ns more.
        let second = Record::second_word(instance, self.past.now());
        self.ring.write(values, || {
            let epoch = epoch();
            let first = Record::first_word(Kind::Event, bytes, epoch);
            ([first, second, address_of(metadata) as u64, span], epoch)
        })
    }

    /// Writes a record about a span. Returns whether there was room for it.
    fn write_span(&self, record: &SpanRecord<'_>) -> bool {
        let mut payload = SmallVec::<[u8; 128]>::new();
        payload.extend_from_slice(&record.parent.to_le_bytes());
        payload.extend_from_slice(&record.begun.to_le_bytes());
        payload.extend_from_slice(record.values);
        let bytes = payload.len();
        if bytes > self.max_payload_bytes() {
            return false;
        }
        payload.resize(bytes.next_multiple_of(8), 0);
        let first = Record::first_word(record.kind, bytes, 0);
        let second = Record::second_word(record.instance, self.past.now());
        self.ring.write(payload.as_chunks().0, || ([first, second, record.metadata_word(), record.span], ()));
        true
    }
}

/// For readers.
impl Past {
    /// Keeps others from copying meanwhile.
    pub(crate) fn lock_reading(&self) -> MutexGuard<'_, ()> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies all rings.
    pub(crate) fn read(&self) -> Vec<RingRead> {
        let seats = self.rings.get().map_or(&[][..], |rings| &rings.seats);
        // Those of no thread too: one may be taken right now, see the seam in `ring`.
        let mut all: Vec<_> = (0..seats.len()).map(RingRead::new).collect();
        all.iter_mut().for_each(|read| self.read_on(read));
        all
    }

    /// Copies what was written since.
    pub(crate) fn read_on(&self, read: &mut RingRead) {
        if let Some(rings) = self.rings.get() {
            read.go_on(&rings.seats);
        }
    }

    /// When the rings were made; `None` if they are not.
    pub(crate) fn since(&self) -> Option<u64> {
        Some(self.rings.get()?.since)
    }

    /// When values were last recorded on a span of which it is not known what they were before.
    pub(crate) fn unrecorded_until(&self) -> u64 {
        self.unrecorded_until.load(Ordering::Relaxed)
    }

    /// The events that found no ring, if the last of them happened after this moment.
    pub(crate) fn unkept_since(&self, moment: u64) -> u64 {
        let is_since = self.unkept_until.load(Ordering::Relaxed) >= moment;
        if is_since { self.unkept.load(Ordering::Relaxed) } else { 0 }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let Some(past) = self.past.upgrade() else { return };
        PLACE.set(Place { past: past.number, seat: NOWHERE, passes: u32::MAX });
        if let Some(seat) = past.rings.get().and_then(|rings| rings.seats.get(self.seat)) {
            seat.leave(past.now());
        }
    }
}

pub(crate) fn as_nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

/// The address of metadata, which unlike that of its callsite no other has.
#[inline]
pub(crate) fn address_of(metadata: &'static Metadata<'static>) -> usize {
    std::ptr::from_ref(metadata).addr()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A past with this many rings of 4 KiB.
    fn past(rings: usize) -> Arc<Past> {
        let past = Arc::new(Past::new(LookBack::new(rings * (4 << 10) * 16 / 15 + 1).thread_bytes(4 << 10)));
        past.make_rings();
        assert_eq!(past.rings.get().unwrap().seats.len(), rings);
        past
    }

    /// The seat that this thread writes into.
    fn seat(past: &Arc<Past>) -> Option<usize> {
        let ring = past.writer()?.ring;
        past.rings.get()?.seats.iter().position(|seat| std::ptr::eq(&seat.ring, ring))
    }

    #[test]
    fn the_clock_of_the_past_counts_nanoseconds_since_it_was_made() {
        let past = Arc::new(Past::new(LookBack::new(1 << 20)));
        assert_eq!((past.since(), past.instant(7)), (None, Some(past.created + Duration::from_nanos(7))));
        let fine = (0..10_000).any(|_| !past.now().is_multiple_of(256));
        let before = past.now();
        past.make_rings();
        let since = past.since().unwrap();
        assert!(fine && before > 1 && (before..=past.now()).contains(&since), "{before}, {since}");
    }

    #[test]
    fn the_rings_take_the_memory_that_they_may() {
        let past = Past::new(LookBack::new(1 << 20).thread_bytes(64 << 10));
        past.make_rings();
        assert_eq!(past.bytes(), 0, "nothing is kept yet");
        past.set_on();
        assert_eq!(past.bytes(), 1 << 20);
    }

    #[test]
    fn layer_instances_have_numbers_of_their_own() {
        let past = past(1);
        let numbers: Vec<_> = (0..300).map_while(|_| past.next_instance()).collect();
        assert!(numbers.len() > 200 && numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }

    #[test]
    fn a_thread_has_a_seat_of_its_own_in_each_past() {
        let (one, other) = (past(2), past(2));
        std::thread::scope(|scope| {
            let (other, (sender, taken)) = (&other, mpsc::channel());
            let (release, released) = mpsc::channel::<()>();
            scope.spawn(move || {
                sender.send(seat(other)).unwrap();
                let _ = released.recv();
            });
            assert_eq!(taken.recv().unwrap(), Some(0));
            assert_eq!((seat(&one), seat(other)), (Some(0), Some(1)));
            assert_eq!((seat(&one), seat(other)), (Some(0), Some(1)), "it has them until it ends");
            drop(release);
        });
    }

    #[test]
    fn a_past_without_a_free_ring_hides_no_other() {
        let (full, other) = (past(0), past(1));
        assert_eq!((seat(&full), seat(&other), seat(&full)), (None, Some(0), None));
    }

    #[test]
    fn a_thread_forgets_the_pasts_that_are_gone() {
        let held = || HELD.with_borrow(Vec::len);
        let (gone, kept) = (past(1), past(1));
        assert_eq!((seat(&gone), seat(&kept), held()), (Some(0), Some(0), 2));
        drop(gone);
        let late = past(1);
        assert_eq!((seat(&late), held()), (Some(0), 2));
    }

    #[test]
    fn a_record_of_a_span_takes_up_to_half_a_ring() {
        let past = past(1);
        let writer = past.writer().unwrap();
        let max = writer.max_payload_bytes();
        assert_eq!(max, 8 * (512 / 2 - HEADER_WORDS));
        let values = vec![7; max];
        let written = |bytes: usize| {
            let (kind, values) = (Kind::Closed, &values[..bytes - 16]);
            let (instance, metadata) = (3, 64);
            writer.write_span(&SpanRecord {
                kind,
                instance,
                metadata,
                is_hidden: false,
                is_recorded: false,
                span: 9,
                parent: 0,
                begun: 5,
                values,
            })
        };
        assert_eq!([max - 1, max, max + 1, max + 8].map(written), [true, true, false, false]);
    }
}
