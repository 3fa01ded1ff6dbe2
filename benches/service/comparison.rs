//! A row's pairs: a slice of one service and a slice of the other, right after each other.

use crate::configuration::{Configuration, Subscriber};
use crate::load::Load;
use crate::options::Options;
use crate::process::{Account, Service};
use crate::workload::Workload;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Then both services are started again: where a process's memory lies makes a percent, for as long as it lives.
const PAIRS_PER_PROCESS: usize = 10;

const WARM_UP: Duration = Duration::from_millis(300);

/// This part of the watched users' events at least is seen: a session may be open half of the time, and a log that is
/// full drops lines.
const LEAST_SEEN: f64 = 0.1;

/// What was measured in one slice.
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    /// CPU time of the service per request, user and system.
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    pub(crate) p99_us: f64,
}

pub(crate) struct Pair {
    pub(crate) row: Slice,
    pub(crate) against: Slice,
}

pub(crate) struct Comparison {
    pub(crate) pairs: Vec<Pair>,
    /// Events that the row's sessions matched, and those of them that they lost.
    pub(crate) matched: u64,
    pub(crate) lost: u64,
}

impl Comparison {
    pub(crate) fn measure(workload: Workload, row: &Configuration, options: &Options, runtime: &Runtime) -> Self {
        let mut comparison = Self { pairs: Vec::new(), matched: 0, lost: 0 };
        while comparison.pairs.len() < options.pairs {
            let mut row_side = Side::start(workload, row, runtime);
            let mut against_side = Side::start(workload, options.against, runtime);
            let last = options.pairs.min(comparison.pairs.len() + PAIRS_PER_PROCESS);
            for number in comparison.pairs.len()..last {
                comparison.pairs.push(pair(&mut row_side, &mut against_side, number, options.slice));
            }
            let account = row_side.end();
            against_side.end();
            comparison.matched += account.matched;
            comparison.lost += account.lost;
        }
        comparison
    }

    /// Ratios of a figure within the pairs.
    pub(crate) fn ratios(&self, figure: fn(&Slice) -> f64) -> impl Iterator<Item = f64> {
        self.pairs.iter().map(move |pair| figure(&pair.row) / figure(&pair.against))
    }
}

/// In the order A B, B A, A B…, so that neither is always the first.
fn pair(row: &mut Side<'_>, against: &mut Side<'_>, number: usize, slice: Duration) -> Pair {
    if number.is_multiple_of(2) {
        let row = row.slice(slice);
        Pair { row, against: against.slice(slice) }
    } else {
        let against = against.slice(slice);
        Pair { row: row.slice(slice), against }
    }
}

/// One of two services, with its load.
struct Side<'a> {
    runtime: &'a Runtime,
    workload: Workload,
    configuration: &'a Configuration,
    service: Service,
    load: Load,
}

impl<'a> Side<'a> {
    fn start(workload: Workload, configuration: &'a Configuration, runtime: &'a Runtime) -> Self {
        let service = Service::start(workload, configuration);
        let load = runtime.block_on(Load::connect(workload, service.address));
        let mut side = Self { runtime, workload, configuration, service, load };
        side.slice(WARM_UP);
        side
    }

    fn slice(&mut self, duration: Duration) -> Slice {
        let before = self.service.cpu_nanoseconds();
        let answered = self.runtime.block_on(self.load.run(duration));
        let cpu = self.service.cpu_nanoseconds() - before;
        let count = answered.count as f64;
        Slice { cpu_us: cpu / 1e3 / count, per_second: count / answered.took.as_secs_f64(), p99_us: answered.p99_us }
    }

    fn end(self) -> Account {
        let Self { workload, configuration, service, load, .. } = self;
        let count = load.count();
        drop(load);
        let account = service.end();
        account.check(workload, configuration, count);
        account
    }
}

impl Account {
    /// Panics where the service did not do what its row says: such a row would measure something else.
    fn check(&self, workload: Workload, configuration: &Configuration, count: u64) {
        let Configuration { name, subscriber } = configuration;
        let at_info = workload.lines(count);
        assert!(self.lines >= at_info, "{name}: {} lines after {count} {}s", self.lines, workload.unit());
        let seen = match subscriber {
            Subscriber::NoRouter | Subscriber::Refusal | Subscriber::Router(_) => self.matched,
            Subscriber::EnvFilter | Subscriber::Trace => self.lines - at_info,
        };
        let all = (count * workload.events()) as f64 * subscriber.watched_share();
        assert!(seen as f64 >= LEAST_SEEN * all, "{name}: {seen} of {all:.0} events were seen");
        assert!(seen == 0 || all > 0.0, "{name}: {seen} events were seen, of users that nobody watches");
    }
}
