//! Histories that told something once, each played as it was.

use super::asked::Asked;
use super::callsites::Parent;
use super::evaluator::Pred;
use super::history::{Argument, EVENTS, History, SPANS, Setting, Stack, Step};
use tracing::Level;

crate::isolated! {
    fn exiting_a_span_entered_again_inside_another_leaves_that_other_one_current() {
        check(vec![
            span(Parent::None),
            span(Parent::Explicit),
            Step::Enter { thread: 0, span: YOUNGEST },
            Step::Enter { thread: 0, span: NEXT_YOUNGEST },
            Step::Enter { thread: 0, span: YOUNGEST },
            Step::Open { thread: 0, asked: Asked::about(Pred::Everything) },
            event(),
            // The first entry of the child, for which the registry takes the later one; then the one that is left.
            Step::Exit { thread: 0, nth: 2 },
            event(),
            Step::Exit { thread: 0, nth: 0 },
            event(),
        ]);
    }
}

const YOUNGEST: usize = 0;
const NEXT_YOUNGEST: usize = 1;

/// Whatever the stack.
#[track_caller]
fn check(steps: Vec<Step>) {
    for stack in [Stack::TapFirst, Stack::TapLast, Stack::Unfiltered] {
        let setting = Setting { stack, span_level: Level::INFO, denied: None };
        crate::check(&History { setting, steps: steps.clone() });
    }
}

/// A span without fields; an explicit parent is the youngest.
fn span(parent: Parent) -> Step {
    let is_it = |site: &_| is_span(site, parent);
    let site = SPANS.iter().position(is_it).expect("the family has it");
    Step::Span { thread: 0, site, parent: YOUNGEST, values: Vec::new() }
}

fn is_span(site: &super::callsites::SpanSite, parent: Parent) -> bool {
    site.level == Level::INFO && site.fields.is_empty() && site.parent == parent
}

/// An event in the current span.
fn event() -> Step {
    let is_it = |site: &super::callsites::EventSite| site.level == Level::INFO && site.parent == Parent::Context;
    let site = EVENTS.iter().position(is_it).expect("the family has it");
    Step::Event { thread: 0, site, parent: 0, values: Vec::new(), argument: Argument::Plain }
}
