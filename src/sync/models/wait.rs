//! Waiting and waking under `loom`, which calls it a deadlock where a wake is lost.

use super::*;
use crate::queue::budget::Budget;
use crate::queue::ring::{Overflow, Popped, Ring};
use crate::sync::try_all;

impl ReaderWait {
    fn wake(&self) {
        Self::fence_after_push();
        if let Some(waker) = self.take_waker() {
            waker.wake();
        }
    }
}

/// Nothing but what the protocol itself orders: what is pushed is a flag.
#[test]
fn loom_the_reader_sees_the_push_or_is_woken() {
    try_all(|| {
        let shared = Arc::new((ReaderWait::default(), AtomicBool::new(false)));
        let pushing = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (wait, is_pushed) = &*shared;
                is_pushed.store(true, Relaxed);
                wait.wake();
            })
        };
        let (wait, is_pushed) = &*shared;
        let found = block_on_ready(None, |context| wait.poll(context, || is_pushed.load(Relaxed).then_some(())));
        assert_eq!(found, Some(()));
        pushing.join().unwrap();
    });
}

/// The woken thread sees what the waking one did before, without a queue between them.
#[test]
fn loom_a_woken_reader_sees_what_was_done_before() {
    try_all(|| {
        let is_done = Arc::new(AtomicBool::new(false));
        let mut waking = None;
        let mut looks = 0;
        let found = block_on_ready(None, |context| {
            looks += 1;
            if looks == 2 {
                return Poll::Ready(is_done.load(Relaxed));
            }
            let (waker, is_done) = (context.waker().clone(), Arc::clone(&is_done));
            waking = Some(thread::spawn(move || {
                is_done.store(true, Relaxed);
                waker.wake();
            }));
            Poll::Pending
        });
        assert_eq!(found, Some(true));
        waking.expect("it was polled").join().unwrap();
    });
}

#[test]
fn loom_a_reader_that_waits_repeatedly_gets_all_pushes() {
    try_all(|| {
        let ring = Ring::new(Overflow::DropNewest, 2, 1 << 10, Arc::new(Budget::new(1 << 10)));
        let shared = Arc::new((ReaderWait::default(), ring));
        let pushing = [1_u64, 2].map(|item| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (wait, ring) = &*shared;
                assert!(ring.push(item, 1).is_empty());
                wait.wake();
            })
        });
        let (wait, ring) = &*shared;
        let look = || match ring.pop() {
            Popped::Item { item, .. } => Some(item),
            Popped::Empty { .. } => None,
        };
        let read = [(); 2].map(|()| block_on_ready(None, |context| wait.poll(context, look)));
        assert_eq!(read.iter().flatten().sum::<u64>(), 3);
        pushing.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
