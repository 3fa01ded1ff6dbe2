//! Starting and finishing, and the sampling thread in between.

use super::super::error::{CpuError, Why};
use super::super::{CpuOptions, CpuProfile, CpuStack, PathTimes, Stacks};
use super::forbidden::explain;
use super::gathered::Gathered;
use super::perf::{Wanted, kernel_id};
use super::rounds::Rounds;
use super::timeline::Spent;
use super::unwind::Unwinder;
use super::{selftest, symbols};
use std::collections::BTreeSet;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};
use tracing_tap::intervals::IntervalOptions;
use tracing_tap::{EventStream, Item, SessionId, SessionOptions, TapRouter};

/// The sampling thread from outside.
pub(in super::super) struct Profiler {
    /// Dropped without a word, the thread ends without a profile.
    finish: mpsc::Sender<()>,
    thread: JoinHandle<Option<CpuProfile>>,
    session: SessionId,
}

/// The sampling thread's own.
struct Sampling {
    rounds: Rounds,
    stream: EventStream,
    about: About,
}

struct About {
    predicate: String,
    began_at: SystemTime,
    began: Instant,
    stacks: Stacks,
    asked_hz: u32,
}

/// How often what was recorded is read: before the room for it is used up.
const EVERY: Duration = Duration::from_millis(20);

impl Profiler {
    pub(in super::super) fn start(
        router: &TapRouter,
        session: SessionOptions,
        options: CpuOptions,
    ) -> Result<Self, CpuError> {
        // Where it is forbidden, no session is opened for nothing. Where the router refuses one, or another profiler is at work, no
        // stacks are tried.
        selftest::may_sample().map_err(explain)?;
        let predicate = session.predicate.to_string();
        let stream = router.try_watch(session)?;
        let recorded = IntervalOptions::default().max_threads(options.max_threads).thread_id(kernel_id);
        let intervals = router.intervals(stream.id(), recorded)?;
        let mut unwinder = Unwinder::new();
        let stacks = selftest::choose(&options, &mut unwinder).map_err(explain)?;
        let wanted = Wanted { rate_hz: options.rate_hz, stacks, stack_bytes: options.stack_bytes };
        let sampling = Sampling {
            rounds: Rounds::new(intervals, wanted, unwinder),
            stream,
            about: About {
                predicate,
                began_at: SystemTime::now(),
                began: Instant::now(),
                stacks,
                asked_hz: options.rate_hz,
            },
        };
        let session = sampling.stream.id();
        let (finish, finished) = mpsc::channel();
        let thread = thread::Builder::new().name("tracing-tap-cpu".to_owned()).spawn(move || sampling.run(&finished));
        let thread = thread.map_err(|cause| CpuError::new(Why::Failed("start the sampling thread", cause)))?;
        Ok(Self { finish, thread, session })
    }

    pub(in super::super) fn session(&self) -> SessionId {
        self.session
    }

    pub(in super::super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    pub(in super::super) fn finish(self) -> Result<CpuProfile, CpuError> {
        // Failed, the thread has ended with the session.
        let _ = self.finish.send(());
        let profile = self.thread.join().ok().flatten();
        profile.ok_or_else(|| CpuError::new(Why::Panicked))
    }
}

impl Sampling {
    /// Samples until it is finished or the session ends; `None` if nobody wants the profile.
    fn run(mut self, finished: &mpsc::Receiver<()>) -> Option<CpuProfile> {
        let mut has_ended = self.begin();
        while !has_ended {
            match finished.recv_timeout(EVERY) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) => break,
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            self.rounds.go();
            has_ended = self.read_closes();
        }
        self.rounds.end();
        self.read_closes();
        let Self { rounds, stream, about } = self;
        drop(stream);
        Some(about.profile(rounds.into_gathered()))
    }

    /// Begins with the threads that are known by now. What happened while stacks were tried is not the profile's. Returns whether
    /// the session has ended meanwhile.
    fn begin(&mut self) -> bool {
        self.rounds.go();
        let has_ended = self.read_closes();
        self.rounds.gathered.forget();
        (self.about.began_at, self.about.began) = (SystemTime::now(), Instant::now());
        has_ended
    }

    /// Reads the spans that have closed. Returns whether the session has ended.
    fn read_closes(&mut self) -> bool {
        let gathered = &mut self.rounds.gathered;
        let mut has_ended = false;
        for item in self.stream.drain() {
            match item {
                Item::Timing { timing, .. } => gathered.add_close(&timing),
                Item::Missing(missing) => gathered.counts.lost_closes += missing.count,
                Item::Ended(_) => has_ended = true,
                _ => {}
            }
        }
        has_ended
    }
}

impl About {
    fn profile(self, gathered: Gathered) -> CpuProfile {
        let Self { predicate, began_at, began, stacks, asked_hz } = self;
        let counts = gathered.counts;
        let on_cpu = gathered.on_cpu.as_secs_f64();
        CpuProfile {
            predicate,
            began_at,
            lasted: began.elapsed(),
            stacks,
            asked_hz,
            got_hz: (on_cpu > 0.01).then(|| gathered.taken_on_cpu as f64 / on_cpu),
            counts,
            samples: named_stacks(&gathered),
            paths: times_of_paths(&gathered),
        }
    }
}

/// The stacks with names, those with the same names together.
fn named_stacks(gathered: &Gathered) -> Vec<CpuStack> {
    let addresses: BTreeSet<u64> = gathered.stacks.keys().flat_map(|(_, addresses)| addresses).copied().collect();
    let names = symbols::names(&addresses.into_iter().collect::<Vec<_>>());
    let paths = gathered.paths();
    let mut stacks: Vec<_> = gathered
        .stacks
        .iter()
        .map(|((path, addresses), samples)| {
            let name = |address: &u64| names.get(address).cloned().unwrap_or_else(|| vec![symbols::hex_of(*address)]);
            let frames = addresses.iter().rev().flat_map(name).collect();
            CpuStack { path: paths[*path].clone(), frames, samples: *samples }
        })
        .collect();
    stacks.sort();
    stacks.dedup_by(|next, kept| {
        let is_same = (&next.path, &next.frames) == (&kept.path, &kept.frames);
        if is_same {
            kept.samples += next.samples;
        }
        is_same
    });
    stacks
}

fn times_of_paths(gathered: &Gathered) -> Vec<PathTimes> {
    let times = |(id, path): (usize, Vec<String>)| {
        let Spent { running, waiting, unknown } = gathered.spending.get(&id).copied().unwrap_or_default();
        let closed = gathered.closed.get(&id).copied().unwrap_or_default();
        let [running, waiting, unknown] = [running, waiting, unknown].map(Duration::from_nanos);
        PathTimes { path, closed: closed.count, running, waiting, unknown, idle: closed.idle }
    };
    let mut times: Vec<_> = gathered.paths().into_iter().enumerate().map(times).collect();
    times.sort_by(|one, other| one.path.cmp(&other.path));
    times
}
