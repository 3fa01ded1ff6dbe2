//! What the door and the fleet cause to be logged while they serve a session does not feed it.
//!
//! Not by a subscriber of its own: a scoped default anywhere in the process changes what nested events do on every
//! other thread. The recursion guard is held instead while such a task is polled, so what it logs there reaches the
//! service's own layers as ever, and no session. What the NATS client logs on a task of its own is kept out by its
//! target, when a session of the fleet is opened.

use crate::guard::Guard;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose events no session gets.
#[derive(Debug)]
pub(crate) struct Quiet<F>(Pin<Box<F>>);

impl<F: Future> Quiet<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Quiet<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _guard = Guard::enter();
        self.0.as_mut().poll(context)
    }
}
