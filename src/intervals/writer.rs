//! What a thread keeps to record by: its queue, the spans that it knows about, and those that it is in.

use super::queue::{ThreadQueue, Unmarked};
use super::record::{IntervalRecord, SpanPath};
use super::recording::Recordings;
use crate::session::SessionId;
use crate::sync::atomic::Ordering;
use std::cell::RefCell;
use std::sync::Weak;

thread_local! {
    static WRITER: RefCell<Writer> = const { RefCell::new(Writer::new()) };
}

/// How many spans a thread knows about without looking them up again.
const NOTED: usize = 8;

/// A span that a thread enters or leaves, and by what it was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WatchedSpan {
    /// The layer instance.
    pub(crate) instance: u64,
    pub(crate) id: u64,
    /// Distinguishes it from others of that id.
    pub(crate) number: u64,
    /// The serial of the scope inside it; 0: not known.
    pub(crate) scope: u64,
}

/// The path of a span that the session watches.
pub(crate) type LookedUp = Option<SpanPath>;

/// One thread's side of a recording.
struct Writer {
    /// The number of the recording; 0: none.
    recording: u64,
    /// Gone once the reader is.
    queue: Weak<ThreadQueue>,
    /// Whether there were too many threads for a queue.
    is_left_out: bool,
    unmarked: Unmarked,
    /// Spans, and whether the session watches them.
    noted: [(WatchedSpan, bool); NOTED],
    /// The spans that it has entered, by name.
    inside: Vec<u64>,
}

impl WatchedSpan {
    /// What names it in the records of its thread while it is open.
    fn name(self) -> u64 {
        // Ids of two subscribers may be the same.
        self.id ^ self.instance.rotate_right(16)
    }

    fn place(self) -> usize {
        (self.id ^ self.id >> 3) as usize % NOTED
    }
}

impl Recordings {
    /// Records that this thread has entered a span, if the session watches it, which `look_up` knows.
    pub(crate) fn enter(
        &self,
        span: WatchedSpan,
        now: impl FnOnce() -> u64,
        look_up: impl FnOnce(SessionId) -> LookedUp,
    ) {
        self.write(|writer| {
            if !writer.is_watched(self, span, look_up) {
                return;
            }
            writer.push(IntervalRecord::Entered { span: span.name(), at_ns: now() });
            writer.inside.push(span.name());
        });
    }

    /// Records that this thread has left a span, if it has recorded that it entered it.
    pub(crate) fn exit(&self, span: WatchedSpan, now: impl FnOnce() -> u64) {
        self.write(|writer| {
            let name = span.name();
            if let Some(place) = writer.inside.iter().rposition(|inside| *inside == name) {
                writer.push(IntervalRecord::Exited { span: name, at_ns: now() });
                writer.inside.remove(place);
            }
        });
    }

    /// Runs `f` on the thread's side, unless the thread ends, or is in here already.
    fn write(&self, f: impl FnOnce(&mut Writer)) {
        let number = self.number();
        if number == 0 {
            return;
        }
        let _ = WRITER.try_with(|writer| {
            let Ok(mut writer) = writer.try_borrow_mut() else { return };
            if writer.recording != number {
                writer.begin(self, number);
            }
            f(&mut writer);
        });
    }
}

impl Writer {
    const fn new() -> Self {
        const NOTHING: WatchedSpan = WatchedSpan { instance: 0, id: 0, number: 0, scope: 0 };
        Self {
            recording: 0,
            queue: Weak::new(),
            is_left_out: false,
            unmarked: Unmarked::NONE,
            noted: [(NOTHING, false); NOTED],
            inside: Vec::new(),
        }
    }

    #[cold]
    fn begin(&mut self, recordings: &Recordings, number: u64) {
        *self = Self::new();
        self.recording = number;
        let Some(recording) = recordings.current(number) else { return };
        match recording.new_queue() {
            Some(queue) => self.queue = queue,
            None => {
                self.is_left_out = true;
                // Relaxed: a number.
                recording.left_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Whether there is room for a thread by now that was left out.
    #[cold]
    fn is_let_in(&mut self, recordings: &Recordings) -> bool {
        let recording = recordings.current(self.recording).filter(|_| self.is_left_out);
        let Some(queue) = recording.and_then(|recording| recording.new_queue()) else { return false };
        (self.queue, self.is_left_out) = (queue, false);
        true
    }

    /// Whether the session watches a span. Its path is recorded the first time, and again after a loss.
    fn is_watched(
        &mut self,
        recordings: &Recordings,
        span: WatchedSpan,
        look_up: impl FnOnce(SessionId) -> LookedUp,
    ) -> bool {
        let (noted, is_watched) = self.noted[span.place()];
        if noted == span && span.scope != 0 {
            return is_watched;
        }
        if self.queue.strong_count() == 0 && !self.is_let_in(recordings) {
            return false;
        }
        let path = recordings.current(self.recording).and_then(|recording| look_up(recording.session));
        let is_watched = path.is_some();
        let is_path_known = path.is_none_or(|path| self.push(IntervalRecord::Watched { span: span.name(), path }));
        if is_path_known {
            self.noted[span.place()] = (span, is_watched);
        }
        is_watched && is_path_known
    }

    fn push(&mut self, record: IntervalRecord) -> bool {
        let Some(queue) = self.queue.upgrade() else { return false };
        self.unmarked.is_inside = !self.inside.is_empty();
        let is_kept = queue.push(record, &mut self.unmarked);
        if !is_kept {
            // The reader may not know these names any more.
            self.noted = Self::new().noted;
        }
        is_kept
    }
}
