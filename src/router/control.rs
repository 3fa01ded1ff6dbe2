//! The control thread: one thread per router does the work that producers must not do, and sleeps otherwise.

use super::core::Core;
use super::dispatch::with_dispatch;
use super::unlogged::log_unlogged;
use crate::guard::run_user_code;
use crate::inbox::Retired;
use crate::layer::thread::{Caller, asking};
use crate::layer::{Instance, key_of};
#[cfg(feature = "log")]
use crate::level::filter_of_verbosity;
use crate::session::{EndReason, SessionId};
use crate::sync::ProcessLock;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tracing_core::{Interest, Metadata, callsite, dispatcher};

/// The name of the control thread.
const THREAD_NAME: &str = "tracing-tap";

/// The times after a rebuild at which callsites are settled again: one that was being registered meanwhile may have kept an
/// older interest, and other layers determine how long its registration takes.
const SETTLE_AFTER: [Duration; 4] =
    [Duration::from_millis(20), Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];

/// The number of rebuilds in a row if other threads rebuild too. After that the next settling tries again.
const REBUILD_ATTEMPTS: usize = 4;

/// Held while a router rebuilds the interest of all callsites: of two concurrent rebuilds, the one that ends last restores
/// levels from before the other's session. Only control threads wait for it. A rebuild lasts as long as other layers take, so a
/// service may well `fork` meanwhile; the child rebuilds for itself.
static REBUILDING: ProcessLock = ProcessLock::new();

/// The time after which a session or snapshot that a producer still held is checked again.
const RETRY_FREEING_AFTER: Duration = Duration::from_millis(20);

/// The time after which a pass that was cut short by a panic of other code is repeated.
const RETRY_AFTER_PANIC: Duration = Duration::from_millis(20);

/// The time over which events kept back by limits are summed up before an announcement.
const ANNOUNCE_AFTER: Duration = Duration::from_secs(1);

/// How long looking back is put off while a subscriber is being installed, and how often.
const PUT_OFF_FOR: Duration = Duration::from_millis(1);
const MAX_PUT_OFF: u32 = 100;

/// Starts the thread of a router. If the system cannot start one, the next session tries again.
pub(super) fn start(core: &Arc<Core>) {
    let weak = Arc::downgrade(core);
    let shared = Arc::clone(&core.shared);
    let run = move || {
        let mut chores = Chores::default();
        while !shared.inbox.is_stopped() {
            // A pass may hold the last reference to a subscriber and drop it, with other layers in it. Whatever their drop
            // does, this thread must go on.
            let next = run_user_code(|| chores.pass(&weak)).unwrap_or_else(|| Some(Instant::now() + RETRY_AFTER_PANIC));
            match next {
                Some(next) => std::thread::park_timeout(next.saturating_duration_since(Instant::now())),
                // The router was dropped, and its drop is about to set the stop flag.
                None => std::thread::park(),
            }
        }
        log_unlogged(&shared.inbox, chores.retired);
    };
    if let Ok(handle) = std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(run) {
        core.shared.inbox.set_thread(handle.thread().clone());
        // Work queued before could not wake the thread.
        core.shared.inbox.wake();
    }
}

/// The pending work of the thread.
#[derive(Debug, Default)]
struct Chores {
    /// Each rebuild of this thread overlapped with one of another thread.
    must_rebuild: bool,
    /// How often looking back was put off because the subscriber was being installed.
    put_off: Option<u32>,
    settle_at: Vec<Instant>,
    /// The due announcements to readers of events kept back, by time: each session at most once.
    announce_at: VecDeque<(Instant, SessionId)>,
    retired: Vec<Retired>,
}

impl Chores {
    /// Does the pending work, and returns the time of the next; `None` if only a wake can bring more.
    fn pass(&mut self, core: &Weak<Core>) -> Option<Instant> {
        let core = core.upgrade()?;
        let inbox = &core.shared.inbox;
        while let Some(id) = inbox.take_ended() {
            // The producer has set the reason already.
            core.close(id, EndReason::MaxEvents);
        }
        let next_look = self.look_back_if_installed(&core);
        let next_expiry = core.close_expired();
        let next_due = core.look_at_due();
        let next_announcement = self.announce_if_due(&core, Instant::now());
        if let Some(number) = inbox.asked_rebuild() {
            self.must_rebuild = !rebuild(&core);
            settle(&core);
            self.settle_at = SETTLE_AFTER.iter().map(|after| Instant::now() + *after).collect();
            inbox.set_rebuilt(number);
            core.note_looking_back();
            inbox.learn();
        }
        self.settle_if_due(&core);
        if inbox.take_learn() {
            learn(&core);
        }
        core.rest_if_idle();
        self.free(&core);
        core.log_audits();
        let next_freeing = (!self.retired.is_empty()).then(|| Instant::now() + RETRY_FREEING_AFTER);
        let next_settling = self.settle_at.first().copied();
        [next_look, next_expiry, next_due, next_announcement, next_settling, next_freeing].into_iter().flatten().min()
    }

    /// Switches looking back on once the layer is installed, and returns when to look again. Not before `tracing` has taken
    /// the levels of the new subscriber: they say which spans there are without us.
    fn look_back_if_installed(&mut self, core: &Core) -> Option<Instant> {
        if core.shared.inbox.take_look_back() {
            self.put_off.get_or_insert(0);
        }
        let put_off = self.put_off?;
        if put_off < MAX_PUT_OFF && core.hides_levels() {
            self.put_off = Some(put_off + 1);
            return Some(Instant::now() + PUT_OFF_FOR);
        }
        self.put_off = None;
        core.start_looking_back();
        None
    }

    fn settle_if_due(&mut self, core: &Core) {
        let now = Instant::now();
        let due = self.settle_at.iter().take_while(|at| **at <= now).count();
        if due > 0 {
            self.settle_at.drain(..due);
            if self.must_rebuild || core.hides_levels() {
                self.must_rebuild = !rebuild(core);
            }
            settle(core);
        }
    }

    /// Makes the due announcements, and returns the time of the next.
    fn announce_if_due(&mut self, core: &Core, now: Instant) -> Option<Instant> {
        let left = std::iter::from_fn(|| core.shared.inbox.take_kept_back());
        self.announce_at.extend(left.map(|id| (now + ANNOUNCE_AFTER, id)));
        let due = self.announce_at.iter().take_while(|(at, _)| *at <= now).count();
        for (_, id) in self.announce_at.drain(..due) {
            core.announce_kept_back(id);
        }
        self.announce_at.front().map(|(at, _)| *at)
    }

    fn free(&mut self, core: &Core) {
        self.retired.extend(core.shared.inbox.take_retired());
        let retired = std::mem::take(&mut self.retired);
        self.retired = retired.into_iter().filter_map(|retired| core.free(retired)).collect();
    }
}

/// Rebuilds the interest of every callsite. Returns whether no other thread did so meanwhile.
///
/// `tracing` lets two rebuilds run at once, and the one that ends last may restore answers from before the other one's
/// filter changed: that filter would then miss events. So this one is repeated.
fn rebuild(core: &Core) -> bool {
    let _rebuilding = REBUILDING.lock();
    let mut instances = core.live_instances();
    // The thread's own default first: to set another one concerns all threads, see `with_dispatch`.
    instances.sort_by_key(|instance| !dispatcher::get_default(|default| instance.is_in(default)));
    let was_alone = (0..REBUILD_ATTEMPTS).any(|_| {
        let asked = || instances.iter().map(|instance| instance.asked_by_others()).collect::<Vec<_>>();
        let before = asked();
        rebuild_once(core, &instances);
        asked() == before
    });
    #[cfg(feature = "log")]
    follow_log_level(core, &instances);
    was_alone
}

/// `tracing` asks all subscribers if another one lived when the last was made, and otherwise the thread's default alone, as
/// the only one. So one rebuild under any of this router's is enough.
fn rebuild_once(core: &Core, instances: &[Arc<Instance>]) {
    let rebuild = |_: &_| asking(Caller::Rebuild(core.shared.router), callsite::rebuild_interest_cache);
    let start = Instant::now();
    if instances.iter().any(|instance| with_dispatch(instance, rebuild)) {
        core.health.count_rebuild(start.elapsed());
    }
}

/// A logger that is not a bridge may filter by the level of `log` alone, and would print everything if it were raised.
#[cfg(feature = "log")]
fn follow_log_level(core: &Core, instances: &[Arc<Instance>]) {
    let mut is_accepted = false;
    for instance in instances {
        with_dispatch(instance, |_| is_accepted |= instance.accepts_log() == Some(true));
    }
    let verbosity = if is_accepted { core.shared.snapshot.load().verbosity } else { 0 };
    super::log_level::follow(core.shared.router, filter_of_verbosity(verbosity));
}

/// Repairs callsites that were being registered during a rebuild: nothing wanted may be left at `never`. While no
/// session is open there is nothing to repair, and what a global filter hides is to cost nothing again.
fn settle(core: &Core) {
    if core.shared.snapshot.load().verbosity == 0 {
        return;
    }
    for instance in core.live_instances() {
        for metadata in wanted(&instance) {
            metadata.callsite().0.set_interest(Interest::sometimes());
        }
    }
}

/// Asks, for each callsite wanted here, whether any other layer wants it, while this router says it does not.
fn learn(core: &Core) {
    for instance in core.live_instances() {
        let Some(dispatch) = instance.dispatch() else { continue };
        instance.callsites().learn(wanted(&instance), |metadata| {
            let ask =
                || asking(Caller::Probe(core.shared.router, key_of(metadata)), || dispatch.register_callsite(metadata));
            run_user_code(ask).map(|interest| !interest.is_never())
        });
    }
}

fn wanted(instance: &Instance) -> impl Iterator<Item = &'static Metadata<'static>> {
    instance.callsites().all().into_iter().filter(|metadata| instance.wants(metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_due_announcement_of_a_gone_session_leaves_nothing() {
        let (core, mut chores) = (Core::new(Config::default()), Chores::default());
        let now = Instant::now();
        core.shared.inbox.announce_kept_back(SessionId(7));
        assert_eq!(chores.announce_if_due(&core, now), Some(now + ANNOUNCE_AFTER));
        core.shared.inbox.announce_kept_back(SessionId(8));
        let later = now + ANNOUNCE_AFTER / 2;
        assert_eq!(chores.announce_if_due(&core, later), Some(now + ANNOUNCE_AFTER));
        assert_eq!(chores.announce_if_due(&core, now + ANNOUNCE_AFTER), Some(later + ANNOUNCE_AFTER));
        assert_eq!(chores.announce_if_due(&core, later + ANNOUNCE_AFTER), None);
        assert!(chores.announce_at.is_empty());
    }
}
