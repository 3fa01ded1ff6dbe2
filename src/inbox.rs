//! The work that producers and openers queue for the control thread. Queueing takes a few instructions and never waits.

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

/// The longest wait for the thread: the caller may hold a lock that a layer needs meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The inbox of one router's control thread.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    owner: ArcSwap<Option<Owner>>,
    rebuilds_asked: AtomicU64,
    rebuilds_done: Mutex<u64>,
    rebuilt: Condvar,
    learn: AtomicBool,
    look_back: AtomicBool,
    ended: SegQueue<SessionId>,
    kept_back: SegQueue<SessionId>,
    retired: SegQueue<Retired>,
    audits: SegQueue<Audit>,
    /// The number of audits not logged yet, those not queued yet included.
    owed_audits: Mutex<usize>,
    logged: Condvar,
    stop: AtomicBool,
}

/// The control thread, and the process that it is of: a child of `fork` has a copy of this, and no such thread.
#[derive(Debug)]
struct Owner {
    thread: Thread,
    process: u32,
}

/// A value that producers may still be reading. Its last owner frees it, and must not be one of them.
#[derive(Debug)]
pub(crate) enum Retired {
    /// With the end of a dropped stream's session, which is logged once its counts are final.
    Session(Arc<OpenSession>, Option<End>),
    Snapshot(Arc<Snapshot>),
}

/// For producers and openers.
impl Inbox {
    /// Requests a rebuild of the interest of all callsites.
    pub(crate) fn ask_for_rebuild(&self) {
        // Release pairs with the Acquire in `asked_rebuild`: the thread sees the snapshot that made it necessary. Fails
        // otherwise: `loom_a_rebuild_sees_the_snapshot_that_it_is_for`.
        self.rebuilds_asked.fetch_add(1, Ordering::Release);
        self.wake();
    }

    /// Waits until every rebuild requested so far is done, at most a second. Returns whether they are.
    pub(crate) fn wait_for_rebuild(&self) -> bool {
        // Relaxed: those that this thread has requested are counted in what it reads, and nothing else is read by it.
        let asked = self.rebuilds_asked.load(Ordering::Relaxed);
        let waited = self.rebuilt.wait_timeout_while(self.done(), self.max_wait(), |done| *done < asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0 >= asked
    }

    /// Asks for the interest of other layers to be learned where it is not known.
    pub(crate) fn learn(&self) {
        // Release pairs with the Acquire in `take_learn`: the word that was cleared is seen as cleared. Fails otherwise:
        // `loom_who_learns_sees_the_word_that_was_cleared`. A swap and no store: of several who ask, all that each has cleared is
        // seen.
        self.learn.swap(true, Ordering::Release);
        self.wake();
    }

    /// Asks for looking back to be switched on, once the layer is installed.
    pub(crate) fn look_back(&self) {
        // Relaxed: the thread finds out by itself what is installed.
        self.look_back.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Reports a session that a producer has ended: it has admitted all it may, or has cost too much.
    #[cold]
    pub(crate) fn close_ended(&self, id: SessionId) {
        self.ended.push(id);
        self.wake();
    }

    /// Requests an announcement, a second later, of the events that limits kept back from a session.
    #[cold]
    pub(crate) fn announce_kept_back(&self, id: SessionId) {
        self.kept_back.push(id);
        self.wake();
    }

    /// Passes on a value to be freed once no producer holds it.
    pub(crate) fn retire(&self, retired: Retired) {
        if let Retired::Session(_, Some(_)) = &retired {
            *self.owed() += 1;
        }
        self.retired.push(retired);
        self.wake();
    }

    /// Queues an event to be logged.
    pub(crate) fn audit(&self, audit: Audit) {
        *self.owed() += 1;
        self.audit_owed(audit);
    }

    /// Queues an event that was counted as owed when its session was retired.
    pub(crate) fn audit_owed(&self, audit: Audit) {
        self.audits.push(audit);
        self.wake();
    }

    /// Waits until at most `limit` audits are not logged yet, at most a second.
    pub(crate) fn wait_until_logged(&self, limit: usize) {
        let waited = self.logged.wait_timeout_while(self.owed(), self.max_wait(), |owed| *owed > limit);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        // Release pairs with the Acquire in `is_stopped`: the thread logs all audits queued before. Fails otherwise:
        // `loom_a_stopped_thread_sees_what_was_queued`.
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Makes the thread look for work.
    pub(crate) fn wake(&self) {
        if let Some(owner) = &**self.owner.load() {
            owner.thread.unpark();
        }
    }

    /// Whether every rebuild asked for so far is done.
    pub(crate) fn is_settled(&self) -> bool {
        self.asked_rebuild().is_none()
    }

    /// The longest wait of this thread; zero for the control thread, which cannot wait for itself.
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

    /// Wakes the threads that wait for a rebuild up to this number.
    pub(crate) fn set_rebuilt(&self, number: u64) {
        *self.done() = number;
        self.rebuilt.notify_all();
    }

    pub(crate) fn take_learn(&self) -> bool {
        self.learn.swap(false, Ordering::Acquire)
    }

    pub(crate) fn take_look_back(&self) -> bool {
        self.look_back.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn take_ended(&self) -> Option<SessionId> {
        self.ended.pop()
    }

    pub(crate) fn take_kept_back(&self) -> Option<SessionId> {
        self.kept_back.pop()
    }

    /// The number of queued audits.
    pub(crate) fn audits_left(&self) -> usize {
        self.audits.len()
    }

    /// Notes that so many audits were logged.
    pub(crate) fn set_logged(&self, count: usize) {
        *self.owed() -= count;
        self.logged.notify_all();
    }

    pub(crate) fn take_audits(&self) -> impl Iterator<Item = Audit> {
        std::iter::from_fn(|| self.audits.pop())
    }

    pub(crate) fn take_retired(&self) -> impl Iterator<Item = Retired> {
        std::iter::from_fn(|| self.retired.pop())
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "sync/models/inbox.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::audit::AuditEvent;

    #[test]
    fn what_is_asked_for_is_taken_once() {
        let inbox = Inbox::default();
        assert_eq!([inbox.take_learn(), inbox.take_look_back(), inbox.is_stopped()], [false; 3]);
        inbox.learn();
        inbox.look_back();
        inbox.stop();
        assert_eq!([inbox.take_learn(), inbox.take_look_back(), inbox.is_stopped()], [true; 3]);
        assert_eq!([inbox.take_learn(), inbox.take_look_back(), inbox.is_stopped()], [false, false, true]);
    }

    #[test]
    fn an_audit_is_owed_until_it_is_logged() {
        let inbox = Inbox::default();
        for owed in 1..=3 {
            let (opener, reason) = ("someone".to_owned(), "stalled");
            inbox.audit(Audit::Endpoint(AuditEvent::ReaderClosed { opener, session: None, reason }));
            assert_eq!(*inbox.owed(), owed);
        }
        assert_eq!((inbox.audits_left(), inbox.take_audits().count(), inbox.audits_left()), (3, 3, 0));
        inbox.set_logged(2);
        assert_eq!(*inbox.owed(), 1);
    }

    #[test]
    fn a_rebuild_is_done_once_the_last_that_was_asked_for_is() {
        let inbox = Inbox::default();
        assert!(inbox.is_settled() && inbox.wait_for_rebuild());
        inbox.ask_for_rebuild();
        inbox.ask_for_rebuild();
        inbox.set_rebuilt(1);
        assert_eq!((inbox.asked_rebuild(), inbox.is_settled()), (Some(2), false));
        assert!(!inbox.wait_for_rebuild(), "no thread would do it");
        inbox.set_rebuilt(2);
        assert!(inbox.is_settled() && inbox.wait_for_rebuild());
    }
}
