//! The perf events of one thread: its samples, and when it was running.

use super::super::Stacks;
use perf_event::data::Record as Parsed;
use perf_event::events::Software;
use perf_event::{Builder, Clock, SampleFlag, Sampler};
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
pub(super) struct ThreadSamples {
    sampler: Sampler,
}

/// When one thread is put on a processor, and taken off.
pub(super) struct ThreadSwitches {
    sampler: Sampler,
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
        let mut sampler = builder.build()?.sampled(wanted.ring_bytes()).map_err(no_memory)?;
        sampler.enable()?;
        Ok(Self { sampler })
    }

    /// Hands on what was recorded since.
    pub(super) fn read(&mut self, mut take: impl FnMut(Recorded)) {
        while let Some(record) = self.sampler.next_record() {
            match record.ty() {
                SAMPLE => take(sample(&record).unwrap_or(Recorded::Lost(1))),
                LOST | LOST_SAMPLES => take(Recorded::Lost(lost(&record))),
                THROTTLE => take(Recorded::Throttled),
                _ => {}
            }
        }
    }
}

impl ThreadSwitches {
    /// Begins to watch the thread's switches.
    pub(super) fn open(thread: u64) -> io::Result<Self> {
        let mut builder = Builder::new(Software::DUMMY);
        of_thread(&mut builder, thread)?;
        builder.sample(SampleFlag::TIME).context_switch(true).sample_id_all(true);
        let mut sampler = builder.build()?.sampled(SWITCH_RING_BYTES).map_err(no_memory)?;
        sampler.enable()?;
        Ok(Self { sampler })
    }

    /// Hands on what was recorded since.
    pub(super) fn read(&mut self, mut take: impl FnMut(Recorded)) {
        while let Some(record) = self.sampler.next_record() {
            match record.ty() {
                SWITCH => {
                    let is_running = record.misc() & SWITCH_OUT == 0;
                    let at = word(&record.to_contiguous(), 0);
                    take(at.map_or(Recorded::Lost(1), |at| Recorded::Switched { at, is_running }));
                }
                LOST | LOST_SAMPLES => take(Recorded::Lost(lost(&record))),
                _ => {}
            }
        }
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
