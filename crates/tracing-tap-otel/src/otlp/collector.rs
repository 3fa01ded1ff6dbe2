//! Where records go, and what is sent along.

use super::client::{Client, Trust};
use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// An OTLP endpoint for logs. Made by [`Collector::new`] and [`CollectorBuilder::build`].
#[derive(Clone, Debug)]
pub struct Collector {
    pub(super) client: Client,
    pub(super) settings: Settings,
}

/// The settings of a [`Collector`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `build`"]
pub struct CollectorBuilder {
    uri: Uri,
    headers: HeaderMap,
    ca_file: Option<PathBuf>,
    allows_plaintext: bool,
    settings: Settings,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) resource: Vec<(String, String)>,
    pub(super) retry_for: Duration,
    pub(super) batch_delay: Duration,
}

/// An address or a header that cannot be used.
#[derive(Debug)]
pub struct CollectorError {
    text: String,
    is_plaintext: bool,
}

impl Collector {
    /// The endpoint at this address, such as `http://localhost:4318/v1/logs`. Without a path, it is `/v1/logs`.
    ///
    /// # Errors
    /// If it is no address of `http` or `https`, or has a user name in it.
    #[expect(clippy::new_ret_no_self, reason = "what it returns becomes one")]
    pub fn new(address: &str) -> Result<CollectorBuilder, CollectorError> {
        let fail = |why: &str| CollectorError::new(format!("no address of a collector: {why}"));
        let uri: Uri = address.parse().map_err(|cause| fail(&format!("{cause}")))?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(fail("it must begin with `http://` or `https://`"));
        };
        if authority.as_str().contains('@') {
            return Err(fail("a user name or password belongs into a header"));
        }
        let path = if uri.path() == "/" { "/v1/logs" } else { uri.path() };
        let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
        let whole = format!("{}://{authority}{path}{query}", uri.scheme_str().unwrap_or("http"));
        let settings = Settings {
            resource: Vec::new(),
            retry_for: Duration::from_secs(60),
            batch_delay: Duration::from_millis(250),
        };
        let uri = whole.parse().map_err(|cause| fail(&format!("{cause}")))?;
        Ok(CollectorBuilder { uri, headers: HeaderMap::new(), ca_file: None, allows_plaintext: false, settings })
    }
}

impl CollectorBuilder {
    /// Sends a header with each request, such as `authorization`.
    ///
    /// # Errors
    /// If the name or the value cannot be sent.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, CollectorError> {
        let fail = || CollectorError::new(format!("no header: `{}`", name.escape_debug()));
        let name: HeaderName = name.parse().map_err(|_| fail())?;
        let mut value: HeaderValue = value.parse().map_err(|_| fail())?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Describes the service that the events are from, such as `service.name`.
    pub fn resource(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.settings.resource.retain(|(known, _)| *known != key);
        self.settings.resource.push((key, value.into()));
        self
    }

    /// Sets how long a batch is sent again before it is dropped; default a minute.
    pub fn retry_for(mut self, duration: Duration) -> Self {
        self.settings.retry_for = duration;
        self
    }

    /// Sets how long the first record of a batch waits for others; default 250 ms.
    pub fn batch_delay(mut self, duration: Duration) -> Self {
        self.settings.batch_delay = duration;
        self
    }

    /// Trusts only the certificates in this file (PEM); default those of the system.
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// Sends headers without TLS to other machines too: everybody on the way can read them.
    pub fn allow_plaintext(mut self) -> Self {
        self.allows_plaintext = true;
        self
    }

    /// Makes the collector. Connects to nothing yet.
    ///
    /// # Errors
    /// If there are headers, and the address is another machine's and without TLS; or if certificates cannot be read.
    pub fn build(self) -> Result<Collector, CollectorError> {
        let Self { uri, headers, ca_file, allows_plaintext, settings } = self;
        let is_tls = uri.scheme_str() == Some("https");
        if !headers.is_empty() && !is_tls && !is_loopback(uri.host().unwrap_or_default()) && !allows_plaintext {
            let text = format!("headers would go to {} without TLS", uri.host().unwrap_or_default());
            return Err(CollectorError { text, is_plaintext: true });
        }
        let trust = Trust { is_tls, ca_file: ca_file.as_deref() };
        let client = Client::new(uri, headers, &trust).map_err(CollectorError::new)?;
        Ok(Collector { client, settings })
    }
}

impl CollectorError {
    fn new(text: String) -> Self {
        Self { text, is_plaintext: false }
    }

    /// Whether headers would go to another machine without TLS: use `https`, or
    /// [`allow_plaintext`](CollectorBuilder::allow_plaintext).
    pub fn is_plaintext(&self) -> bool {
        self.is_plaintext
    }
}

/// Whether a host is this machine for sure: names below `localhost` may be asked of a DNS server.
fn is_loopback(host: &str) -> bool {
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

impl fmt::Display for CollectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for CollectorError {}
