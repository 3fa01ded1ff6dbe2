//! What the fleet's own tasks cause to be logged does not feed the sessions they carry.
//!
//! The recursion guard is held while such a task is polled. What the NATS client logs on a task of its own is kept out
//! by target, see `opening`.

use crate::guard::Guard;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose events no session gets.
pub(super) struct Quiet<F>(Pin<Box<F>>);

impl<F: Future> Quiet<F> {
    pub(super) fn new(future: F) -> Self {
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
