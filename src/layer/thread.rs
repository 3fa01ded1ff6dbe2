//! What the layer keeps per thread: plain cells, so that they outlive every destructor of the thread.

use std::cell::Cell;

thread_local! {
    static STATE: ThreadState = const { ThreadState::new() };
}

/// Nothing in here has a destructor: `tracing` may be used from the destructor of any other thread-local.
pub(crate) struct ThreadState {
    /// The scope decision; `epoch` 0 marks it stale.
    pub(super) decision: Cell<Decision>,
    /// The callsite `enabled` was asked for last and whose event has not arrived yet; 0: none.
    pub(super) asked: Cell<usize>,
    /// Set while other filters' bits are being repaired.
    pub(super) reasking: Cell<bool>,
    /// Set where somebody asked for a callsite while this crate was running code of its users.
    pub(super) disturbed: Cell<bool>,
    /// Set while this crate runs code of its users on this thread.
    pub(super) busy: Cell<bool>,
    /// Who is asking for callsites' interest on this thread.
    pub(super) asker: Cell<Asker>,
}

/// What the thread knows about the scope it is in: enough to veto, and nothing that needs freeing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    /// The epoch this was decided in, which also names the layer instance; 0: stale.
    pub(super) epoch: u64,
    /// The span tree whose deciding records would make this stale, and how many there had been.
    pub(super) tree: usize,
    pub(super) records: u64,
    /// The verbosity up to which something may match in this scope; 0: nothing can.
    pub(super) verbosity: u8,
    /// The word of a callsite that may be vetoed under the current index keys.
    pub(super) vetoable: u64,
}

/// Why callsites are being asked for their interest on this thread, and by which router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Somebody else: a new callsite, a new subscriber, a reloaded filter.
    Others,
    /// The control thread of this router wants to know what everybody else wants.
    Probe(u64),
    /// The control thread of this router has changed what it wants.
    Rebuild(u64),
}

impl ThreadState {
    const fn new() -> Self {
        Self {
            decision: Cell::new(Decision::STALE),
            asked: Cell::new(0),
            reasking: Cell::new(false),
            disturbed: Cell::new(false),
            busy: Cell::new(false),
            asker: Cell::new(Asker::Others),
        }
    }
}

impl Decision {
    pub(super) const STALE: Self = Self { epoch: 0, tree: 0, records: 0, verbosity: 0, vetoable: 0 };
}

/// The thread's state. It has no destructor, so it is there even while the thread ends.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&ThreadState) -> R) -> R {
    STATE.with(f)
}

/// Runs `f` with the thread marked as asking for interest on behalf of `asker`, panics included.
pub(crate) fn asking<R>(asker: Asker, f: impl FnOnce() -> R) -> R {
    struct Reset(Asker);
    impl Drop for Reset {
        fn drop(&mut self) {
            with(|state| state.asker.set(self.0));
        }
    }
    let _reset = Reset(with(|state| state.asker.replace(asker)));
    f()
}
