//! Keeps an endpoint's own log lines out of the sessions that it serves.
//!
//! A subscriber of its own would not do: a scoped default anywhere in the process changes the handling of nested events
//! on every other thread. Instead the recursion guard is held: events inside reach the service's own layers, and no session.

use crate::guard::Guard;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose events reach no session. Every other layer sees them.
///
/// Without it, an endpoint that logs while it sends an event captures that log line, sends it, and logs again. Costs one
/// thread-local flag for each poll. Does not cover the tasks that the future spawns: wrap those too.
///
/// ```
/// use tracing_subscriber::prelude::*;
/// use tracing_tap::endpoint::Quiet;
/// use tracing_tap::{Predicate, TapRouter};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let router = TapRouter::new();
/// tracing_subscriber::registry().with(router.layer()).init();
/// let mut stream = router.watch(Predicate::everything());
/// Quiet::new(async { tracing::info!("sent 17 bytes") }).await;
/// assert_eq!(stream.drain().count(), 0);
/// # }
/// ```
#[derive(Debug)]
pub struct Quiet<F>(Pin<Box<F>>);

impl<F: Future> Quiet<F> {
    /// Wraps a future. Allocates once, to pin it.
    pub fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Quiet<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        quietly(|| self.0.as_mut().poll(context))
    }
}

/// Runs `work`. Its events on this thread reach no session; every other layer sees them.
///
/// ```
/// use tracing_subscriber::prelude::*;
/// use tracing_tap::endpoint::quietly;
/// use tracing_tap::{Predicate, TapRouter};
///
/// let router = TapRouter::new();
/// tracing_subscriber::registry().with(router.layer()).init();
/// let mut stream = router.watch(Predicate::everything());
/// quietly(|| tracing::info!("sent 17 bytes"));
/// assert_eq!(stream.drain().count(), 0);
/// ```
pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let _guard = Guard::enter();
    work()
}
