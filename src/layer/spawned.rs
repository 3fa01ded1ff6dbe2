//! Where tasks of `tokio` are spawned.

use super::instance::Instance;
use super::task::number_of;
use crate::coverage::Spawn;
use tokio::runtime::TaskMeta;
use tracing_core::dispatcher;

/// Notes the spawn of a task inside a span, while a session is open.
pub(crate) fn note_spawn(task: &TaskMeta<'_>) {
    dispatcher::get_default(|dispatch| {
        let Some(instance) = dispatch.downcast_ref::<Instance>().filter(|instance| instance.epoch() != 0) else {
            return;
        };
        if let Some(within) = dispatch.current_span().metadata() {
            instance.shared.seen.spawns.note(number_of(task.id()), Spawn { at: task.spawned_at(), within });
        }
    });
}
