//! A fleet as `watch` sees it: the URL of its server, the key and the credentials.

use super::pause::pause_after;
use super::tls;
use super::token::warn_if_others_can_read;
use super::url::{is_loopback, without_query};
use crate::error::Error;
use crate::say;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use hyper::Uri;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tracing_tap_nats::{Config, Key};

/// How many messages of 64 KiB may wait to be read; further ones are lost, and reported.
const MAX_MESSAGES: usize = 2_048;

const KEY_VARIABLE: &str = "TRACING_TAP_FLEET_KEY";

/// The options of a fleet
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Fleet")]
pub(crate) struct FleetAccess {
    /// Read the fleet's key from this file. Default: the profile's, then `$TRACING_TAP_FLEET_KEY`
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// Also accept messages signed with the key in this file, while the fleet's key is replaced. Default: the profile's
    #[arg(long, value_name = "FILE")]
    pub(super) accept_key_file: Vec<PathBuf>,
    /// NATS credentials: a `.creds` file, or one with `user:password`. Default: the profile's
    #[arg(long, value_name = "FILE")]
    pub(super) credentials_file: Option<PathBuf>,
    /// Prefix of the fleet's subjects. Default: the profile's, then `tap`
    #[arg(long, value_name = "SUBJECT")]
    pub(super) subject_prefix: Option<String>,
}

/// A fleet, with the key and the credentials.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub(crate) url: FleetUrl,
    pub(crate) config: Config,
    credentials_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    allow_plaintext: bool,
}

/// The URL of a fleet: a NATS server, and one or more services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FleetUrl {
    server: String,
    /// At least one.
    services: Vec<String>,
    is_tls: bool,
    is_loopback: bool,
}

/// Whether this is the URL of a fleet, and not of an HTTP endpoint.
pub(crate) fn is_of_fleet(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| ["nats", "tls"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

impl FleetAccess {
    /// These options, and the profile's if one is not given.
    pub(super) fn or(&self, profile: Self) -> Self {
        let said = self.clone();
        Self {
            key_file: said.key_file.or(profile.key_file),
            accept_key_file: match said.accept_key_file.is_empty() {
                true => profile.accept_key_file,
                false => said.accept_key_file,
            },
            credentials_file: said.credentials_file.or(profile.credentials_file),
            subject_prefix: said.subject_prefix.or(profile.subject_prefix),
        }
    }

    /// The first option given that an HTTP endpoint has no use for.
    pub(super) fn first_said(&self) -> Option<&'static str> {
        let Self { key_file, accept_key_file, credentials_file, subject_prefix } = self;
        let said = [
            (key_file.is_some(), "--key-file"),
            (!accept_key_file.is_empty(), "--accept-key-file"),
            (credentials_file.is_some(), "--credentials-file"),
            (subject_prefix.is_some(), "--subject-prefix"),
        ];
        said.into_iter().find_map(|(is_said, name)| is_said.then_some(name))
    }

    /// The fleet at this URL.
    pub(super) fn at(self, url: &str, ca_file: Option<PathBuf>, allow_plaintext: bool) -> Result<Fleet, Error> {
        let url = FleetUrl::read(url)?;
        let key = key(self.key_file.as_deref())?;
        let (first, others) = url.services.split_first().expect("a URL that was read names a service");
        let config = Config::new(first, key).map_err(unusable)?;
        let config = others.iter().try_fold(config, |config, service| config.also_on(service).map_err(unusable))?;
        let config = self
            .accept_key_file
            .iter()
            .try_fold(config, |config, file| config.accept_key(key_of_file(file)?).map_err(unusable))?;
        let config = match &self.subject_prefix {
            Some(prefix) => config.subject_prefix(prefix).map_err(unusable)?,
            None => config,
        };
        Ok(Fleet { url, config, credentials_file: self.credentials_file, ca_file, allow_plaintext })
    }
}

/// A name or a prefix that is invalid.
fn unusable(error: tracing_tap_nats::ConfigError) -> Error {
    let text = error.to_string();
    match std::error::Error::source(&error) {
        Some(source) => Error::usage(format!("{text}: {source}")),
        None => Error::usage(text),
    }
}

/// The key, which is never an argument, because every user of the machine can see arguments.
fn key(file: Option<&Path>) -> Result<Key, Error> {
    match (file, std::env::var_os(KEY_VARIABLE)) {
        (Some(file), _) => key_of_file(file),
        (None, Some(value)) => read_key(value.into_encoded_bytes(), KEY_VARIABLE),
        (None, None) => {
            let advice = format!("set {KEY_VARIABLE}, or give `--key-file`: it is the key of the instances");
            Err(Error::usage("find the fleet's key: no file or variable has it").advise(advice))
        }
    }
}

fn key_of_file(file: &Path) -> Result<Key, Error> {
    read_key(bytes_of("key", file)?, &format!("the key file `{}`", file.display()))
}

fn read_key(mut secret: Vec<u8>, place: &str) -> Result<Key, Error> {
    while matches!(secret.last(), Some(b'\r' | b'\n')) {
        secret.pop();
    }
    Key::new(secret).map_err(|error| Error::caused_by(error, format!("read {place}")).into_usage())
}

/// Reads a file of secrets; warns if others can read it.
fn bytes_of(what: &str, path: &Path) -> Result<Vec<u8>, Error> {
    let attempt = || format!("read the {what} file `{}`", path.display());
    let bytes = fs::read(path).map_err(|cause| Error::caused_by(cause, attempt()).into_usage())?;
    warn_if_others_can_read(what, path);
    Ok(bytes)
}

impl FleetUrl {
    pub(crate) fn read(url: &str) -> Result<Self, Error> {
        if url.contains('@') {
            return Err(Error::usage(
                "read the URL: it contains a name or a password, which every user of this machine can see",
            )
            .advise("give `--credentials-file`"));
        }
        let said = without_query(url);
        let fail = |problem: &str| Error::usage(format!("read the URL `{said}`: {problem}"));
        if url.ends_with("://") {
            return Err(fail("it has no host"));
        }
        if url.contains(['#', '?']) {
            return Err(fail("a fleet's URL has a server and a service, and nothing else").advise(EXAMPLE));
        }
        let uri: Uri = url.parse().map_err(|cause| fail(&format!("{cause}")))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority().filter(|at| !at.host().is_empty()))
        else {
            return Err(fail("it has no host"));
        };
        let service = uri.path().trim_matches('/');
        if service.is_empty() {
            return Err(fail("it has no service after the host").advise(EXAMPLE));
        }
        if service.contains('/') {
            return Err(fail("the service is one name: write `%2F` for a slash in it").advise(EXAMPLE));
        }
        let named = |service| percent_decode_str(service).decode_utf8().map(|name| name.into_owned());
        let services = service.split(',').map(named).collect::<Result<Vec<_>, _>>();
        let services = services.map_err(|_| fail("the service is not UTF-8"))?;
        if services.iter().any(String::is_empty) {
            return Err(fail("a service has no name: write `%2C` for a comma in a name").advise(EXAMPLE));
        }
        let is_tls = scheme.eq_ignore_ascii_case("tls");
        let scheme = if is_tls { "tls" } else { "nats" };
        let server = format!("{scheme}://{authority}");
        Ok(Self { server, services, is_tls, is_loopback: is_loopback(authority.host()) })
    }
}

const EXAMPLE: &str =
    "write `nats://host:4222/service`, or `nats://host:4222/edge,orders` for a session on several services";

impl FleetUrl {
    /// The services that a session is open on.
    pub(crate) fn services(&self) -> &[String] {
        &self.services
    }
}

impl fmt::Display for FleetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.services.join(","))
    }
}

impl Fleet {
    /// Connects to the server; `events` gets what happens to the connection from then on.
    ///
    /// # Errors
    /// If the server cannot be reached or denies access, or if a file is invalid.
    pub(crate) async fn connect(&self, events: Sender<Event>) -> Result<Client, Error> {
        let options = self.with_credentials(ConnectOptions::new())?.name("tracing-tap");
        let options = options.subscription_capacity(MAX_MESSAGES);
        let options = options.reconnect_delay_callback(pause_before);
        let options = options.event_callback(move |event| {
            let events = events.clone();
            // Nobody receives once the session has ended.
            async move { drop(events.send(event).await) }
        });
        // If a server requires TLS where nothing here does, the client trusts the system's certificates by itself.
        let options = match self.requires_tls() {
            true => options.require_tls(true).tls_client_config(tls::config(self.ca_file.as_deref())?),
            false => options,
        };
        // A server names others before TLS has begun, so anybody on the way could name one of their own.
        let options = if self.credentials_file.is_some() { options.ignore_discovered_servers() } else { options };
        options.connect(&*self.url.server).await.map_err(|error| self.not_connected(error))
    }

    /// Credentials leave this machine without TLS only if the user says so in words.
    fn requires_tls(&self) -> bool {
        self.url.is_tls || self.ca_file.is_some() || (self.has_remote_credentials() && !self.allow_plaintext)
    }

    fn has_remote_credentials(&self) -> bool {
        self.credentials_file.is_some() && !self.url.is_loopback
    }

    fn with_credentials(&self, options: ConnectOptions) -> Result<ConnectOptions, Error> {
        let Some(file) = &self.credentials_file else { return Ok(options) };
        if self.has_remote_credentials() && !self.requires_tls() {
            let server = &self.url.server;
            say::warn(format_args!("the credentials go to {server} without TLS, unless the server requires it"));
        }
        let problem = |problem: String| {
            let error = Error::usage(format!("read the credentials file `{}`: {problem}", file.display()));
            error.advise("it must be a NATS `.creds` file, or a line `user:password`")
        };
        let text =
            String::from_utf8(bytes_of("credentials", file)?).map_err(|_| problem("it is not UTF-8".to_owned()))?;
        if text.contains("-----BEGIN") {
            return options.credentials(&text).map_err(|cause| problem(cause.to_string()));
        }
        match text.trim_end_matches(['\r', '\n']).split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.contains('\n') => {
                Ok(options.user_and_password(user.to_owned(), password.to_owned()))
            }
            _ => Err(problem("it contains no credentials".to_owned())),
        }
    }

    fn why_tls(&self) -> &'static str {
        match () {
            () if self.url.is_tls => "the server may offer no TLS: then its URL begins with `nats://`",
            () if self.ca_file.is_some() => "the server may offer no TLS, which `--ca-file` requires",
            () => "the server may offer no TLS, which credentials require; `--allow-plaintext` sends them without",
        }
    }

    fn not_connected(&self, error: ConnectError) -> Error {
        let attempt = format!("connect to {}", self.url.server);
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                let advice = "give credentials that the server accepts, with `--credentials-file`";
                Error::refused(format!("{attempt}: the server denies access: {}", error.kind())).advise(advice)
            }
            _ => {
                // Its text includes its causes.
                let words = format!("{attempt}: {error}");
                let advice = match () {
                    _ if self.requires_tls() && is_without_tls(&words) => self.why_tls(),
                    _ if words.contains("certificate") => {
                        "if your own CA has signed the certificate, give that of the CA with `--ca-file`"
                    }
                    _ => "check that a NATS server runs and listens there",
                };
                Error::new(words).advise(advice)
            }
        }
    }
}

/// Whether a server has answered the beginning of TLS with something else, or not at all.
fn is_without_tls(words: &str) -> bool {
    ["InvalidContentType", "handshake eof", "reset by peer", "Broken pipe"].iter().any(|part| words.contains(part))
}

/// How long to wait before that attempt to connect. The very first, and the first after a loss, are made at once.
fn pause_before(attempt: usize) -> Duration {
    let tries = attempt.checked_sub(2).map(|tries| u32::try_from(tries).unwrap_or(u32::MAX));
    tries.map_or(Duration::ZERO, pause_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_back_is_tried_within_a_second() {
        assert_eq!([pause_before(0), pause_before(1)], [Duration::ZERO; 2]);
        for attempt in [2, 13, usize::MAX] {
            let pause = pause_before(attempt);
            assert!(!pause.is_zero() && pause < Duration::from_secs(1), "{pause:?} before {attempt}");
        }
    }

    #[test]
    fn a_url_is_a_server_and_a_service() {
        for (url, shown) in [
            ("nats://127.0.0.1:4222/chat", "nats://127.0.0.1:4222/chat"),
            ("NATS://nats.example/chat/", "nats://nats.example/chat"),
            ("nats://a/edge,orders,billing", "nats://a/edge,orders,billing"),
            ("tls://[::1]/chat%2Fhub%20%C3%A9", "tls://[::1]/chat/hub é"),
        ] {
            assert!(is_of_fleet(url));
            assert_eq!(FleetUrl::read(url).unwrap().to_string(), shown);
        }
        assert!(!is_of_fleet("http://a/nats://") && !is_of_fleet("nats"));
    }

    #[test]
    fn an_invalid_url_of_a_fleet_is_refused_with_the_reason() {
        for (url, problem) in [
            ("nats://", "it has no host"),
            ("nats:///chat", ""),
            ("nats://a", "no service after the host"),
            ("nats://a/", "no service after the host"),
            ("nats://a/b/c", "one name"),
            ("nats://a/b,,c", "a service has no name"),
            ("nats://a/b,", "a service has no name"),
            ("nats://a/b?c", "nothing else"),
            ("nats://a/b?token=secret", "`nats://a/b?…`: a fleet's URL has"),
            ("nats://a/%FF", "not UTF-8"),
            ("nats://ann:secret@a/chat", "a password"),
        ] {
            let error = FleetUrl::read(url).unwrap_err();
            assert!(error.with_causes().contains(problem), "{url}: {}", error.with_causes());
            assert_eq!(error.exit_code(), 2);
            assert!(!error.with_causes().contains("secret"));
        }
    }
}
