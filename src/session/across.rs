//! Sessions on several services: the option, and which requests belong to such a session as a whole.

use super::SessionOptions;
use crate::predicate::{Bits, Predicate, Residual, Test};

impl SessionOptions {
    /// Lets requests be followed into other services; default not.
    ///
    /// For sessions that are open on several services, under one name that these agree on. On the way out,
    /// [`TapRouter::sessions_in_scope`](crate::TapRouter::sessions_in_scope) lists the sessions to which the request
    /// belongs. In the next service, [`TapRouter::follow_current_span`](crate::TapRouter::follow_current_span) makes the
    /// request belong to them. `tracing-tap-nats` does both, with a signed token in between.
    ///
    /// Inside a span that is followed so, the predicate's tests of fields and of spans' names no longer exclude an event: the
    /// request satisfied them elsewhere. Its tests of levels, targets, names and files still apply, and so do the
    /// confinement and the maximum level in full. A session that also [follows](Self::follow) is relaxed as it is there.
    /// The request is shown whole: only sessions that also follow [sample](Self::sample) it again.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{Item, Predicate, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let session = SessionOptions::new("user = 42 and @level <= debug".parse()?).across_services();
    /// let mut stream = router.watch(session);
    /// // Another service has said that this request is one of user 42.
    /// tracing::info_span!("order", id = 7).in_scope(|| {
    ///     assert_eq!(router.follow_current_span(&[stream.id()]), 1);
    ///     tracing::debug!("packed");
    ///     tracing::info!("shipped");
    ///     assert_eq!(router.sessions_in_scope(), [stream.id()]);
    /// });
    /// let seen: Vec<_> = stream.drain().filter_map(Item::into_event).map(|event| event.message().to_owned()).collect();
    /// assert_eq!(seen, ["packed"]);
    /// # Ok::<(), tracing_tap::PredicateError>(())
    /// ```
    #[must_use]
    pub fn across_services(mut self) -> Self {
        self.across_services = true;
        self
    }
}

/// Finds the requests that belong to a session as a whole.
#[derive(Debug)]
pub(crate) struct Across {
    /// The whole condition of an event, and that of one that is followed.
    predicate: Predicate,
    followed: Predicate,
    /// What the condition leaves where spans satisfy none of its tests; `None` if it tests nothing of them.
    alone: Option<Residual>,
}

impl Across {
    pub(super) fn of(session: &SessionOptions) -> Option<Box<Self>> {
        let followed = session.followed_predicate().filter(|_| session.across_services)?;
        let predicate = session.confined_predicate();
        let tests_spans = session.predicate.tests().any(|test| matches!(test, Test::Field(_) | Test::Span(_)));
        let alone = tests_spans.then(|| predicate.residual(|_| false));
        Some(Box::new(Self { predicate, followed, alone }))
    }

    /// Whether spans that satisfy these tests make all that happens inside belong to the session, as far as fields and
    /// spans are tested: it matches there what it would match in a followed span, and it does so because of these spans.
    ///
    /// `followed` is the tests that they satisfy of a followed event's condition.
    pub(crate) fn are_decided_by(&self, satisfied: &Bits, followed: impl FnOnce() -> Bits) -> bool {
        let Some(alone) = &self.alone else { return false };
        let left = self.predicate.residual(|test| satisfied.contains(test));
        if left == *alone {
            return false;
        }
        let followed = followed();
        left == self.followed.residual(|test| followed.contains(test))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::session::Follow;

    /// Whether a request whose spans satisfy these tests of the predicate, and all of the confinement, belongs to the session.
    fn belongs(options: SessionOptions, satisfied: &[usize]) -> bool {
        let bits = |numbers: &[usize]| {
            let mut bits = Bits::default();
            numbers.iter().for_each(|number| bits.insert(*number));
            bits
        };
        let followed: Vec<_> =
            (0..options.followed_predicate().map_or(0, |followed| followed.tests().count())).collect();
        let across = Across::of(&options.across_services()).expect("it is on several services");
        across.are_decided_by(&bits(satisfied), || bits(&followed))
    }

    #[track_caller]
    fn check(predicate: &str, satisfied: &[usize], expected: bool) {
        let quiet: Predicate = "not @target = async_nats".parse().expect("it is one");
        let options = SessionOptions::new(predicate.parse().expect("it is one")).confined_to(quiet);
        assert_eq!(belongs(options, satisfied), expected, "{predicate} with {satisfied:?}");
    }

    #[test]
    fn a_request_belongs_to_a_session_if_its_spans_decide() {
        check("user = 42", &[0], true);
        check("user = 42", &[], false);
        check("user = 42 and @level = error", &[0], true);
        check("user = 42 or @level = error", &[0], true);
        check("user = 42 or @level = error", &[], false);
        check("user = 42 and @span = request", &[0], false);
        check("user = 42 and @span = request", &[0, 1], true);
        check("user = 42 and status >= 500", &[0], false);
        check("user = 42 or tenant = 7", &[1], true);
    }

    #[test]
    fn a_request_whose_spans_do_not_decide_does_not_belong() {
        check("@level = error", &[], false);
        check("*", &[], false);
        check("not user = 42", &[], false);
        check("not user = 42", &[0], false);
        // In the next service the debug events would be shown as well, which do not match here.
        check("user = 42 and @level = error or tenant = 7 and @level = debug", &[0], false);
    }

    #[test]
    fn a_request_belongs_to_a_session_once_it_is_followed() {
        let options = |predicate: &str| SessionOptions::new(predicate.parse().expect("it is one")).follow(Follow::Root);
        assert!(belongs(options("user = 42"), &[0]));
        assert!(!belongs(options("user = 42 and @level = error"), &[0]), "the rest of the request is not shown yet");
    }
}
