//! The arguments of a plan's events and spans, which may log, ask or open sessions while they are evaluated or printed.

use super::callsites::{Arguments, Boxed};
use super::evaluator::{Fields, Val};
use super::history::{EVENTS, Emission, Inner, Logged, SPANS};
use super::model::Facts;
use super::recorder::{INSIDE, OTHER_FORMATS};
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex};
use tracing::{Level, Span};
use tracing_tap::{Predicate, TapRouter};

thread_local! {
    /// What a value may open a session with while it is evaluated or printed.
    pub(crate) static ROUTER: RefCell<Option<TapRouter>> = const { RefCell::new(None) };
}

/// Plain arguments.
pub(crate) struct Plain(pub(crate) Fields);

impl Arguments for Plain {
    fn op(&self) -> u64 {
        unreachable!("spans have none")
    }

    fn value(&self, field: &str) -> Boxed {
        self.0.iter().find(|(name, _)| *name == field).and_then(|(_, value)| value.boxed())
    }
}

/// Arguments that tell when they are evaluated and printed, and may log while they are.
struct Watched<'a> {
    emission: &'a Arc<Emission>,
    facts: &'a Arc<Mutex<Facts>>,
}

impl Arguments for Watched<'_> {
    fn op(&self) -> u64 {
        self.facts.lock().unwrap().evaluated = true;
        if let Inner::Evaluating(logged) = &self.emission.inner {
            log_inside(self.emission.op, false, logged);
        }
        self.emission.op
    }

    fn value(&self, field: &str) -> Boxed {
        let (emission, facts) = (Arc::clone(self.emission), Arc::clone(self.facts));
        let (place, (_, value)) = self.emission.fields.iter().enumerate().find(|(_, (name, _))| *name == field)?;
        match self.emission.inner {
            Inner::Formatting(_) | Inner::Panicking if place == 1 => {
                let text = value.prints();
                Some(Box::new(tracing::field::display(Printing { text, emission, facts })))
            }
            _ => value.boxed(),
        }
    }
}

/// A value that logs each time it is printed, or panics where that is for a session.
struct Printing {
    text: String,
    emission: Arc<Emission>,
    facts: Arc<Mutex<Facts>>,
}

impl fmt::Display for Printing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_other = OTHER_FORMATS.get();
        if by_other {
            self.facts.lock().unwrap().formatted_by_other += 1;
        }
        match &self.emission.inner {
            Inner::Formatting(logged) => log_inside(self.emission.op, !by_other, logged),
            // Unlike `panic!`, without a word.
            Inner::Panicking if !by_other => std::panic::resume_unwind(Box::new("a value panics")),
            _ => {}
        }
        OTHER_FORMATS.set(by_other);
        f.write_str(&self.text)
    }
}

fn log_inside(op: u64, by_tap: bool, logged: &Logged) {
    let before = INSIDE.replace((op, by_tap));
    match logged {
        Logged::Event(emission) => emit(&Arc::new(emission.clone()), &Span::none(), &Arc::default()),
        Logged::Span { site } => drop((SPANS[*site].open)(&Plain(vec![("user", Val::I64(42))]), &Span::none())),
        Logged::Hint(level) => drop(hint(*level)),
        Logged::Session => {
            let router = ROUTER.with_borrow(Clone::clone);
            drop(router.map(|router| router.watch(Predicate::everything())));
        }
    }
    INSIDE.set(before);
}

pub(crate) fn emit(emission: &Arc<Emission>, parent: &Span, facts: &Arc<Mutex<Facts>>) {
    (EVENTS[emission.site].emit)(&Watched { emission, facts }, parent);
}

/// Asks whether any layer wants such an event.
pub(crate) fn hint(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(target: "app", Level::ERROR),
        Level::WARN => tracing::enabled!(target: "app", Level::WARN),
        Level::INFO => tracing::enabled!(target: "app", Level::INFO),
        Level::DEBUG => tracing::event_enabled!(target: "app", Level::DEBUG, user),
        Level::TRACE => tracing::enabled!(target: "app", Level::TRACE),
    }
}
