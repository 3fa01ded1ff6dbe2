//! Looking back: the option, and whether an event of the past belongs to a session, by the values that it and its spans
//! had: what [`scope`](super::scope) and the layer decide of an event while it happens.

use super::SessionOptions;
use super::open::OpenSession;
use super::scope::CapturedChain;
use crate::event::{CapturedEvent, Fields};
use crate::predicate::{Bits, Test, reach_admits};
use std::time::Duration;
use tracing_core::Level;

impl SessionOptions {
    /// Begins with the matching events of the time before it was opened; default none.
    ///
    /// In a router that was built with [`look_back`](crate::TapRouterBuilder::look_back), and as far back as that goes: the
    /// first item, a [`Horizon`](crate::Horizon), says how far. Then come the past events, [marked](crate::CapturedEvent::is_past),
    /// and the present ones, without a hole or a double. Sampling and `max_events` count past events too, the rate does
    /// not. Reads all that the router has kept, on the caller's thread.
    ///
    /// With [`only_if`](Self::only_if) or [`slower_than`](Self::slower_than), requests of the past are chosen like those of the
    /// present: past events that were chosen come first, whole requests of them. A request that is under way at the opening is
    /// held with its past, and shown from its first event that is kept, once its outcome is known. `slower_than` counts from
    /// the creation of its span.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{Item, LookBack, Predicate, SessionOptions, TapRouter};
    /// let router = TapRouter::builder().look_back(LookBack::new(1 << 20)).build();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// # while router.stats().look_back_bytes == 0 { std::thread::yield_now() }
    /// tracing::debug!(user = 42, "failed");
    /// let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).look_back(Duration::from_secs(30)));
    /// let event = stream.drain().find_map(Item::into_event).expect("the event is still there");
    /// assert!(event.is_past());
    /// ```
    #[must_use]
    pub fn look_back(mut self, duration: Duration) -> Self {
        self.look_back = Some(duration);
        self
    }
}

impl OpenSession {
    /// Whether an event of this level and target may belong to it, whatever its values.
    pub(crate) fn reaches(&self, level: Level, target: &str) -> bool {
        self.reach().any(|reach| reach_admits(std::slice::from_ref(reach), level, target))
    }

    /// Whether an event matches, inside or outside a span that is followed; `None` if that hangs on a field that may have had
    /// a value which was not kept. Charges nothing: it is not the service that waits. `tested` has all of its values, of which
    /// it may show some.
    pub(crate) fn matches_past(
        &self,
        event: &CapturedEvent,
        tested: &Fields,
        may_lack: impl Fn(&str) -> bool,
        chain: &CapturedChain,
        is_followed: bool,
    ) -> Option<bool> {
        let compiled = self.compiled_for(is_followed);
        let mut satisfied = Bits::default();
        let is_tested = |name: &str| compiled.names(name);
        let of_spans = chain.iter().flat_map(|span| span.tested_by(is_tested));
        for (name, value) in of_spans.chain(tested.named_by(is_tested)) {
            compiled.test_value(name, value, &mut satisfied);
        }
        let is_inside = |name: &str| chain.iter().any(|span| span.name() == name);
        compiled.evaluate(|number| match &compiled.tests()[number] {
            Test::Field(_) if satisfied.contains(number) => Some(true),
            Test::Field(field) => (!field.keys().iter().any(|key| may_lack(key))).then_some(false),
            Test::Span(name) => Some(is_inside(name)),
            test => test.of_event(event.level(), event.target(), event.name(), event.file()),
        })
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::predicate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::SessionId;
    use std::sync::Arc;
    use tracing_core::LevelFilter;

    #[test]
    fn a_session_reaches_events_of_its_level_and_target() {
        let options = SessionOptions::new(Predicate::target("chat")).max_level(LevelFilter::INFO);
        let session = OpenSession::new(SessionId(1), options, Arc::new(Budget::new(0)));
        assert!(session.reaches(Level::INFO, "chat::hub"));
        assert!(!session.reaches(Level::DEBUG, "chat::hub") && !session.reaches(Level::INFO, "billing"));
    }
}
