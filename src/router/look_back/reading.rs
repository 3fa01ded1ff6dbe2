//! One reading of all rings, for one session.

use super::spans::Stories;
use crate::layer::Instance;
use crate::past::{Kind, Past, Record, RingRead, SpanName, as_nanos};
use crate::session::open::OpenSession;
use crate::session::sample::RootSerial;
use crate::shared::Shared;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The longest wait for records that are being written. No code of others runs meanwhile, so a thread that takes longer
/// was stopped.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How often spans are looked up that close meanwhile.
const LOOKS: usize = 4;

/// The rings as they were copied, and what is known of the spans in them.
pub(super) struct Reading<'a> {
    pub(super) shared: &'a Shared,
    pub(super) past: &'a Past,
    pub(super) session: &'a Arc<OpenSession>,
    pub(super) instances: FxHashMap<u8, Arc<Instance>>,
    pub(super) rings: Vec<RingRead>,
    pub(super) now: u64,
    system_now: SystemTime,
    /// Events before are not asked for.
    pub(super) since: u64,
    pub(super) stories: Stories,
    pub(super) serials: FxHashMap<SpanName, RootSerial>,
    /// Events that may have matched, but of whose spans too little is known.
    pub(super) unresolved: u64,
    /// Records that were not finished in time.
    pub(super) unfinished: u64,
}

impl<'a> Reading<'a> {
    /// Copies all rings. The session is published already.
    pub(super) fn new(
        shared: &'a Shared,
        past: &'a Past,
        session: &'a Arc<OpenSession>,
        asked: Duration,
        instances: Vec<Arc<Instance>>,
    ) -> Self {
        let named = |instance: Arc<Instance>| Some((instance.past_number()?, instance));
        let mut rings = past.read();
        let unfinished = wait_for_open(past, &mut rings);
        let now = past.now();
        let since = now.saturating_sub(as_nanos(asked).min(as_nanos(past.settings.max_age)));
        let mut reading = Self {
            shared,
            past,
            session,
            instances: instances.into_iter().filter_map(named).collect(),
            rings,
            now,
            system_now: SystemTime::now(),
            since,
            stories: Stories::of_router(shared.router),
            serials: FxHashMap::default(),
            unresolved: 0,
            unfinished,
        };
        reading.learn_of_spans();
        reading
    }

    /// The system's time at that of a record.
    pub(super) fn system_time(&self, time: u64) -> SystemTime {
        let age = Duration::from_nanos(self.now.saturating_sub(time));
        self.system_now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Finds out about all spans that events are in.
    ///
    /// A span that is not found open has closed, and its record is in a ring before that can be seen: so the rings are read
    /// on after each look.
    fn learn_of_spans(&mut self) {
        let mut read = vec![0; self.rings.len()];
        for _ in 0..LOOKS {
            for (ring, read) in self.rings.iter().zip(&mut read) {
                Record::all(&ring.words[*read..]).for_each(|record| self.stories.note(&record));
                *read = ring.words.len();
            }
            let is_complete = self.look_up_spans();
            self.rings.iter_mut().for_each(|ring| self.past.read_on(ring));
            if is_complete {
                break;
            }
        }
        for (ring, read) in self.rings.iter().zip(read) {
            Record::all(&ring.words[read..]).for_each(|record| self.stories.note(&record));
        }
        let recorded = self.rings.iter().map(|ring| ring.overwritten.recorded_until);
        self.stories.settle(recorded.chain([self.past.unrecorded_until()]).max().unwrap_or_default());
    }

    /// Looks up the spans around all events that are not known to have closed. Returns whether all were found.
    fn look_up_spans(&mut self) -> bool {
        let Self { rings, instances, stories, since, .. } = self;
        let mut is_complete = true;
        let events = rings.iter().flat_map(|ring| Record::all(&ring.words)).filter(|record| record.kind == Kind::Event);
        for record in events.filter(|record| record.span != 0 && record.time >= *since) {
            let find = |key: u64| instances.get(&record.instance)?.open_span(key);
            is_complete &= stories.look_up((record.instance, record.span), find);
        }
        is_complete
    }
}

/// Waits until records that were being written are there. Returns how many are not.
fn wait_for_open(past: &Past, rings: &mut [RingRead]) -> u64 {
    let start = Instant::now();
    while rings.iter().any(|ring| ring.is_open) && start.elapsed() < MAX_WAIT {
        std::thread::yield_now();
        rings.iter_mut().filter(|ring| ring.is_open).for_each(|ring| past.read_on(ring));
    }
    rings.iter().filter(|ring| ring.is_open).count() as u64
}
