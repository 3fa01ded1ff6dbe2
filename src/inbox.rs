//! What producers and openers leave for the control thread. Leaving it takes a few instructions and never waits.

use crate::audit::{Audit, End};
use crate::session::SessionId;
use crate::session::open::OpenSession;
use crate::session::snapshot::Snapshot;
use crate::sync::ArcSwap;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crossbeam_queue::SegQueue;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Thread, ThreadId};
use std::time::Duration;

/// How long anybody waits for the thread: the caller may hold a lock that some layer wants meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The inbox of one router's control thread.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    owner: ArcSwap<Option<Owner>>,
    rebuilds_asked: AtomicU64,
    rebuilds_done: Mutex<u64>,
    rebuilt: Condvar,
    learn: AtomicBool,
    ended: SegQueue<SessionId>,
    withheld: SegQueue<SessionId>,
    retired: SegQueue<Retired>,
    audits: SegQueue<Audit>,
    /// How many audits are to be told, those not left yet included.
    owed_audits: Mutex<usize>,
    told: Condvar,
    stop: AtomicBool,
}

/// The control thread, and the process that it is of: a child of `fork` has a copy of this, and no such thread.
#[derive(Debug)]
struct Owner {
    thread: Thread,
    process: u32,
}

/// Something that producers may still be reading. Whoever drops it last frees it, so that must not be one of them.
#[derive(Debug)]
pub(crate) enum Retired {
    /// With its end where that is to be told once the numbers are final: a dropped stream's.
    Session(Arc<OpenSession>, Option<End>),
    Snapshot(Arc<Snapshot>),
}

/// For whoever leaves something.
impl Inbox {
    /// Asks for all callsites to be asked anew.
    pub(crate) fn ask_for_rebuild(&self) {
        // AcqRel pairs with the Acquire in `asked_rebuild`: the thread sees the snapshot that made it necessary.
        self.rebuilds_asked.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    /// Waits until every rebuild asked for so far is done, at most a second. Returns whether they are.
    pub(crate) fn wait_for_rebuild(&self) -> bool {
        let asked = self.rebuilds_asked.load(Ordering::Acquire);
        let waited = self.rebuilt.wait_timeout_while(self.done(), self.max_wait(), |done| *done < asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0 >= asked
    }

    /// Asks for the interest of other layers to be learned where it is not known.
    pub(crate) fn learn(&self) {
        // Release pairs with the Acquire in `take_learn`: the word that was cleared is seen as cleared.
        self.learn.store(true, Ordering::Release);
        self.wake();
    }

    /// Reports a session that a producer has ended: it has admitted all it may, or has cost too much.
    #[cold]
    pub(crate) fn close_ended(&self, id: SessionId) {
        self.ended.push(id);
        self.wake();
    }

    /// Has the reader of a session told, a second later, how much was withheld from it.
    #[cold]
    pub(crate) fn announce_withheld(&self, id: SessionId) {
        self.withheld.push(id);
        self.wake();
    }

    /// Hands over something to be freed where no producer is.
    pub(crate) fn retire(&self, retired: Retired) {
        if let Retired::Session(_, Some(_)) = &retired {
            *self.owed() += 1;
        }
        self.retired.push(retired);
        self.wake();
    }

    /// Leaves something to be told.
    pub(crate) fn audit(&self, audit: Audit) {
        *self.owed() += 1;
        self.audit_owed(audit);
    }

    /// Leaves what was owed since its session was handed over.
    pub(crate) fn audit_owed(&self, audit: Audit) {
        self.audits.push(audit);
        self.wake();
    }

    /// Waits until no more than `limit` audits are to be told, at most a second.
    pub(crate) fn wait_until_told(&self, limit: usize) {
        let waited = self.told.wait_timeout_while(self.owed(), self.max_wait(), |owed| *owed > limit);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        // Release pairs with the Acquire in `is_stopped`; nothing else depends on it.
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Makes the thread look at what there is to do.
    pub(crate) fn wake(&self) {
        if let Some(owner) = &**self.owner.load() {
            owner.thread.unpark();
        }
    }

    /// Whether every rebuild asked for so far is done.
    pub(crate) fn is_settled(&self) -> bool {
        self.asked_rebuild().is_none()
    }

    /// How long somebody may wait for the thread, which cannot wait for itself.
    fn max_wait(&self) -> Duration {
        let can_wait = self.living_thread().is_some_and(|thread| thread != std::thread::current().id());
        if can_wait { MAX_WAIT } else { Duration::ZERO }
    }

    fn owed(&self) -> MutexGuard<'_, usize> {
        self.owed_audits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self) -> MutexGuard<'_, u64> {
        self.rebuilds_done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the thread.
impl Inbox {
    /// Whether there is one in this process. Asks the system: not for producers.
    pub(crate) fn has_thread(&self) -> bool {
        self.living_thread().is_some()
    }

    pub(crate) fn set_thread(&self, thread: Thread) {
        self.owner.swap(Arc::new(Some(Owner { thread, process: std::process::id() })));
    }

    fn living_thread(&self) -> Option<ThreadId> {
        let owner = self.owner.load();
        let living = Option::as_ref(&owner).filter(|owner| owner.process == std::process::id());
        living.map(|owner| owner.thread.id())
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The number of the latest rebuild that was asked for, if it is not done.
    pub(crate) fn asked_rebuild(&self) -> Option<u64> {
        let asked = self.rebuilds_asked.load(Ordering::Acquire);
        (*self.done() < asked).then_some(asked)
    }

    /// Lets go of everyone who waits for a rebuild up to this number.
    pub(crate) fn set_rebuilt(&self, number: u64) {
        *self.done() = number;
        self.rebuilt.notify_all();
    }

    pub(crate) fn take_learn(&self) -> bool {
        self.learn.swap(false, Ordering::Acquire)
    }

    pub(crate) fn take_ended(&self) -> Option<SessionId> {
        self.ended.pop()
    }

    pub(crate) fn take_withheld(&self) -> Option<SessionId> {
        self.withheld.pop()
    }

    /// How many audits wait to be taken.
    pub(crate) fn audits_left(&self) -> usize {
        self.audits.len()
    }

    /// Notes that so many audits were told.
    pub(crate) fn set_told(&self, count: usize) {
        *self.owed() -= count;
        self.told.notify_all();
    }

    pub(crate) fn take_audits(&self) -> impl Iterator<Item = Audit> {
        std::iter::from_fn(|| self.audits.pop())
    }

    pub(crate) fn take_retired(&self) -> impl Iterator<Item = Retired> {
        std::iter::from_fn(|| self.retired.pop())
    }
}
