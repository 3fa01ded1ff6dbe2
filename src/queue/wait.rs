//! Waiting of a reader at no cost to producers: at most one wake for each time that the reader started to wait.
//!
//! # The protocol
//! | reader | producer |
//! |---|---|
//! | looks, finds nothing | |
//! | 1. leaves its waker | 1. pushes |
//! | 2. `waiting = true` | |
//! | 3. `fence(SeqCst)` | 2. `fence(SeqCst)` |
//! | 4. looks again; finds something: `waiting = false` | 3. loads `waiting`; if true, swaps it to false and takes the waker |
//!
//! The two fences have one order. If the reader's is first, the producer's load sees `waiting`; if the producer's is first,
//! the reader's second look sees the push. Without either fence both could miss: each side writes one thing and then reads
//! the other's, which no acquire or release orders.

use crate::sync::AtomicWaker;
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::sync::atomic::{AtomicBool, fence};
use crate::sync::thread::{self, Thread};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

/// The place for one reader's waker. Producers check it for a waiting reader.
#[derive(Debug, Default)]
pub(crate) struct ReaderWait {
    waiting: AtomicBool,
    waker: AtomicWaker,
}

impl ReaderWait {
    /// Returns what `look` finds; where it finds nothing, the context is woken once there may be something.
    ///
    /// `look` is called at most twice. The context may also be woken without need, and may be so during this call.
    pub(crate) fn poll<T>(&self, context: &Context<'_>, mut look: impl FnMut() -> Option<T>) -> Poll<T> {
        if let Some(found) = look() {
            return Poll::Ready(found);
        }
        self.register(context.waker());
        let Some(found) = look() else {
            return Poll::Pending;
        };
        self.cancel();
        Poll::Ready(found)
    }

    /// Says that the reader waits. It must look once more after this call, and wait only if it finds nothing.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
        // Release pairs with the Acquire of the swap in `take_waker`: a thread that sees a waiting reader finds the waker. Fails
        // otherwise: `loom_a_reader_that_waits_repeatedly_gets_all_pushes`.
        self.waiting.store(true, Release);
        // Pairs with the fence in `fence_after_push`, as the protocol says. Fails otherwise:
        // `loom_the_reader_sees_the_push_or_is_woken`.
        fence(SeqCst);
    }

    /// Says that the reader waits no more. A producer may have decided to wake it already.
    pub(crate) fn cancel(&self) {
        // Relaxed: seen late, it costs a needless wake and nothing else. It cannot undo a later `register`, since only
        // the reader calls both.
        self.waiting.store(false, Relaxed);
    }

    /// To be called after a push and before [`take_waker`](Self::take_waker): once, to however many rings it was.
    #[inline]
    pub(crate) fn fence_after_push() {
        // Pairs with the fence in `register`, as the protocol says. Fails otherwise:
        // `loom_the_reader_sees_the_push_or_is_woken`.
        fence(SeqCst);
    }

    /// The waker to call after a push and a [fence](Self::fence_after_push), if the reader waits. Otherwise costs one load.
    ///
    /// It is returned rather than woken because a waker runs the executor's code, which the caller may have to guard.
    #[inline]
    pub(crate) fn take_waker(&self) -> Option<Waker> {
        // Relaxed: the fence has ordered it after the push. A plain load keeps the line shared while no reader waits.
        if !self.waiting.load(Relaxed) {
            return None;
        }
        // Of several producers that saw the reader wait, one wakes. Acquire: see `register`.
        if !self.waiting.swap(false, Acquire) {
            return None;
        }
        self.waker.take()
    }
}

/// Polls on this thread until ready, sleeping in between; `None` once the deadline has passed. No deadline: forever.
///
/// Polls at least once. Wakes by others for other reasons (a stray `unpark`) cause neither a poll nor an early return,
/// and a wake is not lost where `poll` itself parks the thread.
pub(crate) fn block_on_ready<T>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    let sleeper = Arc::new(Sleeper { woken: AtomicBool::new(false), thread: thread::current() });
    let waker = Waker::from(Arc::clone(&sleeper));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(found) = poll(&mut context) {
            return Some(found);
        }
        if !sleeper.sleep_until_woken(deadline) {
            return None;
        }
    }
}

/// A thread that sleeps in [`block_on_ready`].
struct Sleeper {
    woken: AtomicBool,
    thread: Thread,
}

impl Sleeper {
    /// `false`: the deadline has passed without a wake.
    fn sleep_until_woken(&self, deadline: Option<Instant>) -> bool {
        // Acquire pairs with the Release in `wake_by_ref`: the poll that follows sees what the waker's thread did before.
        // Fails otherwise: `loom_a_woken_reader_sees_what_was_done_before`.
        while !self.woken.swap(false, Acquire) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(remaining) if remaining.is_zero() => return false,
                Some(remaining) => thread::park_timeout(remaining),
            }
        }
        true
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release pairs with the Acquire in `sleep_until_woken`. It is before `unpark`, so that the unparked thread sees it.
        self.woken.store(true, Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/wait.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::queue::budget::Budget;
    use crate::queue::ring::{Overflow, Popped, Ring};
    use crate::sync::atomic::{AtomicU64, AtomicUsize};
    use crate::sync::tries;
    use std::hint;
    use std::thread;
    use std::time::Duration;

    /// A bound on every wait; reaching it is a failure.
    const PATIENCE: Duration = Duration::from_secs(10);

    impl ReaderWait {
        fn waker_after_push(&self) -> Option<Waker> {
            Self::fence_after_push();
            self.take_waker()
        }
    }

    #[derive(Default)]
    struct CountingWaker(AtomicUsize);

    impl Wake for CountingWaker {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// A ring and the reader's place to wait at it, used the way a stream does.
    struct Channel {
        ring: Ring<u64>,
        wait: ReaderWait,
    }

    impl Channel {
        fn new(capacity: usize) -> Self {
            let budget = Arc::new(Budget::new(1 << 20));
            Self { ring: Ring::new(Overflow::DropNewest, capacity, 1 << 20, budget), wait: ReaderWait::default() }
        }

        /// Pushes and wakes; the number of wakes, 0 or 1.
        fn send(&self, number: u64) -> usize {
            assert!(self.ring.push(number, 8).is_empty(), "the ring was full");
            self.wait.waker_after_push().map(Waker::wake).into_iter().count()
        }

        fn look(&self) -> Option<u64> {
            match self.ring.pop() {
                Popped::Item { item, .. } => Some(item),
                Popped::Empty { .. } => None,
            }
        }

        fn receive(&self) -> u64 {
            let deadline = Instant::now() + PATIENCE;
            block_on_ready(Some(deadline), |context| self.wait.poll(context, || self.look()))
                .expect("a wake-up was lost")
        }
    }

    #[test]
    fn a_batch_pushed_to_a_waiting_reader_wakes_it_once() {
        let (channel, counter) = (Channel::new(100), Arc::new(CountingWaker::default()));
        let waker = Waker::from(Arc::clone(&counter));
        let context = Context::from_waker(&waker);
        for batch in 1..=10 {
            assert!(channel.wait.poll(&context, || channel.look()).is_pending());
            let wakes: usize = (0..50).map(|number| channel.send(number)).sum();
            assert_eq!((wakes, counter.0.load(SeqCst)), (1, batch));
            for number in 0..50 {
                assert_eq!(channel.wait.poll(&context, || channel.look()), Poll::Ready(number));
            }
        }
    }

    #[test]
    fn nobody_is_woken_where_nobody_waits() {
        let channel = Channel::new(10);
        assert_eq!(channel.send(1), 0);
        let context = Context::from_waker(Waker::noop());
        assert_eq!(channel.wait.poll(&context, || channel.look()), Poll::Ready(1));
        assert_eq!(channel.send(2), 0);
    }

    #[test]
    fn what_the_second_look_finds_ends_the_wait() {
        let channel = Channel::new(10);
        let context = Context::from_waker(Waker::noop());
        let mut looks = [None, Some(7)].into_iter();
        assert_eq!(channel.wait.poll(&context, || looks.next().flatten()), Poll::Ready(7));
        assert!(channel.wait.waker_after_push().is_none());
    }

    #[test]
    fn the_last_waker_left_is_the_one_that_is_taken() {
        let (wait, old, new) = (ReaderWait::default(), Arc::new(CountingWaker::default()), Arc::default());
        wait.register(&Waker::from(Arc::clone(&old)));
        wait.register(&Waker::from(Arc::<CountingWaker>::clone(&new)));
        wait.waker_after_push().expect("the reader waits").wake();
        assert!(wait.waker_after_push().is_none());
        assert_eq!((old.0.load(SeqCst), new.0.load(SeqCst)), (0, 1));
    }

    #[test]
    fn no_wake_up_is_lost() {
        const ROUNDS: u64 = tries(100_000);
        let (there, back) = (Channel::new(1), Channel::new(1));
        thread::scope(|scope| {
            scope.spawn(|| (0..ROUNDS).for_each(|_| _ = back.send(there.receive())));
            for round in 0..ROUNDS {
                there.send(round);
                assert_eq!(back.receive(), round);
            }
        });
    }

    /// Spins until the number is there; gives the processor away now and then, since the other thread may need it.
    fn spin_until(place: &AtomicU64, found: impl Fn(u64) -> bool) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for _ in 0..1_000 {
                let number = place.load(Acquire);
                if found(number) {
                    return number;
                }
                hint::spin_loop();
            }
            assert!(Instant::now() < deadline, "the other thread does not answer");
            thread::yield_now();
        }
    }

    /// The protocol alone: a queue would bring fences of its own, which hide a missing one.
    #[test]
    fn the_reader_sees_the_push_or_the_producer_sees_the_reader() {
        const ROUNDS: u64 = tries(200_000);
        let wait = ReaderWait::default();
        let [start, pushed, answer] = [const { AtomicU64::new(0) }; 3];
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    spin_until(&start, |number| number == round);
                    wait.register(Waker::noop());
                    let saw_push = pushed.load(Acquire) == round;
                    if saw_push {
                        wait.cancel();
                    }
                    answer.store(round * 2 + u64::from(saw_push), Release);
                }
            });
            for round in 1..=ROUNDS {
                start.store(round, Release);
                // The reader is some nanoseconds late; meet it at a different point each round.
                (0..round % 64).for_each(|_| hint::spin_loop());
                pushed.store(round, Release);
                let saw_reader = wait.waker_after_push().is_some();
                let saw_push = spin_until(&answer, |number| number / 2 == round) % 2 == 1;
                assert!(saw_reader || saw_push, "both missed in round {round}");
            }
        });
    }

    #[test]
    fn a_reader_is_woken_at_most_once_for_each_time_it_went_to_wait() {
        const PRODUCERS: u64 = 3;
        const EACH: u64 = tries(20_000);
        let channel = Channel::new((PRODUCERS * EACH) as usize);
        let (waits, wakes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..PRODUCERS {
                scope.spawn(|| {
                    for number in 0..EACH {
                        wakes.fetch_add(channel.send(number), SeqCst);
                    }
                });
            }
            let deadline = Instant::now() + PATIENCE;
            for _ in 0..PRODUCERS * EACH {
                let received = block_on_ready(Some(deadline), |context| {
                    // Before the poll, because a producer may wake the reader before the poll has returned.
                    let polled = channel.look().map_or_else(
                        || {
                            waits.fetch_add(1, SeqCst);
                            channel.wait.poll(context, || channel.look())
                        },
                        Poll::Ready,
                    );
                    assert!(wakes.load(SeqCst) <= waits.load(SeqCst));
                    polled
                });
                assert!(received.is_some(), "a wake-up was lost");
            }
        });
        assert!(wakes.load(SeqCst) <= waits.load(SeqCst));
    }

    #[test]
    fn a_deadline_ends_the_wait_after_one_look() {
        let mut looks = 0;
        let passed = block_on_ready(Some(Instant::now()), |_| {
            looks += 1;
            Poll::<()>::Pending
        });
        assert_eq!((passed, looks), (None, 1));
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(block_on_ready(Some(soon), |_| Poll::<()>::Pending), None);
        assert!(Instant::now() >= soon);
    }

    #[test]
    fn what_is_ready_is_returned_though_the_deadline_has_passed() {
        assert_eq!(block_on_ready(Some(Instant::now()), |_| Poll::Ready(1)), Some(1));
    }

    #[test]
    fn a_stray_unpark_causes_no_poll() {
        let mut looks = 0;
        thread::current().unpark();
        let deadline = Instant::now() + Duration::from_millis(5);
        let ended = block_on_ready(Some(deadline), |_| {
            looks += 1;
            Poll::<()>::Pending
        });
        assert_eq!((ended, looks), (None, 1));
    }

    #[test]
    fn a_wake_survives_a_poll_that_parks_the_thread_itself() {
        let mut looks = 0;
        let deadline = Instant::now() + PATIENCE;
        let found = block_on_ready(Some(deadline), |context| {
            looks += 1;
            context.waker().wake_by_ref();
            thread::park_timeout(PATIENCE);
            if looks == 1 { Poll::Pending } else { Poll::Ready(looks) }
        });
        assert_eq!(found, Some(2));
    }
}
