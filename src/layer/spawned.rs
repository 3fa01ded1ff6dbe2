//! Where tasks of `tokio` are spawned.

use super::held_guard::with_watching;
use super::task::number_of;
use crate::coverage::Spawn;
use tokio::runtime::TaskMeta;

/// Notes the spawn of a task inside a span, while a session is open.
pub(crate) fn note_spawn(task: &TaskMeta<'_>) {
    with_watching(|instance, dispatch| {
        if let Some(within) = dispatch.current_span().metadata() {
            instance.shared.seen.spawns.note(number_of(task.id()), Spawn { at: task.spawned_at(), within });
        }
    });
}
