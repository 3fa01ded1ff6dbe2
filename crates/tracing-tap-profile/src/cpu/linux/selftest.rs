//! Which stacks are to be had: a thread that is known to be deep in calls is sampled, and its stacks are looked at.

use super::super::{CpuOptions, Stacks};
use super::perf::{RawStack, Recorded, ThreadSamples, Wanted};
use super::unwind::Unwinder;
use rustix::thread::gettid;
use std::hint::black_box;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{io, thread};

/// How deep the thread is in calls of its own.
const DEPTH: usize = 12;
/// How many samples are looked at, and how long they are waited for.
const SAMPLES: usize = 12;
const PATIENCE: Duration = Duration::from_millis(300);
const RATE_HZ: u32 = 1_000;

/// The best stacks that can be had, or those that were asked for if samples can be taken at all.
///
/// # Errors
/// If the kernel opens no perf event.
pub(super) fn choose(options: &CpuOptions, unwinder: &mut Unwinder) -> io::Result<Stacks> {
    if let Some(asked) = options.stacks {
        return are_good(options, asked, unwinder).map(|_| asked);
    }
    for stacks in [Stacks::FramePointers, Stacks::Copies] {
        if are_good(options, stacks, unwinder)? {
            return Ok(stacks);
        }
    }
    Ok(Stacks::OneFrame)
}

/// Whether most stacks of a thread that is deep in calls are as deep.
fn are_good(options: &CpuOptions, stacks: Stacks, unwinder: &mut Unwinder) -> io::Result<bool> {
    let wanted = Wanted { rate_hz: RATE_HZ, stacks, stack_bytes: options.stack_bytes };
    let samples = samples_of_deep_thread(wanted)?;
    let mut is_deep = |stack: &RawStack| unwinder.frames(stack).addresses.len() > DEPTH;
    let deep = samples.iter().filter(|stack| is_deep(stack)).count();
    Ok(!samples.is_empty() && deep * 4 >= samples.len() * 3)
}

fn samples_of_deep_thread(wanted: Wanted) -> io::Result<Vec<RawStack>> {
    let (sender, ids) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let deep = thread::Builder::new().name("tracing-tap-test".to_owned()).spawn(move || {
        let _ = sender.send(gettid().as_raw_nonzero().get());
        // Until the other end is dropped.
        let go_on = || matches!(stopped.try_recv(), Err(mpsc::TryRecvError::Empty));
        descend(DEPTH, &go_on);
    })?;
    let sampled = ids.recv().map_err(io::Error::other).and_then(|thread| {
        let mut samples = ThreadSamples::open(u64::from(thread.unsigned_abs()), wanted)?;
        let (mut stacks, end) = (Vec::new(), Instant::now() + PATIENCE);
        while stacks.len() < SAMPLES && Instant::now() < end {
            // The kernel wakes a reader when half the room is used up, which takes too long.
            thread::sleep(Duration::from_millis(2));
            samples.read(|recorded| {
                if let Recorded::Sample { stack, .. } = recorded {
                    stacks.push(stack);
                }
            });
        }
        Ok(stacks)
    });
    drop(stop);
    deep.join().map_err(|_| io::Error::other("the test of stacks has panicked"))?;
    sampled
}

/// Calls itself so many times, and is busy then.
#[inline(never)]
fn descend(depth: usize, go_on: &dyn Fn() -> bool) -> usize {
    if depth > 0 {
        // Not the last thing it does, so that the call has a frame of its own.
        return black_box(descend(black_box(depth - 1), go_on)) + 1;
    }
    let mut rounds = 0;
    while black_box(go_on()) {
        rounds = (0..20_000).fold(rounds, |sum: usize, round| black_box(sum.wrapping_add(round)));
    }
    rounds % 2
}
