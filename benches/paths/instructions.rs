//! The check that noise cannot fool: instructions per call of each path, held against a bound.

use crate::bounds::RECORDED;
use crate::callgrind::instructions_per_call;
use crate::past::PAST;
use crate::paths::PATHS;
use crate::table::{Path, Variant};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

/// How many instructions more than the same program without the router each idle path may take.
///
/// A disabled event takes the very same ones: nothing asks the layer. Entering asks it whether a session is open; an
/// event that another layer prints, whether anything may match. A span is looked at, and its fields are kept.
const IDLE: &[(&str, u64)] = &[
    ("idle: disabled event", 0),
    ("idle: enter and exit", 15),
    ("idle: event another layer prints", 110),
    ("idle: span without fields, whole life", 190),
    ("idle: span with 2 fields, whole life", 740),
    ("idle: INFO span nobody else wants", 1_500),
    ("request: idle", 2_800),
];

/// How many instructions more than what stands beside them these paths are to take in the end.
const GOALS: &[(&str, u64)] = &[("request: not matching", 2_500), ("open: enter, event, exit", 250)];

/// Until they are reached, the bounds of these paths are recorded ones.
const GOALS_ARE_BOUNDS: bool = false;

const TWO_THREADS: &str = "valgrind runs one thread at a time";
const RARE: &str = "done by the control thread, or too rarely";

const CLOCK: &str = "a look at the clock takes what the machine takes";

const OTHERS: &str = "others' work";

const NOT_COUNTED: &[(&str, &str)] = &[
    ("flight recorder: 3 numbers", OTHERS),
    ("flight recorder: a text of 20 bytes", OTHERS),
    ("flight recorder: a message of 2 numbers", OTHERS),
    ("flight recorder: 4 fields, 2 spans", OTHERS),
    ("timed: enter and exit", CLOCK),
    ("timed: span with 2 fields, whole life", CLOCK),
    ("open: 1,000,000 records/s elsewhere", TWO_THREADS),
    ("open: 1,000 follow hits/s elsewhere", TWO_THREADS),
    ("matching, while another core drains", TWO_THREADS),
    ("matching, a reader without a pause", TWO_THREADS),
    ("matching 100,000/s, an async reader waits", TWO_THREADS),
    ("watch, 5,000 callsites", RARE),
    ("one more session of 100,000", RARE),
    ("one more of 100,000, open and close", RARE),
    ("100,000 sessions, all opened", RARE),
];

/// How many calls are counted: enough that growth of some table now and then does not show, and done in a fraction of a
/// second.
const CALLS: u64 = 2_000;

/// How many are counted of those that take long.
const CALLS_OF_LONG: &[(&str, u64)] = &[
    ("idle: event another layer prints", 200),
    ("open: event another layer prints", 200),
    ("lost context: in scope, printed", 200),
    ("traces tested: request", 200),
    ("request: idle", 200),
    ("request: not matching", 200),
    ("request: matching by its root's field", 200),
    ("request: everything, beyond a rate", 200),
    ("fresh span inside 100, an event in it", 100),
    ("fresh span inside 1,000, an event in it", 20),
    ("first event in a chain of 10", 200),
    ("first event in a chain of 100", 10),
    ("first event in a chain of 1,000", 1),
    ("5 nested fresh spans, an event in each", 200),
    ("20 nested fresh spans, an event in each", 30),
];

/// How often a path may be past its bound before it is said to be.
const TRIES: usize = 3;

/// Today's count and this much of it is tomorrow's bound.
const ROOM_PERCENT: u64 = 8;

const BOUNDS_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bounds.rs");

/// Of which paths the program beside the path is counted too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    All,
    /// Where the bound is held against it; the others take half of the time.
    Bounds,
}

struct Count {
    path: &'static Path,
    tap: f64,
    bare: Option<f64>,
}

/// Counts the paths whose name contains `part`, prints them, and fails where one is past its bound.
pub(crate) fn check(part: &str, beside: Beside) -> ExitCode {
    let counts = count(part, beside);
    println!("| {:<39} | {:>11} | {:>11} | {:>11} | {:>11} | beside |", "path", "counted", "beside", "more", "bound");
    println!("|{:-<41}|{:->12}:|{:->12}:|{:->12}:|{:->12}:|--------|", "", "", "", "", "");
    counts.iter().for_each(|count| println!("{}", count.line()));
    println!("\nInstructions per call; where it says 100,000 sessions, 1,000 were open. Not counted:");
    NOT_COUNTED.iter().for_each(|(name, reason)| println!("- {name}: {reason}"));
    print_goals(&counts);
    let past: Vec<_> = counts.iter().filter(|count| count.is_past()).collect();
    for count in &past {
        eprintln!("past its bound: {}: counted {:.1}, bound {:.1}", count.path.name, count.tap, count.bound());
    }
    if past.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_goals(counts: &[Count]) {
    let more = |count: &Count| Some((count.path.name, count.more()?, find(GOALS, count.path.name)?));
    println!("\nGoals{}:", if GOALS_ARE_BOUNDS { "" } else { ", which are no bounds yet" });
    for (name, more, goal) in counts.iter().filter_map(more) {
        println!("- {name}: {more:.1} more, of {goal}");
    }
}

/// Counts all paths, and writes bounds a little above that.
pub(crate) fn record() {
    let counts = count("", Beside::Bounds);
    let rows: String = counts.iter().filter(|count| allowed(count.path).is_none()).map(Count::recorded).collect();
    let text = fs::read_to_string(BOUNDS_FILE).expect("the bounds are there");
    let (head, _) = text.split_once("&[\n").or_else(|| text.split_once("&[];")).expect("the bounds are a list");
    fs::write(BOUNDS_FILE, format!("{head}&[\n{rows}];\n")).expect("the bounds can be written");
    println!("{rows}");
}

/// Counts on all cores; counts do not mind company.
fn count(part: &str, beside: Beside) -> Vec<Count> {
    let is_counted = |path: &&Path| path.name.contains(part) && find(NOT_COUNTED, path.name).is_none();
    let counted: Vec<_> = PATHS.iter().chain(PAST).filter(is_counted).collect();
    assert!(!counted.is_empty(), "no path that is counted is called {part:?}");
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        // Each index is taken once; nothing else is ordered by it.
        while let Some(path) = counted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let count = Count::new(path, beside);
            counts.lock().expect("no worker panics while it adds").push(count);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let mut counts = counts.into_inner().expect("no worker panicked");
    counts.sort_by_key(|count| counted.iter().position(|path| path.name == count.path.name));
    counts
}

impl Count {
    /// What is past its bound is counted again: the same program counted 6,784 for a span and, once, 7,513, as a table that
    /// grows between the two runs would have it. What costs more does so each time.
    fn new(path: &'static Path, beside: Beside) -> Self {
        let mut count = Self::once(path, beside);
        for _ in 1..TRIES {
            if count.is_past() {
                count = Self::once(path, beside);
            }
        }
        count
    }

    fn once(path: &'static Path, beside: Beside) -> Self {
        let calls = find(CALLS_OF_LONG, path.name).unwrap_or(CALLS);
        let needs_bare = beside == Beside::All || allowed(path).is_some();
        let tap = instructions_per_call(path, Variant::Tap, calls);
        let bare = needs_bare.then(|| instructions_per_call(path, Variant::Bare, calls));
        Self { path, tap, bare }
    }

    fn is_past(&self) -> bool {
        self.tap > self.bound()
    }

    /// A path that nobody has given a bound yet is past it.
    fn bound(&self) -> f64 {
        match allowed(self.path).zip(self.bare) {
            Some((allowed, bare)) => bare + allowed as f64,
            None => find(RECORDED, self.path.name).unwrap_or(0) as f64,
        }
    }

    fn more(&self) -> Option<f64> {
        self.bare.map(|bare| self.tap - bare)
    }

    fn line(&self) -> String {
        let Self { path, tap, bare } = self;
        let (bare, more) = (shown(*bare), shown(self.more()));
        let bound = self.bound();
        format!("| {:<39} | {tap:>11.1} | {bare:>11} | {more:>11} | {bound:>11.1} | {} |", path.name, path.beside)
    }

    fn recorded(&self) -> String {
        let bound = (self.tap * (100 + ROOM_PERCENT) as f64 / 100.0).ceil();
        format!("    ({:?}, {bound}),\n", self.path.name)
    }
}

/// How much the path may take beyond what stands beside it, where that is its bound.
fn allowed(path: &Path) -> Option<u64> {
    let goals = if GOALS_ARE_BOUNDS { GOALS } else { &[] };
    find(IDLE, path.name).or_else(|| find(goals, path.name))
}

fn shown(count: Option<f64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| format!("{count:.1}"))
}

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|row| row.0 == name).map(|row| row.1)
}
