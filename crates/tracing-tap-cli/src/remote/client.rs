//! Requests to one HTTP endpoint, and the answers that are no refusals.

use super::answer;
use super::body::{ANSWER_TIMEOUT, body_of};
use super::target::Target;
use super::tls;
use crate::error::Error;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept for the next request. Endpoints keep them for longer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends requests to one endpoint only: redirects are not followed, so a token goes nowhere else.
#[derive(Debug)]
pub(crate) struct Client {
    connections: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    target: Target,
}

impl Client {
    pub(crate) fn new(target: Target) -> Result<Self, Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::config_if(target.base.is_tls(), target.ca_file.as_deref())?);
        let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let connections = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { connections, target })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a request. Returns the answer once it has begun, if it is no refusal.
    pub(crate) async fn send(&self, attempt: &str, ask: ApiRequest<'_>) -> Result<Response<Incoming>, Error> {
        let request = self.request(&ask)?;
        let attempt = format!("{attempt} at {}", self.target.base);
        let sent = timeout(ANSWER_TIMEOUT, self.connections.request(request)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(cause)) => return Err(unreachable(cause, attempt)),
            Err(_) => return Err(Error::new(format!("{attempt}: no answer after {ANSWER_TIMEOUT:?}"))),
        };
        if response.status().is_success() { Ok(response) } else { Err(answer::refusal(&attempt, response).await) }
    }

    /// Sends a request and reads the answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, attempt: &str, ask: ApiRequest<'_>) -> Result<T, Error> {
        let response = self.send(attempt, ask).await?;
        let body = body_of(response).await.map_err(|error| Error::caused_by(error, attempt))?;
        serde_json::from_slice(&body).map_err(|cause| {
            Error::caused_by(cause, format!("{attempt}: the answer is not that of a tracing-tap endpoint"))
                .advise("give the URL at which the endpoint is mounted")
        })
    }

    fn request(&self, ask: &ApiRequest<'_>) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::new(ask.body.clone().map_or_else(Full::default, Full::from));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = self.target.base.uri(ask.path)?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(ask.accept));
        headers
            .insert(header::USER_AGENT, HeaderValue::from_static(concat!("tracing-tap/", env!("CARGO_PKG_VERSION"))));
        if ask.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(token) = &self.target.token {
            headers.insert(header::AUTHORIZATION, token.header());
        }
        if let Some(id) = ask.last_event_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert("last-event-id", id);
        }
        Ok(request)
    }
}

/// Why no answer arrived.
fn unreachable(cause: legacy::Error, attempt: String) -> Error {
    let (is_connect, error) = (cause.is_connect(), Error::caused_by(cause, attempt));
    match error.with_causes() {
        causes if causes.contains("certificate") => {
            error.advise("if your own CA has signed the certificate, give that of the CA with `--ca-file`")
        }
        causes if causes.contains("InvalidContentType") => error.advise("the server may speak `http://`"),
        _ if is_connect => error.advise("check that the service runs and listens there"),
        _ => error,
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest<'a> {
    method: Method,
    path: &'a str,
    accept: &'static str,
    body: Option<Bytes>,
    last_event_id: Option<&'a str>,
}

impl<'a> ApiRequest<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, accept: "application/json", body: None, last_event_id: None }
    }

    pub(crate) fn delete(path: &'a str) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// A body of JSON.
    pub(crate) fn post(path: &'a str, body: Vec<u8>) -> Self {
        Self { method: Method::POST, body: Some(body.into()), ..Self::get(path) }
    }

    /// A stream of server-sent events, after that id.
    pub(crate) fn stream(path: &'a str, last_event_id: Option<&'a str>) -> Self {
        Self { accept: "text/event-stream", last_event_id, ..Self::get(path) }
    }
}
