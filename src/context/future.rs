//! Futures that carry a span along, or are meant to be outside any.

use super::scope::CurrentScope;
use crate::layer::{PollStart, Standing};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// A future that carries a span along, made by [`InContext::in_session`](super::InContext::in_session).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InSession<F> {
        // `None` once it was dropped in its scope.
        #[pin]
        inner: Option<F>,
        scope: CurrentScope,
    }

    impl<F> PinnedDrop for InSession<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _standing = this.scope.stand_in();
            this.inner.set(None);
        }
    }
}

pin_project! {
    /// A future that is meant to be outside any span, made by [`InContext::detached`](super::InContext::detached).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Detached<F> {
        #[pin]
        inner: Option<F>,
    }

    impl<F> PinnedDrop for Detached<F> {
        fn drop(this: Pin<&mut Self>) {
            let _standing = Standing::detached();
            this.project().inner.set(None);
        }
    }
}

impl<F> InSession<F> {
    pub(super) fn new(inner: F, scope: CurrentScope) -> Self {
        Self { inner: Some(inner), scope }
    }
}

impl<F> Detached<F> {
    pub(super) fn new(inner: F) -> Self {
        Self { inner: Some(inner) }
    }
}

impl<F: Future> Future for InSession<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _standing = this.scope.stand_in();
        poll(this.inner, context)
    }
}

impl<F: Future> Future for Detached<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _standing = Standing::detached();
        poll(self.project().inner, context)
    }
}

/// Polls, and looks whether the future has left the thread in a span.
fn poll<F: Future>(inner: Pin<&mut Option<F>>, context: &mut Context<'_>) -> Poll<F::Output> {
    let inner = inner.as_pin_mut().expect("only a drop takes it out");
    let start = PollStart::now();
    let polled = inner.poll(context);
    if polled.is_pending() {
        start.end_pending();
    }
    polled
}
