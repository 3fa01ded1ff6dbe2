//! The rings themselves: how many fit, and which thread has which.

use super::literals::Literals;
use super::ring::{Copied, Overwritten, Ring};
use super::settings::LookBack;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The part of the memory for the texts of callsites, at most.
const MAX_LITERAL_BYTES: usize = 128 << 10;

const MIN_RING_BYTES: usize = 4 << 10;

/// What is allocated once the layer is installed.
#[derive(Debug)]
pub(super) struct Rings {
    pub(super) seats: Box<[Seat]>,
    pub(super) literals: Literals,
    /// When they were made.
    pub(super) since: u64,
}

/// A ring, and the thread that it is of.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) ring: Ring,
    /// [`FREE`], [`TAKEN`], or when its thread ended.
    state: AtomicU64,
    /// Its thread. Locked when a thread takes or reads the ring, for an instruction or two.
    thread: Mutex<Option<Arc<str>>>,
}

/// No thread has it.
const FREE: u64 = 0;
/// A thread has it.
const TAKEN: u64 = 1;

/// The copy of a ring.
#[derive(Debug)]
pub(crate) struct RingRead {
    seat: usize,
    pub(crate) thread: Option<Arc<str>>,
    pub(crate) words: Vec<u64>,
    end: u64,
    /// Whether a record was being written at the end.
    pub(crate) is_open: bool,
    pub(crate) overwritten: Overwritten,
}

impl RingRead {
    /// Nothing is copied yet.
    pub(super) fn new(seat: usize) -> Self {
        Self { seat, thread: None, words: Vec::new(), end: 0, is_open: false, overwritten: Overwritten::default() }
    }

    /// Copies what was written since.
    pub(super) fn go_on(&mut self, seats: &[Seat]) {
        let Some(seat) = seats.get(self.seat) else { return };
        let Copied { end, is_open } = seat.ring.copy(self.end, &mut self.words);
        self.end = end;
        self.is_open = is_open;
        self.overwritten = seat.ring.overwritten();
        self.thread = seat.thread.lock().unwrap_or_else(PoisonError::into_inner).clone();
    }
}

impl Seat {
    /// Takes the seat for this thread, if none has it and nothing young enough is left of the last one.
    pub(super) fn take(&self, now: u64, max_age: u64) -> bool {
        // Relaxed: the exchange decides.
        let state = self.state.load(Ordering::Relaxed);
        let is_over = state != TAKEN && (state == FREE || now.saturating_sub(state) > max_age);
        // Acquire pairs with the Release where its last thread left it: this one writes on behind that. Fails otherwise:
        // `loom_a_ring_that_is_taken_again_has_its_last_events_cleared`.
        if !is_over || self.state.compare_exchange(state, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        self.ring.clear();
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread_name());
        true
    }

    /// Leaves the seat: its thread ends. What it wrote stays.
    pub(super) fn leave(&self, now: u64) {
        // Release: as in `take`.
        self.state.store(now.max(TAKEN + 1), Ordering::Release);
    }
}

impl Rings {
    pub(super) fn new(settings: &LookBack, since: u64) -> Self {
        let bytes = ring_bytes(settings);
        let seats = (settings.max_bytes - literal_bytes(settings)).checked_div(bytes).unwrap_or(0);
        let seat = |_| Seat { ring: Ring::new(bytes / 8), state: AtomicU64::new(FREE), thread: Mutex::default() };
        Self { seats: (0..seats).map(seat).collect(), literals: Literals::new(literal_bytes(settings)), since }
    }
}

pub(super) fn literal_bytes(settings: &LookBack) -> usize {
    (settings.max_bytes / 16).min(MAX_LITERAL_BYTES)
}

/// The bytes of one ring, a power of two; 0 if there is no room for one.
pub(super) fn ring_bytes(settings: &LookBack) -> usize {
    let room = settings.max_bytes - literal_bytes(settings);
    let bytes = settings.thread_bytes.clamp(MIN_RING_BYTES, room.max(MIN_RING_BYTES));
    let rounded = 1 << bytes.ilog2();
    if rounded > room { 0 } else { rounded }
}

fn thread_name() -> Arc<str> {
    let thread = std::thread::current();
    thread.name().map_or_else(|| format!("{:?}", thread.id()).into(), Arc::from)
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/rings.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_divided_into_texts_and_rings() {
        let divided = |max_bytes, thread_bytes| {
            let settings = LookBack::new(max_bytes).thread_bytes(thread_bytes);
            (literal_bytes(&settings), ring_bytes(&settings), Rings::new(&settings, 0).seats.len())
        };
        assert_eq!(divided(1 << 20, 64 << 10), (64 << 10, 64 << 10, 15));
        assert_eq!(divided(1 << 20, 100 << 10), (64 << 10, 64 << 10, 15), "a ring is of a power of two");
        assert_eq!(divided(8 << 20, 8 << 20), (128 << 10, 4 << 20, 1));
        assert_eq!(divided(4 << 10, 1 << 20), (256, 0, 0), "there is no room for a ring");
        assert_eq!(divided(4369, 1 << 20), (273, 4096, 1), "a ring takes all the room that there is");
    }

    #[test]
    fn a_seat_is_free_again_once_its_last_events_are_too_old() {
        let seat = |left_at| {
            let seat = Seat { ring: Ring::new(64), state: AtomicU64::new(FREE), thread: Mutex::default() };
            assert!(seat.take(5, 10) && !seat.take(u64::MAX, 10), "a thread has it");
            seat.leave(left_at);
            seat
        };
        assert!(!seat(100).take(110, 10) && seat(100).take(111, 10));
        for at_once in [0, 1] {
            assert!(!seat(at_once).take(2, 10) && seat(at_once).take(99, 10), "left at {at_once}");
        }
    }
}
