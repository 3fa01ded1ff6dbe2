//! The current span, to be carried elsewhere.

use crate::layer::{HeldSpan, Standing};

/// The span that was current where this was captured, for the router alone; see
/// [`InContext::in_session`](super::InContext::in_session).
///
/// ```
/// use tracing_subscriber::prelude::*;
/// use tracing_tap::context::CurrentScope;
/// use tracing_tap::{Predicate, TapRouter};
///
/// let router = TapRouter::new();
/// tracing_subscriber::registry().with(router.layer()).init();
/// let stream = router.watch(Predicate::eq("user", 42));
/// let scope = tracing::info_span!("request", user = 42).in_scope(CurrentScope::capture);
/// // As the closures of `rayon` do, on several threads.
/// std::thread::scope(|threads| {
///     (0..3).for_each(|part| drop(threads.spawn(|| scope.run(|| tracing::debug!("a part")))));
/// });
/// assert_eq!(stream.stats().matched, 3);
/// ```
#[derive(Clone, Debug)]
pub struct CurrentScope(Option<HeldSpan>);

impl CurrentScope {
    /// Captures the current span, which stays open while this exists.
    pub fn capture() -> Self {
        Self(HeldSpan::current())
    }

    /// Runs the closure with the captured span carried into it. Without one it only runs the closure.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let _standing = self.stand_in();
        work()
    }

    pub(super) fn stand_in(&self) -> Option<Standing> {
        self.0.as_ref().map(HeldSpan::stand_in)
    }
}
