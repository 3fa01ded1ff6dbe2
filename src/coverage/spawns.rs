//! Where tasks were spawned, as hooks of a runtime say it.

use super::remembered::Remembered;
use std::panic::Location;
use std::sync::{Mutex, TryLockError};
use tracing_core::Metadata;

/// The place of a spawn, and the span that it was in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spawn {
    pub(crate) at: &'static Location<'static>,
    pub(crate) within: &'static Metadata<'static>,
}

/// How many tasks are remembered; a later one takes an earlier one's place.
const TASKS: usize = 1024;

/// The tasks that were spawned lately inside spans, and the callsites whose events lost their context in one.
#[derive(Debug, Default)]
pub(crate) struct Spawns {
    /// By the task's number. A producer that finds it locked leaves its task out.
    tasks: Mutex<Vec<Option<(u64, Spawn)>>>,
    lost: Remembered<(usize, Spawn)>,
}

impl Spawns {
    /// Notes the spawn of a task.
    pub(crate) fn note(&self, task: u64, spawn: Spawn) {
        self.with_tasks(|tasks| {
            tasks.resize(TASKS, None);
            tasks[task as usize % TASKS] = Some((task, spawn));
        });
    }

    /// Notes that a callsite's event has lost its context in a task, if its spawn is known.
    pub(crate) fn note_lost(&self, callsite: usize, task: u64) {
        let known = self.with_tasks(|tasks| tasks.get(task as usize % TASKS).copied().flatten()).flatten();
        if let Some((_, spawn)) = known.filter(|(known, _)| *known == task) {
            self.lost.add((callsite, spawn), |(known, _)| *known == callsite);
        }
    }

    /// The spawn of a task in which an event of a callsite lost its context.
    pub(crate) fn of(&self, callsite: usize) -> Option<Spawn> {
        self.lost.all().into_iter().find(|(known, _)| *known == callsite).map(|(_, spawn)| spawn)
    }

    fn with_tasks<R>(&self, look: impl FnOnce(&mut Vec<Option<(u64, Spawn)>>) -> R) -> Option<R> {
        match self.tasks.try_lock() {
            Ok(mut tasks) => Some(look(&mut tasks)),
            Err(TryLockError::Poisoned(poisoned)) => Some(look(&mut poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
