//! Work that leaves its span: inherit it, carry it for the router alone, or leave it on purpose.
//!
//! A spawned task, a thread and a job of a pool begin outside any span, so a session on a span's field does not see their
//! events. `tracing` has [`Instrument`](https://docs.rs/tracing/latest/tracing/trait.Instrument.html) to take a span along.
//! Two further choices are here:
//!
//! | | events of the work are | other layers |
//! |---|---|---|
//! | `.in_current_span()` of `tracing` | inside the span, for everybody | print the span, `Span::current()` is it |
//! | [`in_session`](InContext::in_session) | inside the span, for the router alone | see no difference |
//! | [`detached`](InContext::detached) | outside any span, and meant to be | see no difference |
//!
//! While a session is open, [coverage](crate::coverage) names each callsite that was seen inside spans with a tested field and
//! then outside any span ([`Finding::LostContext`](crate::coverage::Finding::LostContext)); `detached` says that it is meant.
//!
//! ```
//! use tracing_subscriber::prelude::*;
//! use tracing_tap::context::{InContext, detached, in_session};
//! use tracing_tap::{Item, Predicate, TapRouter};
//!
//! let router = TapRouter::new();
//! tracing_subscriber::registry().with(router.layer()).init();
//! let mut stream = router.watch(Predicate::eq("user", 42));
//! tracing::info_span!("request", user = 42).in_scope(|| {
//!     let thread = std::thread::spawn(in_session(|| tracing::debug!("carried along")));
//!     thread.join().expect("it does not panic");
//!     let thread = std::thread::spawn(detached(|| tracing::debug!("of no request")));
//!     thread.join().expect("it does not panic");
//! });
//! let seen: Vec<_> = stream.drain().filter_map(Item::into_event).collect();
//! assert_eq!(seen.iter().map(|event| event.message()).collect::<Vec<_>>(), ["carried along"]);
//! ```

mod future;
mod scope;

pub use future::{Detached, InSession};
pub use scope::CurrentScope;

use crate::layer::Standing;

/// Adaptors for futures, next to `Instrument` of `tracing`.
///
/// ```no_run
/// use tracing_tap::context::InContext;
///
/// # async fn send_mail() {}
/// # async fn report() {}
/// # async fn handler() {
/// tokio::spawn(send_mail().in_session());
/// tokio::spawn(report().detached());
/// # }
/// ```
pub trait InContext: Sized {
    /// Carries the current span into the future, for the router alone.
    ///
    /// Wherever the future is in no span of its own, sessions take its events for those of the span that is current now.
    /// Spans that it creates are inside that span for sessions too. No other layer sees a difference: neither
    /// `Span::current()`, nor printed spans, nor traces. The span stays open until the future, and every span created in it,
    /// is gone. Without a current span it does nothing.
    ///
    /// Costs about as much as `.in_current_span()`, and a look for the router's layer at each poll, with or without a session.
    /// Spans that were created in the future while no session was open are not inside the carried span; use
    /// `.in_current_span()` where that matters.
    fn in_session(self) -> InSession<Self> {
        InSession::new(self, CurrentScope::capture())
    }

    /// Says that the future is meant to be outside any span: coverage does not count its events as lost.
    ///
    /// It holds for what the future itself does while it is polled. A task that it spawns says so again. Costs a look for
    /// the router's layer at each poll.
    fn detached(self) -> Detached<Self> {
        Detached::new(self)
    }
}

impl<T> InContext for T {}

/// Has coverage name the place of the spawn where a task has lost its context, and the span that it was spawned in.
///
/// The hook of a runtime: `Builder::new_multi_thread().on_task_spawn(tracing_tap::context::note_spawn)`. Costs each spawn a
/// look for the router's layer, and while a session is open, a spawn inside a span a lock that it does not wait for. A runtime
/// has one such hook; call this from your own if you have one. It sees tasks of `tokio::spawn`, neither `spawn_blocking` nor a
/// `LocalSet`. Needs `--cfg tokio_unstable`.
#[cfg(all(feature = "tokio", tokio_unstable))]
pub fn note_spawn(task: &tokio::runtime::TaskMeta<'_>) {
    crate::layer::note_spawn(task);
}

/// The same as [`InContext::in_session`] for a closure: for `std::thread::spawn`, `spawn_blocking`, and jobs of a pool.
///
/// For a closure that is called more than once, see [`CurrentScope::run`].
pub fn in_session<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let scope = CurrentScope::capture();
    move || scope.run(work)
}

/// The same as [`InContext::detached`] for a closure.
pub fn detached<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    move || {
        let _standing = Standing::detached();
        work()
    }
}
