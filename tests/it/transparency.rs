//! Every other layer sees the same with tracing-tap as without, session open or not.
//!
//! Random histories beside layers in every form, played with routers, with routers and no session, and without; all hooks
//! of the others are compared, in order, and what the code itself finds out of the spans it is in. `TRACING_TAP_TRANSPARENCY_CASES` sets how many histories are tried, 100 by default.

#![expect(clippy::unwrap_used, reason = "the modules are a test's; clippy takes only test functions for tests")]

use crate::oracle::history;
mod neighbours;
use crate::oracle::planner;
use crate::oracle::recorder;
use crate::oracle::stage;
use crate::oracle::strategy;
mod witness;

use history::{History, Op, Prints, Setting, Stack};
use neighbours::{Neighbours, RouterPlace};
use planner::plan;
use proptest::sample::select;
use proptest::test_runner::{Config, FileFailurePersistence, TestError, TestRunner};
use recorder::{Line, Log};
use stage::{Outcome, Stage};
use std::collections::BTreeSet;
use std::sync::Arc;
use testing::{Output, wait_until};
use tracing::Dispatch;

/// What the others got, and what `fmt` has printed.
struct Witnessed {
    outcome: Outcome,
    printed: Vec<String>,
}

isolated! {
    fn every_other_layer_sees_the_same_with_and_without_routers() {
        let persistence = FileFailurePersistence::Direct("tests/it/transparency/proptest-regressions.txt");
        let config = Config {
            cases: cases(),
            failure_persistence: Some(Box::new(persistence)),
            max_shrink_iters: 4000,
            ..Config::default()
        };
        let places = select(vec![RouterPlace::First, RouterPlace::Last]);
        let strategy = (strategy::histories(), select(&neighbours::ALL[..]), places);
        let outcome = TestRunner::new(config).run(&strategy, |(history, neighbours, place)| {
            check(&history, neighbours, place);
            Ok(())
        });
        if let Err(TestError::Fail(reason, (history, neighbours, place))) = outcome {
            let ops = planned(&one_subscriber(&history), neighbours);
            let ops = ops.iter().map(|op| format!("{op:?}")).collect::<Vec<_>>().join("\n");
            panic!("{reason}\n{neighbours:?} {place:?} {:?}\n{ops}", history.setting);
        }
    }
}

/// How many histories the test tries.
fn cases() -> u32 {
    let cases = std::env::var("TRACING_TAP_TRANSPARENCY_CASES").ok();
    cases.map_or(100, |text| text.parse().unwrap_or_else(|_| panic!("no number of cases: {text}")))
}

/// Two routers in the one subscriber there is, if there are two at all.
fn one_subscriber(history: &History) -> History {
    let layers: &[&[usize]] = if history.setting.routers() > 1 { &[&[0, 1]] } else { &[&[0]] };
    let setting = Setting { stack: Stack::Unfiltered, layers, ..history.setting };
    History { setting, steps: history.steps.clone() }
}

/// What arguments log disturbs the bits of several filters with us and without; only without us does nobody mend them.
/// So does a question without an event, by `enabled!`: without us a layer may miss the event that comes next.
fn planned(history: &History, neighbours: Neighbours) -> Vec<Op> {
    if neighbours.are_simple() {
        return plan(history, Prints::Silently);
    }
    plan(history, Prints::Nothing).into_iter().filter(|op| !matches!(op, Op::Hint { .. })).collect()
}

#[track_caller]
fn check(history: &History, neighbours: Neighbours, place: RouterPlace) {
    let history = one_subscriber(history);
    let ops = planned(&history, neighbours);
    let with_routers = perform(&history, &ops, neighbours, place, With::Sessions);
    let without = perform(&history, &ops, neighbours, place, With::Nothing);
    if !history.setting.asks_for_spans && (neighbours.turn_callsites_off() || is_span_limit_known(&history, &ops)) {
        let alone = perform(&history, &ops, neighbours, place, With::Routers);
        assert_same(&spans_of(&ops, &alone.outcome), &spans_of(&ops, &with_routers.outcome));
        let lines = |seen: &Witnessed| lines_of(seen, &ops, &without.outcome, true);
        assert_same(&lines(&alone), &lines(&with_routers));
        assert_same(&alone.printed, &with_routers.printed);
    }
    let are_spans_same = spans_are_the_same(&ops, &with_routers.outcome, &without.outcome);
    if !are_spans_same && ops.iter().any(|op| matches!(op, Op::RecordCurrent { .. } | Op::Capture { .. })) {
        return;
    }
    let lines = |seen: &Witnessed| lines_of(seen, &ops, &without.outcome, are_spans_same);
    assert_same(&lines(&without), &lines(&with_routers));
    if are_spans_same {
        assert_same(&without.printed, &with_routers.printed);
    }
}

/// Whether the router knows how verbose spans are without sessions: nobody has callsites asked again while a session is open
/// or the past is kept, as the stage has one open around each reload, and no other router has raised the level before.
fn is_span_limit_known(history: &History, ops: &[Op]) -> bool {
    let keeps_past = history.setting.look_back.is_some();
    let mut since_a_session = ops.iter().skip_while(|op| !keeps_past && !matches!(op, Op::Open { .. }));
    history.setting.routers() == 1
        && !ops.iter().any(|op| matches!(op, Op::Reload { .. }))
        && !since_a_session.any(|op| matches!(op, Op::Rebuild { .. }))
}

/// What a history is played with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Nothing,
    /// Routers with no session open.
    Routers,
    Sessions,
}

fn perform(history: &History, ops: &[Op], neighbours: Neighbours, place: RouterPlace, with: With) -> Witnessed {
    let routers = if with == With::Nothing { 0 } else { history.setting.routers() };
    let routers: Vec<_> = std::iter::repeat_with(|| stage::router(&history.setting)).take(routers).collect();
    let (log, output) = (Log::default(), Output::default());
    let subscriber = neighbours::subscriber(neighbours, place, &routers, &log, &output);
    let mut stage = Stage::of(vec![subscriber], routers, log);
    stage.opens = with == With::Sessions;
    stage.looks_back = history.setting.look_back.is_some();
    let stage = Arc::new(stage);
    let outcome = stage.perform(ops);
    let dispatches: Vec<_> = stage.dispatches.iter().map(Dispatch::downgrade).collect();
    drop(stage);
    // As in the oracle: two subscribers at once are one too many for `tracing`.
    wait_until("the control threads to let go", || dispatches.iter().all(|dispatch| dispatch.upgrade().is_none()));
    Witnessed { outcome, printed: output.lines() }
}

/// What the witnesses got, but for what was logged by arguments that nothing would have evaluated or printed
/// without us.
fn lines_of(seen: &Witnessed, ops: &[Op], without: &Outcome, are_spans_same: bool) -> Vec<Line> {
    let evaluated = ops.iter().zip(&without.facts).filter(|(_, facts)| facts.evaluated);
    let op_of = |(op, _): (&Op, _)| if let Op::Event(emission) = op { Some(emission.op) } else { None };
    let evaluated: BTreeSet<_> = evaluated.filter_map(op_of).collect();
    let is_told = |line: &&Line| !line.by_tap && (line.inside == 0 || evaluated.contains(&line.inside));
    let is_compared = |line: &&Line| are_spans_same || !line.what.contains(" gets close ");
    let lines = seen.outcome.log.iter().filter(is_told).filter(is_compared).cloned();
    lines.map(|line| if are_spans_same { line } else { Line { scope: String::new(), ..line } }).collect()
}

/// Which spans exist, and which the code finds itself in.
fn spans_of(ops: &[Op], outcome: &Outcome) -> Vec<(String, bool, Option<String>)> {
    let is_about_spans = |(op, _): &(&Op, _)| matches!(op, Op::Span { .. } | Op::Capture { .. });
    let facts = ops.iter().zip(&outcome.facts).filter(is_about_spans);
    facts.map(|(op, facts)| (format!("{op:?}"), facts.exists, facts.current.clone())).collect()
}

/// Whether no span is there for the routers or for sessions alone. `tracing` has no way to hide one from what is inside it, nor to close
/// the one it is in before it.
fn spans_are_the_same(ops: &[Op], with_routers: &Outcome, without: &Outcome) -> bool {
    let facts = with_routers.facts.iter().zip(&without.facts);
    !ops.iter().zip(facts).any(|(op, (with, without))| matches!(op, Op::Span { .. }) && with.exists && !without.exists)
}

#[track_caller]
fn assert_same<T: PartialEq + std::fmt::Debug>(expected: &[T], found: &[T]) {
    let place = expected.iter().zip(found).take_while(|(expected, found)| expected == found).count();
    let (expected, found) = (expected.get(place), found.get(place));
    assert!(expected == found, "item {place}\nexpected {expected:?}\nfound    {found:?}");
}
