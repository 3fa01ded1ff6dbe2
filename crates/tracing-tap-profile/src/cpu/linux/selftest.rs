//! Which stacks are to be had: a thread that is known to be deep in calls is sampled, and its stacks are looked at.

use super::super::{CpuOptions, Stacks};
use super::perf::{RawStack, Recorded, ThreadSamples, Wanted, kernel_id};
use super::unwind::Unwinder;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{io, thread};

/// How deep the thread is in calls of its own.
const DEPTH: usize = 12;
/// How many samples are looked at, and how long they are waited for.
const SAMPLES: usize = 12;
const PATIENCE: Duration = Duration::from_millis(300);
const RATE_HZ: u32 = 1_000;

/// Opens an event of this thread and closes it.
///
/// # Errors
/// If the kernel opens no perf event.
pub(super) fn may_sample() -> io::Result<()> {
    let wanted = Wanted { rate_hz: 1, stacks: Stacks::OneFrame, stack_bytes: 0 };
    ThreadSamples::open(kernel_id(), wanted).map(drop)
}

/// The stacks that were asked for, or the best that can be had. What the program has does not change, so that is tried once for
/// each size of copies, unless the machine was too busy to tell.
///
/// # Errors
/// If the kernel opens no perf event.
pub(super) fn choose(options: &CpuOptions, unwinder: &mut Unwinder) -> io::Result<Stacks> {
    static FOUND: Mutex<BTreeMap<u32, Stacks>> = Mutex::new(BTreeMap::new());
    if let Some(asked) = options.stacks {
        return Ok(asked);
    }
    let found = || FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = found().get(&options.stack_bytes) {
        return Ok(*found);
    }
    let mut is_certain = true;
    for stacks in [Stacks::FramePointers, Stacks::Copies] {
        let tried = try_out(options, stacks, unwinder)?;
        is_certain &= tried.is_certain;
        if tried.are_good {
            if is_certain {
                found().insert(options.stack_bytes, stacks);
            }
            return Ok(stacks);
        }
    }
    Ok(Stacks::OneFrame)
}

struct Tried {
    /// Whether most stacks of a thread that is deep in calls are as deep.
    are_good: bool,
    /// Whether enough were looked at.
    is_certain: bool,
}

fn try_out(options: &CpuOptions, stacks: Stacks, unwinder: &mut Unwinder) -> io::Result<Tried> {
    let wanted = Wanted { rate_hz: RATE_HZ, stacks, stack_bytes: options.stack_bytes };
    let samples = samples_of_deep_thread(wanted)?;
    let mut is_deep = |stack: &RawStack| unwinder.frames(stack).addresses.len() > DEPTH;
    let deep = samples.iter().filter(|stack| is_deep(stack)).count();
    let are_good = !samples.is_empty() && deep * 4 >= samples.len() * 3;
    Ok(Tried { are_good, is_certain: samples.len() >= SAMPLES })
}

fn samples_of_deep_thread(wanted: Wanted) -> io::Result<Vec<RawStack>> {
    let (sender, ids) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let deep = thread::Builder::new().name("tracing-tap-test".to_owned()).spawn(move || {
        let _ = sender.send(kernel_id());
        // Until the other end is dropped.
        let go_on = || matches!(stopped.try_recv(), Err(mpsc::TryRecvError::Empty));
        descend(DEPTH, &go_on);
    })?;
    let sampled = ids.recv().map_err(io::Error::other).and_then(|thread| {
        let mut samples = ThreadSamples::open(thread, wanted)?;
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
