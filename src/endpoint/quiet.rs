//! What an endpoint causes to be logged while it serves a session does not feed that session.
//!
//! Not by a subscriber of its own: a scoped default anywhere in the process changes what nested events do on every
//! other thread. The recursion guard is held instead, so what is logged inside reaches the service's own layers as ever,
//! and no session.

use crate::guard::Guard;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose events reach no session; every other layer sees them.
///
/// An endpoint that logs while it sends an event would otherwise capture that log line, send it, and log again. It costs
/// a thread-local flag a poll. Events of tasks that the future spawns are not covered: wrap those too.
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
    /// Wraps a future.
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

/// Runs `work`, whose events on this thread reach no session; every other layer sees them.
pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let _guard = Guard::enter();
    work()
}
