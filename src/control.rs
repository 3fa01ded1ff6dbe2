//! The control thread: what producers must not do, done by one thread per router that sleeps otherwise.

use crate::layer::Instance;
use crate::layer::thread::{Asker, asking};
use crate::router::Shared;
use crate::session::SessionId;
use crate::session::open::OpenSession;
use crate::session::snapshot::Snapshot;
use crate::stream::EndReason;
use crossbeam_queue::SegQueue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};
use tracing_core::{Dispatch, Interest, callsite, dispatcher};

/// The name of the control thread.
pub(crate) const THREAD_NAME: &str = "tracing-tap";

/// How long [`Control::wait_for_rebuild`] waits: its caller may hold a lock that some layer wants meanwhile.
const MAX_REBUILD_WAIT: Duration = Duration::from_secs(1);

/// When, after a rebuild, callsites are settled again: one that was being registered meanwhile may have been left
/// at an interest from before, and how long its registration takes is up to other layers.
const SETTLE_AFTER: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// How often to rebuild at once where others do too; after that it waits for the next settling.
const REBUILD_ATTEMPTS: usize = 4;

/// How soon to look again at what some producer was still holding.
const RETRY_FREEING_AFTER: Duration = Duration::from_millis(20);

/// The inbox of the control thread. Writing to it never blocks for longer than a few instructions.
#[derive(Debug, Default)]
pub(crate) struct Control {
    thread: OnceLock<Thread>,
    starting: Mutex<()>,
    rebuilds_asked: AtomicU64,
    rebuilds_done: Mutex<u64>,
    rebuilt: Condvar,
    learn: AtomicBool,
    full: SegQueue<SessionId>,
    retired: SegQueue<Retired>,
    stop: AtomicBool,
}

/// Something that producers may still be reading; whoever drops it last frees it, so that must not be one of them.
#[derive(Debug)]
pub(crate) enum Retired {
    Session(Arc<OpenSession>),
    Snapshot(Arc<Snapshot>),
}

impl Control {
    /// Starts the thread if it does not run yet. Where the system refuses one, the next call tries again.
    pub(crate) fn ensure_started(self: &Arc<Self>, shared: &Arc<Shared>) {
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.thread.get().is_some() {
            return;
        }
        let (control, shared) = (Arc::clone(self), Arc::downgrade(shared));
        let spawned = std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || run(&control, &shared));
        if let Ok(handle) = spawned {
            let _ = self.thread.set(handle.thread().clone());
        }
    }

    /// Whether the thread runs.
    pub(crate) fn is_started(&self) -> bool {
        self.thread.get().is_some()
    }

    /// Asks for all callsites to be asked anew.
    pub(crate) fn ask_for_rebuild(&self) {
        self.rebuilds_asked.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    /// Waits until every rebuild asked for so far is done, at most a second. Returns whether they are.
    pub(crate) fn wait_for_rebuild(&self) -> bool {
        let asked = self.rebuilds_asked.load(Ordering::Acquire);
        let can_wait = self.thread.get().is_some_and(|thread| thread.id() != std::thread::current().id());
        let limit = if can_wait { MAX_REBUILD_WAIT } else { Duration::ZERO };
        let done = self.rebuilds_done.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.rebuilt.wait_timeout_while(done, limit, |done| *done < asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0 >= asked
    }

    /// Whether every rebuild asked for so far is done.
    pub(crate) fn is_settled(&self) -> bool {
        *self.rebuilds_done.lock().unwrap_or_else(PoisonError::into_inner)
            >= self.rebuilds_asked.load(Ordering::Acquire)
    }

    /// Asks for the interest of other layers to be learned where it is not known.
    pub(crate) fn learn(&self) {
        // Release pairs with the Acquire in `pass`: the word that was cleared is seen as cleared.
        self.learn.store(true, Ordering::Release);
        self.wake();
    }

    /// Reports a session that has admitted all it may.
    pub(crate) fn close_full(&self, id: SessionId) {
        self.full.push(id);
        self.wake();
    }

    /// Hands over something to be freed where no producer is.
    pub(crate) fn retire(&self, retired: Retired) {
        self.retired.push(retired);
        self.wake();
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

fn run(control: &Control, shared: &Weak<Shared>) {
    let mut chores = Chores::default();
    while !control.stop.load(Ordering::Acquire) {
        let Some(shared) = shared.upgrade() else { return };
        let next = chores.pass(&shared);
        drop(shared);
        match next {
            Some(next) => std::thread::park_timeout(next.saturating_duration_since(Instant::now())),
            None => std::thread::park(),
        }
    }
}

/// What the thread has still to do.
#[derive(Debug, Default)]
struct Chores {
    /// Somebody else was rebuilding whenever this thread was.
    must_rebuild: bool,
    settle_at: Vec<Instant>,
    retired: Vec<Retired>,
}

impl Chores {
    /// Does what there is to do now, and says when to look again.
    fn pass(&mut self, shared: &Arc<Shared>) -> Option<Instant> {
        let control = &shared.control;
        while let Some(id) = control.full.pop() {
            shared.close(id, EndReason::MaxEvents);
        }
        let next_expiry = shared.close_expired();
        let asked = control.rebuilds_asked.load(Ordering::Acquire);
        if *control.rebuilds_done.lock().unwrap_or_else(PoisonError::into_inner) < asked {
            self.must_rebuild = !rebuild(shared);
            self.settle_at = SETTLE_AFTER.iter().map(|after| Instant::now() + *after).collect();
            settle(shared);
            *control.rebuilds_done.lock().unwrap_or_else(PoisonError::into_inner) = asked;
            control.rebuilt.notify_all();
            control.learn.store(true, Ordering::Relaxed);
        }
        self.settle_if_due(shared);
        if control.learn.swap(false, Ordering::Acquire) {
            learn(shared);
        }
        shared.rest_if_idle();
        self.free(shared);
        let next_freeing = (!self.retired.is_empty()).then(|| Instant::now() + RETRY_FREEING_AFTER);
        [next_expiry, self.settle_at.first().copied(), next_freeing].into_iter().flatten().min()
    }

    fn settle_if_due(&mut self, shared: &Shared) {
        let now = Instant::now();
        let due = self.settle_at.iter().take_while(|at| **at <= now).count();
        if due > 0 {
            self.settle_at.drain(..due);
            if self.must_rebuild {
                self.must_rebuild = !rebuild(shared);
            }
            settle(shared);
        }
    }

    /// Frees what nobody else holds any more. `try_unwrap` and not the count: a scope may still hold a weak
    /// reference, and must not get a strong one in between.
    fn free(&mut self, shared: &Shared) {
        self.retired.extend(std::iter::from_fn(|| shared.control.retired.pop()));
        let retired = std::mem::take(&mut self.retired);
        self.retired = retired.into_iter().filter_map(|retired| shared.free(retired)).collect();
    }
}

/// Has `tracing` ask every callsite anew, in the name of each subscriber this router is in. Returns whether nobody
/// else did so meanwhile.
///
/// `tracing` lets two rebuilds run at once, and the one that ends last may put back what it was told before the
/// other one's filter changed: that filter would then miss what it was reloaded for. So ours goes again.
fn rebuild(shared: &Shared) -> bool {
    let mut was_alone = true;
    for instance in shared.live_instances() {
        was_alone &= (0..REBUILD_ATTEMPTS).any(|_| {
            let before = instance.asked_by_others();
            asking(Asker::Rebuild(shared.id), || with_dispatch(&instance, |_| callsite::rebuild_interest_cache()));
            instance.asked_by_others() == before
        });
    }
    #[cfg(feature = "log")]
    shared.log_level.follow(shared.snapshot.load().level());
    was_alone
}

/// Repairs callsites that were being registered during a rebuild: nothing wanted may be left at `never`.
fn settle(shared: &Shared) {
    for instance in shared.live_instances() {
        for metadata in instance.callsites().all() {
            if instance.wants(metadata) {
                metadata.callsite().0.set_interest(Interest::sometimes());
            }
        }
    }
}

/// Asks, for each callsite wanted here, whether any other layer wants it, while this router says it does not.
fn learn(shared: &Shared) {
    for instance in shared.live_instances() {
        let wanted: Vec<_> =
            instance.callsites().all().into_iter().filter(|metadata| instance.wants(metadata)).collect();
        let Some(dispatch) = instance.dispatch() else { continue };
        instance.callsites().learn(wanted, |metadata| {
            let ask = || asking(Asker::Probe(shared.id), || dispatch.register_callsite(metadata));
            catch_unwind(AssertUnwindSafe(ask)).ok().map(|interest| !interest.is_never())
        });
    }
}

/// Runs `f` with the subscriber of this layer as the thread's default: `tracing` may ask only that one.
///
/// Where it is the default already it is not set again: a scoped default anywhere makes nested events on every
/// other thread go nowhere while it is there.
fn with_dispatch(instance: &Arc<Instance>, f: impl FnOnce(&Dispatch)) {
    dispatcher::get_default(|default| instance.adopt_dispatch(default));
    let Some(dispatch) = instance.dispatch() else { return };
    let is_default = dispatcher::get_default(|default| instance.is_in(default));
    let _default = (!is_default).then(|| dispatcher::set_default(&dispatch));
    // Other layers are asked, and may panic; this thread must not end for it.
    let _ = catch_unwind(AssertUnwindSafe(|| f(&dispatch)));
}
