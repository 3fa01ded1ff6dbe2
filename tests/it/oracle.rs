//! Random histories, held against a slow evaluator that keeps everything.
//!
//! `TRACING_TAP_ORACLE_CASES` sets how many histories each test tries, 120 by default; `TRACING_TAP_ORACLE_SEED`
//! has the tests that share one subscriber try other histories than they always do. 3,000 of each take some ten minutes;
//! run them with nextest, since plain `cargo test` bounds the time of each test.

#![expect(clippy::unwrap_used, reason = "the modules are a test's; clippy takes only test functions for tests")]

pub(crate) mod arguments;
pub(crate) mod asked;
pub(crate) mod callsites;
pub(crate) mod described;
pub(crate) mod evaluator;
mod found;
pub(crate) mod fuzzed;
pub(crate) mod histories;
pub(crate) mod history;
pub(crate) mod model;
pub(crate) mod owing;
pub(crate) mod planner;
pub(crate) mod reach;
pub(crate) mod recorder;
pub(crate) mod requests;
pub(crate) mod stage;
pub(crate) mod strategy;

use asked::Limit;
use history::{History, LARGE_RING, Op, Prints, Setting, Stack};
use model::{Facts, Verdict, judge};
use owing::Expected;
use planner::plan;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestError, TestRng, TestRunner};
use recorder::Line;
use serde::{Deserialize, Serialize};
use stage::{Given, Outcome, Stage};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use strategy::histories;
use testing::wait_until;
use tracing::Dispatch;
use tracing::dispatcher::WeakDispatch;

isolated! {
    fn every_session_gets_what_the_oracle_says() {
        let persistence = FileFailurePersistence::Direct("tests/it/oracle/proptest-regressions.txt");
        let config = Config {
            cases: cases(),
            failure_persistence: Some(Box::new(persistence)),
            max_shrink_iters: 4000,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&histories(), |history| {
            check(&history);
            Ok(())
        });
        if let Err(TestError::Fail(reason, history)) = outcome {
            let ops = plan(&history, Prints::Silently);
            panic!("{reason}\n{:?}\n{}", history.setting, listed(&ops));
        }
    }
}

isolated! {
    fn one_global_subscriber_serves_histories_in_front() {
        check_sequence(Stack::TapFirst, Prints::AndEmits, "one_global_subscriber_serves_histories_in_front");
    }

    fn one_global_subscriber_serves_histories_behind() {
        check_sequence(Stack::TapLast, Prints::AndEmits, "one_global_subscriber_serves_histories_behind");
    }

    fn a_global_and_a_scoped_subscriber_serve_histories() {
        check_sequence(Stack::TapLastOfReloaded, Prints::Silently, "a_global_and_a_scoped_subscriber_serve_histories");
    }

    fn histories_are_served_next_to_a_layer_that_wants_everything() {
        check_sequence(Stack::Unfiltered, Prints::AndEmits, "histories_are_served_next_to_a_layer_that_wants_everything");
    }
}

/// Where a child process that has no router is to write what its other layer got.
const REFERENCE: &str = "TRACING_TAP_ORACLE_REFERENCE";

/// Performs many histories on one global subscriber, and the same in another process without the router.
fn check_sequence(stack: Stack, prints: Prints, test: &str) {
    let histories = reproducible_histories(stack, cases());
    if let Some(path) = std::env::var_os(REFERENCE) {
        let references: Vec<_> = perform_globally(stack, prints, &histories, false).map(Reference::of).collect();
        return std::fs::write(path, serde_json::to_vec(&references).unwrap()).unwrap();
    }
    let references = references(stack, test);
    let outcomes = perform_globally(stack, prints, &histories, true);
    for (number, ((history, reference), outcome)) in histories.iter().zip(references).zip(outcomes).enumerate() {
        let ops = plan(history, prints);
        let checked = catch_unwind(AssertUnwindSafe(|| {
            let without = reference.into_outcome();
            let verdict = judge(history, &ops, &outcome.facts, &without.facts);
            check_deliveries(keeps_all(LARGE_RING, &ops), &verdict, &outcome);
            check_other_layer(&ops, &verdict, &outcome, &without);
        }));
        checked.unwrap_or_else(|_| panic!("history {number} of this sequence:\n{}", listed(&ops)));
    }
}

fn perform_globally(
    stack: Stack,
    prints: Prints,
    histories: &[History],
    with_router: bool,
) -> impl Iterator<Item = Outcome> {
    let stage = Arc::new(Stage::new(shared_setting(stack), with_router).made_global());
    histories.iter().map(move |history| stage.perform(&plan(history, prints)))
}

/// One router serves them all.
fn shared_setting(stack: Stack) -> Setting {
    let is_first = stack == Stack::TapFirst;
    let denied = (!is_first).then_some("app::db");
    let redacted = is_first.then_some("tenant");
    let layers: &[&[usize]] = match stack {
        Stack::Unfiltered => &[&[0, 1]],
        Stack::TapLastOfReloaded => &[&[0], &[1, 0]],
        _ => &[&[0]],
    };
    Setting { denied, redacted, layers, ..Setting::plain(stack) }
}

/// What the other layer got in another process, where there was no router.
fn references(stack: Stack, test: &str) -> Vec<Reference> {
    let path = std::env::temp_dir().join(format!("tracing-tap-oracle-{stack:?}-{}.json", std::process::id()));
    let child = Command::new(std::env::current_exe().expect("a test is a file"))
        .args([&format!("oracle::{test}"), "--exact"])
        .env(REFERENCE, &path)
        .stdout(Stdio::null())
        .spawn()
        .expect("a test can start itself");
    let status = ended(child);
    assert!(status.success(), "without the router: {status}");
    let references = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::remove_file(path).unwrap();
    references
}

/// Waits for a child, for a minute and one more for each thousand histories.
fn ended(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(60) * (1 + cases() / 1000);
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        assert!(Instant::now() < deadline, "waited too long for the histories without the router");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// The part of an outcome without the router that matters, on its way from process to process.
#[derive(Serialize, Deserialize)]
struct Reference {
    evaluated: Vec<bool>,
    exists: Vec<bool>,
    log: Vec<Line>,
}

impl Reference {
    fn of(outcome: Outcome) -> Self {
        let evaluated = outcome.facts.iter().map(|facts| facts.evaluated).collect();
        let exists = outcome.facts.iter().map(|facts| facts.exists).collect();
        Self { evaluated, exists, log: outcome.log }
    }

    fn into_outcome(self) -> Outcome {
        let facts = self.evaluated.into_iter().zip(self.exists);
        let facts = facts.map(|(evaluated, exists)| Facts { evaluated, exists, ..Facts::default() });
        Outcome { facts: facts.collect(), log: self.log, ..Outcome::default() }
    }
}

fn listed(ops: &[Op]) -> String {
    ops.iter().map(|op| format!("{op:?}")).collect::<Vec<_>>().join("\n")
}

/// How many histories each test tries.
fn cases() -> u32 {
    setting("TRACING_TAP_ORACLE_CASES").unwrap_or(120)
}

fn setting(variable: &str) -> Option<u32> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Performs a history with and without the router, each in a subscriber of its own.
#[track_caller]
fn check(history: &History) {
    let ops = plan(history, Prints::Silently);
    let with_router = perform(history, &ops, true);
    let without = perform(history, &ops, false);
    let verdict = judge(history, &ops, &with_router.facts, &without.facts);
    check_deliveries(keeps_all(history.setting.ring_bytes, &ops), &verdict, &with_router);
    check_other_layer(&ops, &verdict, &with_router, &without);
}

fn perform(history: &History, ops: &[Op], with_router: bool) -> Outcome {
    let stage = Arc::new(Stage::new(history.setting, with_router));
    let outcome = stage.perform(ops);
    let dispatches: Vec<_> = stage.dispatches.iter().map(Dispatch::downgrade).collect();
    drop(stage);
    // A rebuild that goes on in the name of one subscriber while the next one is made may leave that one deaf:
    // `tracing` holds no lock where it has seen only one.
    let is_gone = |dispatch: &WeakDispatch| dispatch.upgrade().is_none();
    wait_until("the control thread to let go of the subscriber", || dispatches.iter().all(is_gone));
    outcome
}

/// Whether everything that a history logs stays in the rings. Each span that comes and goes takes 64 bytes.
fn keeps_all(ring_bytes: usize, ops: &[Op]) -> bool {
    let spans = ops.iter().map(|op| if let Op::Churn { spans, .. } = op { *spans } else { 0 });
    ring_bytes == LARGE_RING && 64 * spans.sum::<usize>() < LARGE_RING / 4 * 3
}

#[track_caller]
fn check_deliveries(keeps_all: bool, verdict: &Verdict, outcome: &Outcome) {
    for (session, (expected, given)) in verdict.expected.iter().zip(&outcome.given).enumerate() {
        assert!(!keeps_all || given.overwritten() == 0, "session {session}: the rings are large enough");
        if given.overwritten() > 0 || !keeps_all && expected.hides_losses {
            check_what_is_left(session, expected, given);
            continue;
        }
        let shown = shown(expected, given);
        assert_same(&format!("session {session}"), &shown, &given.delivered.iter().collect::<Vec<_>>());
        if shown.len() == expected.owed.len() {
            check_requests(session, expected, given);
        }
        let left_out = (expected.owed.len() - shown.len()) as u64;
        let counted = if let Limit::Rate(_) = expected.limit { [0, left_out] } else { [left_out, 0] };
        assert_eq!([given.unsampled, given.over_rate], counted, "session {session} counts what its limit leaves out");
        let unreleased = [expected.not_chosen, expected.undecided];
        assert_eq!([given.not_chosen, given.undecided], unreleased, "session {session}: not chosen, undecided");
    }
}

/// Two events have the same id of their request if and only if they have the same outermost span.
#[track_caller]
fn check_requests(session: usize, expected: &Expected, given: &Given) {
    let owed = expected.owed.iter().map(|owed| owed.request);
    let pairs: BTreeSet<_> = owed.zip(given.requests.iter().copied()).collect();
    let (names, ids): (BTreeSet<_>, BTreeSet<_>) = pairs.iter().copied().unzip();
    let is_one_to_one = names.len() == pairs.len() && ids.len() == pairs.len();
    let is_in_spans = pairs.iter().all(|(name, id)| name.is_some() == id.is_some());
    assert!(is_one_to_one && is_in_spans, "session {session}: {pairs:?}");
}

/// Of the past of a session without limits that neither follows nor decides, the oldest events of each thread may be gone, and
/// no more than the horizon says. What was overwritten may have had it follow, or have decided.
#[track_caller]
fn check_what_is_left(session: usize, expected: &Expected, given: &Given) {
    if expected.follows || expected.decides || expected.limit != Limit::None {
        return;
    }
    // From the end: of events that look the same, the latest are left.
    let mut delivered = given.delivered.iter().rev().peekable();
    let mut left: Vec<_> = expected.owed.iter().rev().map(|owed| delivered.next_if_eq(&&owed.text).is_some()).collect();
    left.reverse();
    assert_eq!(delivered.next(), None, "session {session} has an event too many, or in another place");
    let gone = || expected.owed.iter().zip(&left).filter(|(_, is_left)| !**is_left).map(|(owed, _)| owed);
    assert!(gone().all(|owed| owed.is_past), "session {session}: of the present nothing is overwritten");
    if expected.hides_losses {
        return;
    }
    assert!(gone().count() as u64 <= given.overwritten(), "session {session}: the horizon counts what is gone");
    if given.unresolved == 0 {
        let threads: BTreeSet<_> = expected.owed.iter().map(|owed| owed.thread).collect();
        for thread in threads {
            let of_thread =
                || expected.owed.iter().zip(&left).filter(|(owed, _)| owed.is_past && owed.thread == thread);
            let oldest = of_thread().skip_while(|(_, is_left)| !**is_left);
            assert!(oldest.clone().all(|(_, is_left)| *is_left), "session {session}: the oldest go first");
        }
    }
}

/// What a session is to deliver, given what it did.
fn shown<'a>(expected: &'a Expected, given: &Given) -> Vec<&'a String> {
    match expected.limit {
        Limit::None | Limit::Events(_) => expected.owed.iter().map(|owed| &owed.text).collect(),
        Limit::OneIn(_) => sampled(expected, given),
        Limit::Rate(per_second) => within_rate(per_second, expected, given),
    }
}

/// Sampling takes any root it likes, but then all that is owed of it. Outside any span each event is taken or left by
/// itself.
fn sampled<'a>(expected: &'a Expected, given: &Given) -> Vec<&'a String> {
    let is_delivered = |text: &String| given.delivered.contains(text);
    let taken: BTreeSet<_> =
        expected.owed.iter().filter(|owed| is_delivered(&owed.text)).filter_map(|owed| owed.root).collect();
    let mut shown = Vec::new();
    for owed in &expected.owed {
        let is_taken = match owed.root {
            Some(root) => taken.contains(&root),
            None => given.delivered.get(shown.len()) == Some(&owed.text),
        };
        shown.extend(is_taken.then_some(&owed.text));
    }
    shown
}

/// A second's tokens are there from the beginning; how many of the rest are taken only the clock knows, but no more
/// than were earned.
fn within_rate<'a>(per_second: u64, expected: &'a Expected, given: &Given) -> Vec<&'a String> {
    let most = per_second + (per_second as f64 * given.open_for.as_secs_f64()) as u64;
    assert!(given.delivered.len() as u64 <= most, "{} at {per_second} a second", given.delivered.len());
    let mut shown = Vec::new();
    for owed in &expected.owed {
        let is_taken = (shown.len() as u64) < per_second || given.delivered.get(shown.len()) == Some(&owed.text);
        shown.extend(is_taken.then_some(&owed.text));
    }
    shown
}

/// The other layer gets the same with the router as without, but for what was logged by arguments that nothing
/// would have evaluated or printed without it.
#[track_caller]
fn check_other_layer(ops: &[Op], verdict: &Verdict, with_router: &Outcome, without: &Outcome) {
    let evaluated = |outcome: &Outcome| -> BTreeSet<u64> {
        let events = ops.iter().zip(&outcome.facts).filter(|(_, facts)| facts.evaluated);
        events.filter_map(|(op, _)| if let Op::Event(emission) = op { Some(emission.op) } else { None }).collect()
    };
    let evaluated_anyway = evaluated(without);
    assert!(evaluated_anyway.is_subset(&evaluated(with_router)), "an event does not happen because of the router");
    if verdict.code_may_differ {
        return;
    }
    let lines = |outcome: &Outcome| -> Vec<Line> {
        let lines = outcome.log.iter().cloned();
        let lines = lines.filter(|line| !line.by_tap && (line.inside == 0 || evaluated_anyway.contains(&line.inside)));
        if verdict.scopes_may_differ {
            return lines.map(|line| Line { scope: String::new(), ..line }).collect();
        }
        lines.collect()
    };
    let (with_router, without) = (lines(with_router), lines(without));
    assert_same("the other layer", &without, &with_router);
}

#[track_caller]
fn assert_same<T: PartialEq + std::fmt::Debug>(whose: &str, expected: &[T], found: &[T]) {
    let place = expected.iter().zip(found).take_while(|(expected, found)| expected == found).count();
    let (expected, found) = (expected.get(place), found.get(place));
    assert!(expected == found, "{whose}, item {place}\nexpected {expected:?}\nfound    {found:?}");
}

/// The same histories in every process.
fn reproducible_histories(stack: Stack, count: u32) -> Vec<History> {
    let mut seed = [stack as u8; 32];
    seed[..4].copy_from_slice(&setting("TRACING_TAP_ORACLE_SEED").unwrap_or(0).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = histories();
    let next = || strategy.new_tree(&mut runner).expect("there is always a history").current();
    let histories = std::iter::repeat_with(next).take(count as usize);
    histories.map(|history| History { setting: shared_setting(stack), ..history }).collect()
}
