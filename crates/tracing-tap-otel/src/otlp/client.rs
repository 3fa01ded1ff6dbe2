//! One request, and what its answer asks for.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use tracing_tap::escape::escaped;

/// As the specification of OTLP exporters has it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// How much of a collector's own words is kept.
const MAX_REASON_BYTES: usize = 256;

/// Sends to one address; redirects are not followed, so headers go nowhere else.
#[derive(Clone)]
pub(super) struct Client {
    connector: HttpsConnector<HttpConnector>,
    uri: Uri,
    headers: HeaderMap,
}

/// Connections of one runtime.
pub(super) struct Connections<'a> {
    client: &'a Client,
    pool: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Which certificates are trusted.
pub(super) struct Trust<'a> {
    pub(super) is_tls: bool,
    pub(super) ca_file: Option<&'a Path>,
}

/// What is to be done after a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Accepted; so many of its records were not, for this reason.
    Accepted { rejected: u64, reason: String },
    /// To be sent again, after this time if the server names one.
    Again { reason: String, after: Option<Duration> },
    /// Never to be accepted.
    Refused(String),
}

impl Client {
    pub(super) fn new(uri: Uri, mut headers: HeaderMap, trust: &Trust<'_>) -> Result<Self, String> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let agent = HeaderValue::from_static(concat!("tracing-tap/", env!("CARGO_PKG_VERSION")));
        headers.entry(USER_AGENT).or_insert(agent);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(trust.config()?);
        Ok(Self { connector: tls.https_or_http().enable_http1().wrap_connector(tcp), uri, headers })
    }

    pub(super) fn connections(&self) -> Connections<'_> {
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .build(self.connector.clone());
        Connections { client: self, pool }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Connections<'_> {
    pub(super) async fn post(&self, body: Bytes) -> Answer {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.client.uri.clone();
        *request.headers_mut() = self.client.headers.clone();
        match timeout(ANSWER_TIMEOUT, self.answered(request)).await {
            Ok(answer) => answer,
            Err(_) => again(format!("no answer after {ANSWER_TIMEOUT:?}")),
        }
    }

    async fn answered(&self, request: Request<Full<Bytes>>) -> Answer {
        match self.pool.request(request).await {
            Ok(response) => read(response).await,
            Err(error) => again(with_causes(&error)),
        }
    }
}

fn again(reason: String) -> Answer {
    Answer::Again { reason, after: None }
}

async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let reason = format!("the collector answered {}", head.status);
    match head.status {
        status if status.is_success() => match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
            Ok(body) => accepted(&body.to_bytes()),
            // It was accepted. What it said of it is lost.
            Err(_) => Answer::Accepted { rejected: 0, reason: String::new() },
        },
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let after = head.headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok());
            Answer::Again { reason, after: after.and_then(|text| delay_of(text, SystemTime::now())) }
        }
        _ => Answer::Refused(reason),
    }
}

/// A rejection of no record is a warning, and of those that cannot be read none is known.
fn accepted(body: &[u8]) -> Answer {
    let partial = ExportLogsServiceResponse::decode(body).ok().and_then(|answer| answer.partial_success);
    let (rejected, reason) = partial.map(|some| (some.rejected_log_records, some.error_message)).unwrap_or_default();
    Answer::Accepted { rejected: u64::try_from(rejected).unwrap_or(0), reason: escaped(&reason, MAX_REASON_BYTES) }
}

/// The seconds of `Retry-After`, or those until its date.
fn delay_of(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(SystemTime::from(date.timestamp()).duration_since(now).unwrap_or_default())
}

fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        words = format!("{words}: {cause}");
        next = cause.source();
    }
    words
}

impl Trust<'_> {
    fn config(&self) -> Result<ClientConfig, String> {
        let roots = match self.ca_file {
            _ if !self.is_tls => RootCertStore::empty(),
            Some(file) => of_file(file)?,
            None => of_system()?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(|cause| format!("no TLS: {cause}"))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

fn of_file(file: &Path) -> Result<RootCertStore, String> {
    let fail = |cause: &dyn fmt::Display| format!("no certificates in `{}`: {cause}", file.display());
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut roots = RootCertStore::empty();
    for certificate in certificates.map_err(|cause| fail(&cause))? {
        roots.add(certificate).map_err(|cause| fail(&cause))?;
    }
    if roots.is_empty() { Err(fail(&"it must be PEM")) } else { Ok(roots) }
}

fn of_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // Old certificates that cannot be parsed are common in a system's store.
    let (known, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if known > 0 { Ok(roots) } else { Err("the system trusts no certificate".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
    use std::time::UNIX_EPOCH;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_445_412_400);
        assert_eq!(delay_of("7", now), Some(Duration::from_secs(7)));
        assert_eq!(delay_of("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(80)));
        assert_eq!(delay_of("Wed, 21 Oct 2015 07:26:00 GMT", now), Some(Duration::ZERO), "it is over");
        assert_eq!(delay_of("soon", now), None);
    }

    #[test]
    fn the_words_of_a_collector_are_cut_and_escaped() {
        let error_message = format!("\u{1b}[2J{}", "no room ".repeat(1_000));
        let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records: -1, error_message });
        let body = ExportLogsServiceResponse { partial_success }.encode_to_vec();
        let Answer::Accepted { rejected: 0, reason } = accepted(&body) else { panic!("it is accepted") };
        assert!(reason.len() < 2 * MAX_REASON_BYTES && !reason.contains('\u{1b}'), "{reason}");
    }
}
