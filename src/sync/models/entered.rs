//! A thread's stack under `loom`, while another thread closes the last session and opens another.

use super::*;
use crate::session::published::Epoch;
use crate::sync::{thread, try_all};
use std::sync::Arc;

/// A thread that enters and leaves as the layer does: what happens while no session is open goes unseen.
struct Walker {
    entered: Entered,
    registry: Vec<u64>,
}

impl Walker {
    fn keeper(epoch: &Epoch) -> Keeper {
        epoch.awake_since()
    }

    fn enter(&mut self, id: u64, epoch: &Epoch) {
        self.registry.push(id);
        if epoch.current() != 0 {
            self.entered.push::<false>(
                Self::keeper(epoch),
                Entering { id, tree: 0, label: id, task: Task::NONE },
                |_| false,
            );
        }
    }

    fn exit(&mut self, epoch: &Epoch) {
        let Some(id) = self.registry.pop() else { return };
        if epoch.current() != 0 {
            let keeper = Self::keeper(epoch);
            if self.entered.pop(keeper, id).is_none() {
                self.entered.lose_of(keeper);
            }
        }
    }

    /// The current span, as an event finds it.
    fn event(&self, epoch: &Epoch) {
        let now = epoch.current();
        if now == 0 {
            return;
        }
        let current = self.registry.last().copied().unwrap_or(NO_SPAN);
        match self.entered.current(Self::keeper(epoch)) {
            Some(known) => assert_eq!(known, current, "an enter or exit went unseen"),
            None => self.entered.synchronize(Self::keeper(epoch), now, current, u64::from(current != NO_SPAN)),
        }
    }
}

#[test]
fn loom_a_stack_from_before_a_rest_is_not_used_after_it() {
    try_all(|| {
        let epoch = Arc::new(Epoch::default());
        epoch.move_on();
        let changing = {
            let epoch = Arc::clone(&epoch);
            thread::spawn(move || {
                epoch.rest();
                epoch.move_on();
            })
        };
        let mut walker = Walker { entered: Entered::new(), registry: Vec::new() };
        walker.event(&epoch);
        walker.enter(1, &epoch);
        walker.event(&epoch);
        walker.enter(2, &epoch);
        walker.exit(&epoch);
        walker.event(&epoch);
        changing.join().unwrap();
        walker.event(&epoch);
    });
}
