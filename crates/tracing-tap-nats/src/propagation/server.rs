//! The layer for servers.

use super::Propagator;
use http::Request;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A layer by which requests with a token are followed: see [`Propagator::server`].
#[derive(Clone, Debug)]
pub struct ExtractLayer {
    propagator: Propagator,
}

/// A server whose requests are followed if they have a token: see [`Propagator::server`].
#[derive(Clone, Debug)]
pub struct Extract<S> {
    inner: S,
    propagator: Propagator,
}

pin_project! {
    /// The response of an [`Extract`].
    pub struct ExtractFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        /// A request with a token waits for the first poll: only then is the request's span certain to be entered.
        Waiting { call: Option<(Propagator, S, Request<B>)> },
        Called { #[pin] future: F },
    }
}

impl ExtractLayer {
    pub(super) fn new(propagator: Propagator) -> Self {
        Self { propagator }
    }
}

impl<S> Layer<S> for ExtractLayer {
    type Service = Extract<S>;

    fn layer(&self, inner: S) -> Extract<S> {
        Extract { inner, propagator: self.propagator.clone() }
    }
}

impl<S, B> Service<Request<B>> for Extract<S>
where
    S: Service<Request<B>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ExtractFuture<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> ExtractFuture<S, B> {
        let state = if Propagator::is_named_in(request.headers()) {
            // The clone that is ready makes the call.
            let clone = self.inner.clone();
            let ready = std::mem::replace(&mut self.inner, clone);
            State::Waiting { call: Some((self.propagator.clone(), ready, request)) }
        } else {
            State::Called { future: self.inner.call(request) }
        };
        ExtractFuture { state }
    }
}

impl<S, B> Future for ExtractFuture<S, B>
where
    S: Service<Request<B>>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Called { future } => return future.poll(context),
                StateProjection::Waiting { call } => {
                    let (propagator, mut service, mut request) =
                        call.take().expect("the state changes at once, unless the service panicked");
                    propagator.extract(request.headers_mut());
                    let future = service.call(request);
                    state.set(State::Called { future });
                }
            }
        }
    }
}

impl<S, B> fmt::Debug for ExtractFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtractFuture").finish_non_exhaustive()
    }
}
