//! What a thread keeps of its decisions, under `loom`, while another thread opens and closes.

use super::*;
use crate::session::published::{Epoch, Published};
use crate::sync::{thread, try_all};

/// A thread that decides as the layer does. What it decides is which snapshot it saw, and in which span.
struct Producer {
    state: ThreadState,
    trees: Trees,
    span: u8,
}

impl Producer {
    /// The epoch of an event, and the snapshot and the span by which it was decided.
    fn event(&self, published: &Published<u64>, epoch: &Epoch) -> Option<(u64, u64, u8)> {
        let epoch = epoch.current();
        if epoch == 0 {
            return None;
        }
        let decision = self.state.decided_in(epoch, &self.trees).unwrap_or_else(|| {
            let decision = Decision { scope: **published.load(), verbosity: self.span, ..Decision::NONE };
            self.state.remember(epoch, SpanName { id: self.span.into(), number: 0 }, decision);
            decision
        });
        Some((epoch, decision.scope, decision.verbosity))
    }

    fn enter(&mut self, span: u8, epoch: &Epoch) {
        self.span = span;
        if epoch.current() != 0 {
            self.state.forget_decision();
        }
    }
}

#[test]
fn loom_a_decision_of_another_span_or_epoch_is_not_used() {
    try_all(|| {
        let (published, epoch) = (Arc::new(Published::<u64>::default()), Arc::new(Epoch::default()));
        published.replace(1, std::iter::once(&*epoch));
        let first = epoch.current();
        let changing = {
            let (published, epoch) = (Arc::clone(&published), Arc::clone(&epoch));
            thread::spawn(move || {
                epoch.rest();
                published.replace(2, std::iter::once(&*epoch));
                epoch.current()
            })
        };
        let mut producer = Producer { state: ThreadState::new(), trees: Trees::default(), span: 1 };
        let in_first_span = producer.event(&published, &epoch);
        producer.enter(2, &epoch);
        let in_second_span = [(); 2].map(|()| producer.event(&published, &epoch));
        let second = changing.join().unwrap();
        let stands_for = |epoch: u64| if epoch == second { 2 } else { u64::from(epoch == first) };
        let events = [(in_first_span, 1), (in_second_span[0], 2), (in_second_span[1], 2)];
        for (event, span) in events {
            let Some((epoch, version, decided_in)) = event else { continue };
            assert_eq!(decided_in, span, "decided in another span");
            assert!(version >= stands_for(epoch), "decided by what was replaced before the epoch moved");
        }
    });
}
