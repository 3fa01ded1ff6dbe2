//! The perf events of one thread: its samples, and when it was running.

use super::super::Stacks;
use perf_event::data::Record as Parsed;
use perf_event::events::Software;
use perf_event::{Builder, Clock, ReadFormat, SampleFlag, Sampler};
use rustix::thread::gettid;
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What of a thread is to be sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) rate_hz: u32,
    pub(super) stacks: Stacks,
    pub(super) stack_bytes: u32,
}

/// The samples of one thread as the kernel takes them.
pub(super) struct ThreadSamples(Ring);

/// When one thread is put on a processor, and taken off.
pub(super) struct ThreadSwitches(Ring);

/// The kernel's records of one event.
struct Ring {
    sampler: Sampler,
    /// How many records are known to be lost.
    lost: u64,
}

/// What the kernel has recorded. Times are those of `CLOCK_MONOTONIC` in nanoseconds.
#[derive(Debug)]
pub(super) enum Recorded {
    Sample {
        at: u64,
        stack: RawStack,
    },
    Switched {
        at: u64,
        is_running: bool,
    },
    /// So many records found no place.
    Lost(u64),
    Throttled,
}

/// The stack of a sample before it is looked at.
#[derive(Clone, Debug)]
pub(super) enum RawStack {
    /// Addresses from the innermost one.
    Chain(Vec<u64>),
    /// The registers in the order of [`REGISTERS`], and the stack from the stack pointer on.
    Copy { registers: Vec<u64>, stack: Vec<u8> },
}

/// The registers that unwinding needs, by the kernel's numbers: frame pointer, stack pointer, instruction pointer.
#[cfg(target_arch = "x86_64")]
const REGISTERS: u64 = 1 << 6 | 1 << 7 | 1 << 8;
/// The same: frame pointer, link register, stack pointer, instruction pointer.
#[cfg(target_arch = "aarch64")]
const REGISTERS: u64 = 1 << 29 | 1 << 30 | 1 << 31 | 1 << 32;

/// Room for the samples of a thread until they are read, at least and at most.
const SAMPLE_RING_BYTES: RangeInclusive<usize> = 128 << 10..=4 << 20;
/// The room is for so many parts of a second: a busy machine may let the reader wait.
const RINGS_A_SECOND: usize = 4;
/// What a sample takes apart from a copied stack; chains are seldom longer.
const SAMPLE_BYTES: usize = 600;
/// With less there is no use in sampling.
const SMALLEST_RING_BYTES: usize = 32 << 10;
/// Room for 2,700 switches.
const SWITCH_RING_BYTES: usize = 64 << 10;

/// Numbers of the kernel for types of records.
const LOST: u32 = 2;
const THROTTLE: u32 = 5;
const SAMPLE: u32 = 9;
const LOST_SAMPLES: u32 = 13;
const SWITCH: u32 = 14;

/// In a record's `misc`: the thread was taken off a processor.
const SWITCH_OUT: u16 = 1 << 13;

/// From here on an entry of a chain is a mark and no address.
const FIRST_MARK: u64 = u64::MAX - 4094;

impl Wanted {
    fn ring_bytes(self) -> usize {
        let copied = if self.stacks == Stacks::Copies { self.stack_bytes as usize } else { 0 };
        let bytes = self.rate_hz as usize * (SAMPLE_BYTES + copied) / RINGS_A_SECOND;
        bytes.clamp(*SAMPLE_RING_BYTES.start(), *SAMPLE_RING_BYTES.end())
    }
}

impl ThreadSamples {
    /// Begins to sample the thread of this kernel id, in this process.
    pub(super) fn open(thread: u64, wanted: Wanted) -> io::Result<Self> {
        let mut builder = Builder::new(Software::CPU_CLOCK);
        of_thread(&mut builder, thread)?;
        builder.sample_frequency(u64::from(wanted.rate_hz)).sample(SampleFlag::IP | SampleFlag::TIME);
        match wanted.stacks {
            Stacks::FramePointers => _ = builder.sample(SampleFlag::CALLCHAIN).exclude_callchain_kernel(true),
            Stacks::Copies => {
                builder.sample(SampleFlag::REGS_USER | SampleFlag::STACK_USER);
                builder.sample_regs_user(REGISTERS).sample_stack_user(wanted.stack_bytes);
            }
            Stacks::OneFrame => {}
        }
        Ring::open(&mut builder, wanted.ring_bytes()).map(Self)
    }

    /// Hands on what was recorded since.
    pub(super) fn read(&mut self, mut take: impl FnMut(Recorded)) {
        self.0.read(|record| match record.ty() {
            SAMPLE => take(sample(record).unwrap_or(Recorded::Lost(1))),
            LOST | LOST_SAMPLES => take(Recorded::Lost(lost(record))),
            THROTTLE => take(Recorded::Throttled),
            _ => {}
        });
    }

    /// How many samples were lost since the last record that said so. Called once, at the end.
    pub(super) fn lost_at_the_end(&mut self) -> u64 {
        self.0.lost_at_the_end()
    }
}

impl ThreadSwitches {
    /// Begins to watch the thread's switches.
    pub(super) fn open(thread: u64) -> io::Result<Self> {
        let mut builder = Builder::new(Software::DUMMY);
        of_thread(&mut builder, thread)?;
        builder.sample(SampleFlag::TIME).context_switch(true).sample_id_all(true);
        Ring::open(&mut builder, SWITCH_RING_BYTES).map(Self)
    }

    /// Hands on what was recorded since.
    pub(super) fn read(&mut self, mut take: impl FnMut(Recorded)) {
        self.0.read(|record| match record.ty() {
            SWITCH => {
                let is_running = record.misc() & SWITCH_OUT == 0;
                let at = word(&record.to_contiguous(), 0);
                take(at.map_or(Recorded::Lost(1), |at| Recorded::Switched { at, is_running }));
            }
            LOST | LOST_SAMPLES => take(Recorded::Lost(lost(record))),
            _ => {}
        });
    }

    /// How many switches were lost since the last record that said so. Called once, at the end.
    pub(super) fn lost_at_the_end(&mut self) -> u64 {
        self.0.lost_at_the_end()
    }
}

impl Ring {
    /// Begins to record. A record of lost ones is written before the next that finds room, so a thread that ends has none of its
    /// last losses: the kernel's own count has them, from Linux 6.0 on.
    fn open(builder: &mut Builder<'_>, bytes: usize) -> io::Result<Self> {
        let mut opened = with_ring(builder.read_format(ReadFormat::LOST), bytes);
        if opened.as_ref().is_err_and(|cause| cause.kind() == io::ErrorKind::InvalidInput) {
            opened = with_ring(builder.read_format(ReadFormat::empty()), bytes);
        }
        let mut sampler = opened?;
        sampler.enable()?;
        Ok(Self { sampler, lost: 0 })
    }

    fn read(&mut self, mut take: impl FnMut(&perf_event::Record<'_>)) {
        while let Some(record) = self.sampler.next_record() {
            if record.ty() == LOST {
                self.lost += lost(&record);
            }
            take(&record);
        }
    }

    fn lost_at_the_end(&mut self) -> u64 {
        let lost = self.sampler.read_full().ok().and_then(|read| read.lost());
        lost.unwrap_or_default().saturating_sub(self.lost)
    }
}

/// An event with a ring of that size, or the largest smaller one for which memory may be locked.
fn with_ring(builder: &Builder<'_>, bytes: usize) -> io::Result<Sampler> {
    match builder.build()?.sampled(bytes) {
        Ok(sampler) => Ok(sampler),
        Err(_) if bytes > SMALLEST_RING_BYTES => with_ring(builder, bytes / 2),
        Err(cause) => Err(no_memory(cause)),
    }
}

/// The kernel says `EPERM` for this as well.
fn no_memory(cause: io::Error) -> io::Error {
    let text = format!("no memory for its records: kernel.perf_event_mlock_kb and `ulimit -l` allow no more ({cause})");
    io::Error::new(io::ErrorKind::OutOfMemory, text)
}

fn of_thread(builder: &mut Builder<'_>, thread: u64) -> io::Result<()> {
    let thread = i32::try_from(thread).map_err(io::Error::other)?;
    builder.observe_pid(thread).any_cpu().exclude_kernel(true).exclude_hv(true).clockid(Clock::MONOTONIC);
    Ok(())
}

fn sample(record: &perf_event::Record<'_>) -> Option<Recorded> {
    let Ok(Parsed::Sample(sample)) = record.parse_record() else { return None };
    let at = sample.time()?;
    let registers = sample.regs_user().map(|registers| registers.regs.to_vec());
    let stack = match (sample.callchain(), registers, sample.stack_user()) {
        (Some(chain), ..) => RawStack::Chain(chain.iter().copied().filter(|entry| *entry < FIRST_MARK).collect()),
        (_, Some(registers), Some(stack)) if registers.len() == REGISTERS.count_ones() as usize => {
            RawStack::Copy { registers, stack: stack.to_vec() }
        }
        _ => RawStack::Chain(sample.ip().into_iter().collect()),
    };
    Some(Recorded::Sample { at, stack })
}

/// How many records a record says were lost. `LOST` has an id before.
fn lost(record: &perf_event::Record<'_>) -> u64 {
    word(&record.to_contiguous(), usize::from(record.ty() == LOST)).unwrap_or(1)
}

fn word(bytes: &[u8], place: usize) -> Option<u64> {
    let bytes = bytes.get(place * 8..place * 8 + 8)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

/// The kernel's id of this thread.
pub(super) fn kernel_id() -> u64 {
    u64::from(gettid().as_raw_nonzero().get().unsigned_abs())
}

/// The time that a thread has spent on processors so far; `None` if it is gone, or the kernel does not keep it.
pub(super) fn time_on_cpu(thread: u64) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

impl std::fmt::Debug for ThreadSamples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadSamples").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ThreadSwitches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadSwitches").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::time::Instant;

    #[test]
    fn samples_lost_at_a_thread_s_end_are_counted() {
        const LOST: u64 = 20;
        let wanted = Wanted { rate_hz: 1_000, stacks: Stacks::Copies, stack_bytes: 60 << 10 };
        // Nothing is read while the thread is there, so nothing finds room any more.
        let work = move || {
            let mut samples = ThreadSamples::open(kernel_id(), wanted)?;
            let begun = Instant::now();
            while samples.0.sampler.read_full()?.lost() < Some(LOST) && begun.elapsed() < Duration::from_secs(60) {
                black_box((0..100_000_u64).fold(0, |sum: u64, next| black_box(sum ^ next)));
            }
            io::Result::Ok(samples)
        };
        let mut samples = std::thread::spawn(work).join().unwrap().unwrap();
        let (mut taken, mut said) = (0_u64, 0);
        samples.read(|recorded| match recorded {
            Recorded::Sample { .. } => taken += 1,
            Recorded::Lost(lost) => said += lost,
            _ => {}
        });
        assert!(taken > 0 && said + samples.lost_at_the_end() >= LOST, "{taken} were taken, {said} said to be lost");
    }
}
