//! Whether an event of the past belongs to a session, by the values that it and its spans had: what [`scope`](super::scope)
//! and the layer decide of an event while it happens.

use super::open::OpenSession;
use super::scope::CapturedChain;
use crate::event::{CapturedEvent, Fields};
use crate::predicate::{Bits, Test, reach_admits};
use tracing_core::Level;

impl OpenSession {
    /// Whether an event of this level and target may belong to it, whatever its values.
    pub(crate) fn reaches(&self, level: Level, target: &str) -> bool {
        self.reach().any(|reach| reach_admits(std::slice::from_ref(reach), level, target))
    }

    /// Whether an event matches, inside or outside a span that is followed. Charges nothing: it is not the service that
    /// waits. `tested` has all of its values, of which it may show some.
    pub(crate) fn matches_past(
        &self,
        event: &CapturedEvent,
        tested: &Fields,
        chain: &CapturedChain,
        is_followed: bool,
    ) -> bool {
        let compiled = self.compiled_for(is_followed);
        let mut satisfied = Bits::default();
        let mut test = |fields: &Fields| {
            for (name, value) in fields.named_by(|name| compiled.names(name)) {
                compiled.test_value(name, value, &mut satisfied);
            }
        };
        chain.iter().for_each(|span| test(&span.fields));
        test(tested);
        let is_inside = |name: &str| chain.iter().any(|span| span.name() == name);
        let answer = compiled.evaluate(|number| match &compiled.tests()[number] {
            Test::Field(_) => Some(satisfied.contains(number)),
            Test::Span(name) => Some(is_inside(name)),
            test => test.of_event(event.level(), event.target(), event.name(), event.file()),
        });
        answer == Some(true)
    }
}
