//! The table of spans: found by their ids without hashing, written without an allocation.
//!
//! An id of the registry is the place of the span in the memory of the thread that created it, that thread's number,
//! and a generation. So thread and place name a cell of their own here. Nothing but speed relies on that: a cell says
//! whose it is, and what finds its cell taken goes to an ordinary map.

use super::alone::Alone;
use super::begun::Begun;
use super::kept::{Kept, NewSpan};
use super::name::NO_SPAN;
use super::place::{CHUNK_CELLS, CHUNKS, PLACE_BITS, SHARDS, index, place};
use super::span::{ALONE_KEY, ChunkNotes, SpanCell, SpanContents, SpanKey};
use super::times::Times;
use crate::config::Config;
use crate::sync::OnceBox;
use crate::sync::atomic::{AtomicUsize, Ordering};
use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use std::fmt;
use std::sync::Arc;

/// The spans a layer instance knows, by their id. An entry is removed when its span closes, before its id recurs.
#[derive(Default)]
pub(super) struct Spans {
    shards: Box<Shards>,
    /// Spans whose cell was taken, or for whose place there is no cell.
    others: DashMap<u64, Arc<Alone>, FxBuildHasher>,
    /// [`OTHER`] for each of them, and [`TIMED`], [`KEEPS_CLOSED`] and [`TRACED`], so that most paths ask once.
    unusual: AtomicUsize,
}

/// The cells for the spans of one thread (or a few), made as they are needed and kept.
struct Shard([OnceBox<Chunk>; CHUNKS]);

struct Shards([OnceBox<Shard>; SHARDS]);

struct Chunk {
    kept: [Kept; CHUNK_CELLS],
    notes: ChunkNotes,
    /// Made when a span in here is first timed.
    times: OnceBox<[Times; CHUNK_CELLS]>,
    /// Made where the past is kept.
    begun: OnceBox<[Begun; CHUNK_CELLS]>,
}

/// Beside the count of others: a session wants spans timed, or did since the layer last rested.
const TIMED: usize = 1;
/// Beside it as well: spans that close are kept for looking back.
const KEEPS_CLOSED: usize = 2;
/// Beside it as well: the traces of spans may be read, for which the thread's stack is followed from each enter on.
const TRACED: usize = 4;
/// What is counted for a span without a cell.
const OTHER: usize = 8;

impl Spans {
    /// A table for a router with these settings.
    pub(super) fn new(config: &Config) -> Self {
        let closed = if config.look_back.is_some() { KEEPS_CLOSED } else { 0 };
        let traced = if config.trace_source.is_some() { TRACED } else { 0 };
        Self { unusual: AtomicUsize::new(closed | traced), ..Self::default() }
    }

    /// Keeps a new span. Returns its number, if it has a cell in the table.
    #[inline]
    pub(super) fn insert_new(&self, id: u64, span: NewSpan<'_>) -> Option<u64> {
        let cell = self.cell_to_fill(id).filter(|cell| cell.fill(id, span));
        if cell.is_none() {
            self.insert_other(id, span);
        }
        cell.map(|cell| cell.number())
    }

    /// Keeps a span unless its like is there.
    pub(super) fn insert_if_unknown(&self, id: u64, span: NewSpan<'_>) {
        let known = self.other(id).and_then(|alone| alone.cell().metadata());
        if known.is_some_and(|known| std::ptr::eq(known, span.metadata)) {
            return;
        }
        let is_kept = self.cell_to_fill(id).is_some_and(|cell| cell.fill_if_unknown(id, span));
        if !is_kept {
            self.insert_other_if_unknown(id, span);
        }
    }

    /// Looks at a span; `None` if it is not known. `look` must not use this table.
    #[inline]
    pub(super) fn with<R>(&self, id: u64, look: impl FnOnce(&SpanCell<'_>) -> R) -> Option<R> {
        self.with_any(id, |cell| cell.map(look))
    }

    /// The same, with no cell for a span that is not known.
    #[inline]
    pub(super) fn with_any<R>(&self, id: u64, look: impl FnOnce(Option<&SpanCell<'_>>) -> R) -> R {
        // The others first: of a span among them the cell may hold a double, made while it was vacant.
        let alone = self.other(id);
        let cell = match &alone {
            Some(alone) => Some(alone.cell()),
            None => self.find_in_table(id),
        };
        look(cell.as_ref())
    }

    /// Names a span among all that there have been; `None` if it is not known.
    #[inline]
    pub(super) fn key(&self, id: u64) -> Option<SpanKey> {
        self.with(id, |cell| cell.key(index(id)))
    }

    /// The same if it is known where the span hangs.
    #[inline]
    pub(super) fn key_if_placed(&self, id: u64) -> Option<SpanKey> {
        self.with(id, |cell| cell.tree().map(|_| cell.key(index(id)))).flatten()
    }

    /// The contents of an open span.
    pub(super) fn contents(&self, id: u64) -> Option<SpanContents> {
        self.with(id, |cell| cell.contents(index(id))).flatten()
    }

    /// Looks at an open span of this key.
    pub(super) fn with_key<R>(&self, key: SpanKey, look: impl FnOnce(&SpanCell<'_>, usize) -> R) -> Option<R> {
        if key & ALONE_KEY != 0 {
            let is_it = |alone: &Arc<Alone>| alone.cell().key(0) == key;
            let alone = self.others.iter().map(|entry| Arc::clone(entry.value())).find(is_it)?;
            return Some(look(&alone.cell(), 0));
        }
        let index = key as usize & ((1 << PLACE_BITS) - 1);
        let (shard, within) = (index / (CHUNKS * CHUNK_CELLS), index % (CHUNKS * CHUNK_CELLS));
        let chunk = self.shards.0.get(shard)?.get()?.0[within / CHUNK_CELLS].get()?;
        let cell = chunk.cell(within % CHUNK_CELLS);
        // A closed span leaves its number behind.
        (cell.key(index) == key && !cell.is_of(NO_SPAN)).then(|| look(&cell, index))
    }

    /// A span that has a cell in the table. Where there are others, it may be among those.
    #[inline]
    pub(super) fn find_in_table(&self, id: u64) -> Option<SpanCell<'_>> {
        self.cell(id).filter(|cell| cell.is_of(id))
    }

    /// Removes a span where none is unusual.
    #[inline]
    pub(super) fn remove_from_table(&self, id: u64) {
        if let Some(cell) = self.cell(id) {
            cell.vacate(id);
        }
    }

    /// Removes any span that closes. Calls `keep` before, if closed spans are kept.
    pub(super) fn remove(&self, id: u64, keep: impl FnOnce()) {
        // Relaxed: as in `are_unusual`.
        if self.unusual.load(Ordering::Relaxed) & KEEPS_CLOSED != 0 {
            keep();
        }
        self.remove_from_table(id);
        // Even so: two threads that came upon a span at once may have put it into both.
        if self.has_others() {
            self.remove_other(id);
        }
    }

    /// Whether some span has no cell in the table, or spans are timed or have traces: one look for paths where nothing is so.
    #[inline]
    pub(super) fn are_unusual(&self) -> bool {
        // Relaxed, here and below: a thread that asks for a span got its id after it was inserted, and sees a session after
        // its opening.
        self.unusual.load(Ordering::Relaxed) & !KEEPS_CLOSED != 0
    }

    /// Whether more is to be done for a new span than to keep it: they are timed, or the past is kept.
    #[inline]
    pub(super) fn are_unusual_when_new(&self) -> bool {
        self.unusual.load(Ordering::Relaxed) & (TIMED | KEEPS_CLOSED) != 0
    }

    /// The same for the path of a span that closes, on which closed spans may be kept.
    #[inline]
    pub(super) fn are_unusual_to_close(&self) -> bool {
        self.unusual.load(Ordering::Relaxed) & !TRACED != 0
    }

    /// Whether spans are timed, as far as sessions watch them.
    #[inline]
    pub(super) fn are_timed(&self) -> bool {
        self.unusual.load(Ordering::Relaxed) & TIMED != 0
    }

    /// Whether the traces of spans may be read.
    #[inline]
    pub(super) fn have_traces(&self) -> bool {
        self.unusual.load(Ordering::Relaxed) & TRACED != 0
    }

    /// From now on spans are timed.
    pub(super) fn time(&self) {
        self.unusual.fetch_or(TIMED, Ordering::Relaxed);
    }

    /// No span is timed until a session asks for it again.
    pub(super) fn stop_timing(&self) {
        self.unusual.fetch_and(!TIMED, Ordering::Relaxed);
    }

    /// Looks at the times of a span and its number, if it is known and a span near it was ever timed.
    #[inline]
    pub(super) fn with_times<R>(&self, id: u64, look: impl FnOnce(&Times, u64) -> R) -> Option<R> {
        if let Some(alone) = self.other(id) {
            return Some(look(alone.times(), alone.cell().number()));
        }
        let (chunk, place) = self.chunk(id)?;
        let cell = chunk.cell(place);
        if cell.is_of(id) { Some(look(&chunk.times.get()?[place], cell.number())) } else { None }
    }

    /// The same for a span that is about to be timed.
    pub(super) fn with_times_made<R>(&self, id: u64, look: impl FnOnce(&Times, u64) -> R) -> Option<R> {
        if self.other(id).is_none() {
            self.chunk(id)?.0.times.get_or_init(|| Box::new(std::array::from_fn(|_| Times::default())));
        }
        self.with_times(id, look)
    }

    /// Notes when a new span was created.
    pub(super) fn set_begun(&self, id: u64, now: u64) {
        if let Some(alone) = self.other(id) {
            return alone.begun().set(alone.cell().number(), now);
        }
        let Some((chunk, place)) = self.chunk(id) else { return };
        let cell = chunk.cell(place);
        if cell.is_of(id) {
            chunk.begun.get_or_init(|| Box::new(std::array::from_fn(|_| Begun::default())))[place]
                .set(cell.number(), now);
        }
    }

    /// When a span was created, if that was noted.
    pub(super) fn begun(&self, id: u64) -> Option<u64> {
        if let Some(alone) = self.other(id) {
            return alone.begun().of(alone.cell().number());
        }
        let (chunk, place) = self.chunk(id)?;
        let cell = chunk.cell(place);
        if cell.is_of(id) { chunk.begun.get()?[place].of(cell.number()) } else { None }
    }

    /// Looks at every open span, and at cells that are vacant.
    pub(super) fn for_each(&self, mut look: impl FnMut(&SpanCell<'_>)) {
        let chunks = self.shards.0.iter().filter_map(OnceBox::get).flat_map(|shard| &shard.0).filter_map(OnceBox::get);
        chunks.flat_map(|chunk| (0..CHUNK_CELLS).map(|place| chunk.cell(place))).for_each(|cell| look(&cell));
        // Copied, so that nothing is locked while the caller looks at them.
        let others: Vec<_> = self.others.iter().map(|entry| Arc::clone(entry.value())).collect();
        others.iter().for_each(|alone| look(&alone.cell()));
    }

    /// The cell where a span would be; `None` if no span near it was ever kept.
    #[inline]
    fn cell(&self, id: u64) -> Option<SpanCell<'_>> {
        let (chunk, place) = self.chunk(id)?;
        Some(chunk.cell(place))
    }

    #[inline]
    fn chunk(&self, id: u64) -> Option<(&Chunk, usize)> {
        let (shard, chunk, place) = place(id);
        Some((self.shards.0[shard].get()?.0.get(chunk)?.get()?, place))
    }

    #[inline]
    fn cell_to_fill(&self, id: u64) -> Option<SpanCell<'_>> {
        self.cell(id).or_else(|| self.new_cell(id))
    }

    #[cold]
    fn new_cell(&self, id: u64) -> Option<SpanCell<'_>> {
        let (shard, chunk, place) = place(id);
        let shard = self.shards.0[shard].get_or_init(Box::default);
        Some(shard.0.get(chunk)?.get_or_init(Box::default).cell(place))
    }

    /// Whether any span has no cell in the table.
    #[inline]
    pub(super) fn has_others(&self) -> bool {
        // Relaxed: a thread that asks for a span got it after it was inserted.
        self.unusual.load(Ordering::Relaxed) >= OTHER
    }

    #[inline]
    fn other(&self, id: u64) -> Option<Arc<Alone>> {
        if self.has_others() { self.find_other(id) } else { None }
    }

    #[cold]
    fn find_other(&self, id: u64) -> Option<Arc<Alone>> {
        self.others.get(&id).map(|alone| Arc::clone(&alone))
    }

    #[cold]
    fn insert_other(&self, id: u64, span: NewSpan<'_>) {
        self.unusual.fetch_add(OTHER, Ordering::Relaxed);
        let replaced = self.others.insert(id, Arc::new(Alone::of(id, span)));
        self.uncount_other(replaced);
    }

    #[cold]
    fn insert_other_if_unknown(&self, id: u64, span: NewSpan<'_>) {
        self.unusual.fetch_add(OTHER, Ordering::Relaxed);
        let mut is_new = false;
        let mut kept = self.others.entry(id).or_insert_with(|| {
            is_new = true;
            Arc::new(Alone::of(id, span))
        });
        if !is_new {
            let is_like = kept.cell().metadata().is_some_and(|known| std::ptr::eq(known, span.metadata));
            if !is_like {
                *kept = Arc::new(Alone::of(id, span));
            }
            self.unusual.fetch_sub(OTHER, Ordering::Relaxed);
        }
    }

    #[cold]
    fn remove_other(&self, id: u64) {
        let removed = self.others.remove(&id).map(|(_, alone)| alone);
        self.uncount_other(removed);
    }

    fn uncount_other(&self, removed: Option<Arc<Alone>>) {
        if removed.is_some() {
            self.unusual.fetch_sub(OTHER, Ordering::Relaxed);
        }
    }
}

impl Default for Shards {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceBox::new()))
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceBox::new()))
    }
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            kept: std::array::from_fn(|_| Kept::default()),
            notes: ChunkNotes::new(),
            times: OnceBox::new(),
            begun: OnceBox::new(),
        }
    }
}

impl Chunk {
    #[inline]
    fn cell(&self, place: usize) -> SpanCell<'_> {
        SpanCell::in_chunk(&self.kept[place], &self.notes, place)
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::notes::Placement;
    use super::super::times::TimedSpan;
    use super::*;
    use tracing_core::metadata::Kind;
    use tracing_core::{Callsite, Metadata};

    fn metadata() -> &'static Metadata<'static> {
        let span = tracing::subscriber::with_default(tracing_subscriber::registry(), || tracing::info_span!("span"));
        span.metadata().unwrap()
    }

    #[test]
    fn a_new_span_replaces_one_with_its_id_that_was_not_removed() {
        let metadata = metadata();
        let spans = Spans::default();
        spans.insert_if_unknown(7, NewSpan::found(metadata, true));
        spans.with(7, |cell| cell.set_parent(3));
        let number = spans.with(7, |cell| cell.number());
        spans.insert_new(7, NewSpan::found(metadata, true));
        assert_eq!(spans.with(7, |cell| cell.parent()), Some(None), "it would have another's ancestors");
        assert_ne!(spans.with(7, |cell| cell.number()), number);
        spans.remove(7, || panic!("nothing is kept"));
        assert_eq!(spans.with(7, |cell| cell.number()), None, "closed, it is gone");
    }

    #[test]
    fn a_span_whose_cell_is_taken_is_kept_all_the_same() {
        let metadata = metadata();
        let spans = Spans::default();
        // Of the same place in the memory of a thread, in another generation.
        let (one, other) = (7, 7 | 1 << 51);
        for id in [one, other] {
            spans.insert_new(id, NewSpan::found(metadata, true));
        }
        spans.with(one, |cell| cell.set_parent(1));
        spans.with(other, |cell| cell.set_parent(2));
        assert_eq!([one, other].map(|id| spans.with(id, |cell| cell.parent()).flatten()), [Some(1), Some(2)]);
        spans.remove(one, || panic!("nothing is kept"));
        assert_eq!([one, other].map(|id| spans.with(id, |cell| cell.parent()).flatten()), [None, Some(2)]);
    }

    #[test]
    fn spans_without_a_cell_are_shown_however_many_there_were() {
        let (metadata, spans) = (metadata(), Spans::default());
        spans.insert_new(7, NewSpan::found(metadata, true));
        let mut numbers = std::collections::HashSet::new();
        for generation in 1..100 {
            let id = 7 | generation << 51;
            spans.insert_new(id, NewSpan::found(metadata, true));
            assert!(spans.with(id, |cell| cell.is_visible()).unwrap(), "{generation}");
            assert!(numbers.insert(spans.with(id, |cell| cell.number())), "{generation}");
        }
    }

    #[test]
    fn a_span_is_found_by_its_key_wherever_it_is() {
        let (metadata, spans) = (metadata(), Spans::default());
        // The cell of the last two is taken.
        let ids = [7, 8, 7 | 1 << 51, 7 | 2 << 51];
        ids.iter().for_each(|id| spans.insert_if_unknown(*id, NewSpan::found(metadata, true)));
        let keys = ids.map(|id| spans.key(id).unwrap());
        for (id, key) in ids.into_iter().zip(keys) {
            assert_eq!(spans.with_key(key, |cell, _| cell.id()), Some(id));
            assert_eq!(spans.contents(id).map(|contents| (contents.key, contents.is_hidden)), Some((key, false)));
            spans.remove(id, || panic!("nothing is kept"));
            assert!(spans.with_key(key, |_, _| ()).is_none() && spans.contents(id).is_none());
        }
        assert!(!spans.has_others(), "the usual paths are taken again");
    }

    #[test]
    fn times_are_kept_of_a_span_wherever_it_is() {
        let (metadata, spans) = (metadata(), Spans::default());
        for (begun, id) in [(5, 7), (6, 7 | 1 << 51)] {
            spans.insert_new(id, NewSpan::found(metadata, true));
            let timed = |number| TimedSpan { number, keeper: 3 };
            assert_eq!(spans.with_times_made(id, |times, number| times.begin(timed(number), 9, true)), Some(true));
            assert_eq!(spans.with_times(id, |times, number| times.are_of(timed(number))), Some(true));
            assert_eq!(spans.begun(id), None);
            spans.set_begun(id, begun);
            assert_eq!(spans.begun(id), Some(begun));
        }
    }

    #[test]
    fn a_span_that_is_found_replaces_another_with_its_id() {
        let spans = Spans::default();
        let (one, other) = (metadata(), tracing::callsite! { name: "other", kind: Kind::SPAN, fields: }.metadata());
        let taken = 7 | 1 << 51;
        for id in [7, taken] {
            let find = |metadata| {
                spans.insert_if_unknown(id, NewSpan::found(metadata, true));
                let found = spans.with(id, |cell| (cell.metadata().map(Metadata::name), cell.number()));
                found.expect("it is there")
            };
            let (first, again, replaced) = (find(one), find(one), find(other));
            assert_eq!((first.0, replaced.0), (Some("span"), Some("other")));
            assert!(again == first && replaced.1 != first.1);
        }
        spans.remove(taken, || panic!("nothing is kept"));
        assert!(!spans.has_others());
    }

    #[test]
    fn a_new_span_is_where_it_was_put() {
        let (metadata, spans) = (metadata(), Spans::default());
        let place = Some(Placement::below(3, Some(5)));
        let placed = |id| spans.with(id, |cell| (cell.parent(), cell.tree()));
        assert!(spans.insert_new(7, NewSpan { place, ..NewSpan::found(metadata, true) }).is_some());
        assert!(!spans.has_others(), "it has a cell");
        assert_eq!(placed(7), Some((Some(3), Some(5))));
        spans.insert_new(8, NewSpan::found(metadata, false));
        assert_eq!(placed(8), Some((None, None)));
        spans.with(8, |cell| cell.set_tree(6));
        assert_eq!(placed(8), Some((None, Some(6))));
        let is_shown = |id| spans.with(id, |cell| cell.shown_metadata().is_some());
        assert_eq!((is_shown(7), is_shown(8)), (Some(true), Some(false)));
    }
}
