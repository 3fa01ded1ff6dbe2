//! How samples are taken.

use std::fmt;

/// How samples are taken.
///
/// ```
/// use tracing_tap_profile::CpuOptions;
///
/// let options = CpuOptions::default().rate_hz(499).max_threads(16);
/// assert_eq!((options.rate_hz, options.max_threads), (499, 16));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CpuOptions {
    /// Samples a second of a thread's CPU time.
    pub rate_hz: u32,
    /// The stacks to take; `None`: the best that a test at the start finds.
    pub stacks: Option<Stacks>,
    /// How many bytes of the stack are copied with a sample, where they are.
    pub stack_bytes: u32,
    /// The maximum number of threads that are sampled at once.
    pub max_threads: usize,
}

/// Where the stack of a sample comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stacks {
    /// The kernel follows frame pointers, which the program was compiled with.
    FramePointers,
    /// The kernel copies the top of the stack, and it is unwound by the program's tables.
    Copies,
    /// There is only the innermost function.
    OneFrame,
}

impl Default for CpuOptions {
    /// 99 a second, the best stacks, 16 KiB of each where they are copied, 64 threads.
    fn default() -> Self {
        Self { rate_hz: 99, stacks: None, stack_bytes: 16 << 10, max_threads: 64 }
    }
}

impl CpuOptions {
    /// Sets the samples a second of CPU time; default 99, from 1 to 10,000.
    ///
    /// An odd number does not keep step with what the program does at round ones.
    #[must_use]
    pub fn rate_hz(mut self, rate_hz: u32) -> Self {
        self.rate_hz = rate_hz.clamp(1, 10_000);
        self
    }

    /// Takes these stacks, whether they are good or not; default: the best that a test at the start finds.
    #[must_use]
    pub fn stacks(mut self, stacks: Stacks) -> Self {
        self.stacks = Some(stacks);
        self
    }

    /// Sets how much of a stack is copied; default 16 KiB, at most 60 KiB. Deeper stacks are counted as
    /// [truncated](crate::SampleCounts::truncated).
    #[must_use]
    pub fn stack_bytes(mut self, bytes: u32) -> Self {
        self.stack_bytes = bytes.clamp(1 << 10, 60 << 10).next_multiple_of(8);
        self
    }

    /// Sets how many threads are sampled at once; default 64. Each takes two file descriptors and memory: 160 KiB for its enters
    /// and exits, and the kernel's records, at 99 samples a second 600 KiB with copied stacks or 200 KiB without, 4 MiB at most.
    #[must_use]
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = threads.clamp(1, 1024);
        self
    }
}

impl fmt::Display for Stacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FramePointers => "frame pointers",
            Self::Copies => "copies of the stack",
            Self::OneFrame => "one frame deep",
        })
    }
}
