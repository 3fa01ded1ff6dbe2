//! The layer for clients.

use super::Propagator;
use http::uri::Authority;
use http::{Request, Uri};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A layer that gives watched requests a token: see [`Propagator::client`].
#[derive(Clone, Debug)]
pub struct InjectLayer {
    propagator: Propagator,
    origin: Option<Authority>,
}

/// A client whose watched requests carry a token: see [`Propagator::client`].
#[derive(Clone, Debug)]
pub struct Inject<S> {
    inner: S,
    layer: InjectLayer,
}

impl InjectLayer {
    pub(super) fn new(propagator: Propagator) -> Self {
        Self { propagator, origin: None }
    }

    /// Sets the host of requests whose URI has none. Default none: such requests get no token.
    ///
    /// For clients that are connected to one server, such as a `tonic` channel to `http://billing:50051`: this is that
    /// server.
    ///
    /// ```no_run
    /// # fn example(propagator: tracing_tap_nats::Propagator) {
    /// let layer = propagator.client().origin(http::uri::Authority::from_static("billing:50051"));
    /// # }
    /// ```
    #[must_use]
    pub fn origin(mut self, origin: Authority) -> Self {
        self.origin = Some(origin);
        self
    }

    /// The host that a request goes to, and its port.
    fn host_of<'a>(&'a self, uri: &'a Uri) -> Option<(&'a str, Option<u16>)> {
        let default_port = match uri.scheme_str() {
            Some("http") => Some(80),
            Some("https") => Some(443),
            _ => None,
        };
        let authority = uri.authority().or(self.origin.as_ref())?;
        Some((authority.host(), authority.port_u16().or(default_port)))
    }
}

impl<S> Layer<S> for InjectLayer {
    type Service = Inject<S>;

    fn layer(&self, inner: S) -> Inject<S> {
        Inject { inner, layer: self.clone() }
    }
}

impl<S, B> Service<Request<B>> for Inject<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let uri = request.uri().clone();
        self.layer.propagator.inject_for(request.headers_mut(), self.layer.host_of(&uri));
        self.inner.call(request)
    }
}
