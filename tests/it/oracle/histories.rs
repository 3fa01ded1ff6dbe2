//! Histories that once failed, each played as it was. They are written out: a seed stands for another history
//! as soon as the strategies change.

use super::asked::Asked;
use super::callsites::{EventSite, Parent, SpanSite};
use super::evaluator::{Pred, Val};
use super::history::{Argument, EVENTS, History, SPANS, Setting, Stack, Step};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_tap::Follow;

testing::isolated! {
    fn exiting_a_span_entered_again_leaves_the_other_current() {
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

    fn exiting_an_outer_span_first_leaves_the_inner_current() {
        let user = || (vec!["user"], Val::Str("42".to_owned()));
        let (is_not, is) = (Pred::Ne(user().0, user().1), Pred::AnyOf(user().0, vec![user().1]));
        check(vec![
            span(Parent::None),
            Step::Enter { thread: 0, span: YOUNGEST },
            span(Parent::Context),
            span(Parent::Context),
            Step::Close { thread: 0, span: YOUNGEST },
            Step::Enter { thread: 0, span: YOUNGEST },
            Step::Enter { thread: 0, span: NEXT_YOUNGEST },
            Step::Open { thread: 0, asked: Asked::about(Pred::Or(is_not.into(), is.into())) },
            Step::Exit { thread: 0, nth: 2 },
            event(),
        ]);
    }

    fn following_by_name_stays_confined_and_outlives_the_value() {
        let user = |user| Pred::AnyOf(vec!["user"], vec![Val::I64(user)]);
        let record = |value| Step::Record { thread: 0, span: 0, field: 0, value: Val::I64(value) };
        check(vec![
            named_span(),
            Step::Enter { thread: 1, span: YOUNGEST },
            Step::Open {
                thread: 0,
                asked: Asked {
                    scope: Some(Pred::Not(user(43).into())),
                    follow: Follow::Named("conn".to_owned()),
                    by_text: true,
                    ..Asked::about(user(42))
                },
            },
            event_on(1),
            record(42),
            event_on(1),
            record(44),
            event_on(1),
            record(43),
            event_on(1),
        ]);
    }

    fn a_record_on_the_current_span_reaches_the_one_that_exists() {
        check(vec![
            named_span(),
            Step::Enter { thread: 0, span: YOUNGEST },
            Step::Open { thread: 0, asked: about_user_42() },
            verbose_span(Parent::Context),
            Step::Enter { thread: 0, span: YOUNGEST },
            Step::RecordCurrent { thread: 0, field: 0, value: Val::I64(42) },
            event(),
            Step::Capture { thread: 0 },
            Step::Enter { thread: 1, span: YOUNGEST },
            event_on(1),
        ]);
    }

    fn a_child_of_an_absent_verbose_span_is_a_root() {
        check(vec![
            Step::Open { thread: 0, asked: Asked::about(Pred::Everything) },
            verbose_span(Parent::None),
            span(Parent::Explicit),
            Step::Enter { thread: 0, span: YOUNGEST },
            event(),
            Step::Follows { thread: 0, span: YOUNGEST, of: NEXT_YOUNGEST },
            Step::Close { thread: 0, span: NEXT_YOUNGEST },
            event(),
        ]);
    }

    fn a_neighbours_verbose_span_made_during_a_session_is_shown() {
        let events_in_it = [Step::Enter { thread: 0, span: YOUNGEST }, event(), Step::Exit { thread: 0, nth: 0 }];
        let mut steps = vec![Step::Reload { thread: 0, level: LevelFilter::DEBUG }, named_span_of(Val::I64(42))];
        steps.extend([Step::Enter { thread: 0, span: YOUNGEST }, verbose_span(Parent::Context)]);
        steps.push(Step::Open { thread: 0, asked: about_user_42() });
        // Older than the session: not shown, and the chain goes on behind it.
        steps.extend(events_in_it.clone());
        steps.push(verbose_span(Parent::Context));
        steps.extend(events_in_it);
        check(steps);
    }

    fn an_id_that_recurs_after_8191_spans_is_the_new_spans() {
        let user = |user| Step::Open { thread: 0, asked: Asked::about(Pred::AnyOf(vec!["user"], vec![Val::I64(user)])) };
        for others in [8_189, 8_190, 8_191] {
            check(vec![
                user(42),
                user(43),
                named_span_of(Val::I64(42)),
                Step::Enter { thread: 0, span: YOUNGEST },
                event(),
                Step::Exit { thread: 0, nth: 0 },
                Step::Close { thread: 0, span: YOUNGEST },
                Step::Churn { thread: 0, spans: others },
                named_span_of(Val::I64(43)),
                Step::Enter { thread: 0, span: YOUNGEST },
                event(),
            ]);
        }
    }
}

const YOUNGEST: usize = 0;
const NEXT_YOUNGEST: usize = 1;

/// Whatever the stack.
#[track_caller]
fn check(steps: Vec<Step>) {
    for stack in [Stack::TapFirst, Stack::TapLast, Stack::TapLastOfReloaded, Stack::Unfiltered] {
        let setting = Setting::plain(stack);
        super::check(&History { setting, steps: steps.clone() });
    }
}

/// A span without fields; an explicit parent is the youngest.
fn span(parent: Parent) -> Step {
    let is_it = |site: &SpanSite| site.level == Level::INFO && site.fields.is_empty() && site.parent == parent;
    let site = SPANS.iter().position(is_it).expect("the family has it");
    Step::Span { thread: 0, site, parent: YOUNGEST, values: Vec::new() }
}

/// A session about one user that asks for no spans.
fn about_user_42() -> Asked {
    Asked::about(Pred::AnyOf(vec!["user"], vec![Val::I64(42)]))
}

/// A span at DEBUG with a field that nobody tests.
fn verbose_span(parent: Parent) -> Step {
    let is_it = |site: &SpanSite| site.level == Level::DEBUG && site.fields.contains(&"path") && site.parent == parent;
    let site = SPANS.iter().position(is_it).expect("the family has it");
    Step::Span { thread: 0, site, parent: YOUNGEST, values: vec![Val::Bool(true)] }
}

/// A root span `conn` of a user who is not known yet.
fn named_span() -> Step {
    named_span_of(Val::Absent)
}

/// The same of a user who is known.
fn named_span_of(user: Val) -> Step {
    let is_it = |site: &SpanSite| {
        site.level == Level::INFO
            && site.name == "conn"
            && site.fields == ["sid", "user"]
            && site.parent == Parent::None
    };
    let site = SPANS.iter().position(is_it).expect("the family has it");
    Step::Span { thread: 0, site, parent: YOUNGEST, values: vec![user] }
}

/// An event in the current span of the first thread.
fn event() -> Step {
    event_on(0)
}

/// One at DEBUG without fields of its own, which nobody wants but a session.
fn event_on(thread: usize) -> Step {
    let is_it =
        |site: &EventSite| site.level == Level::DEBUG && site.fields == ["op"] && site.parent == Parent::Context;
    let site = EVENTS.iter().position(is_it).expect("the family has it");
    Step::Event { thread, site, parent: YOUNGEST, values: Vec::new(), argument: Argument::Plain }
}
