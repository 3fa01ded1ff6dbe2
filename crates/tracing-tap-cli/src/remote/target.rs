//! The URL of an HTTP endpoint or a fleet, and the secrets for it.

use super::fleet::{Fleet, FleetAccess, is_of_fleet};
use super::profile::{self, Profile};
use super::token::{self, Token};
use super::url::{is_loopback, without_query};
use crate::error::Error;
use crate::say;
use hyper::Uri;
use std::fmt;
use std::path::PathBuf;

const URL_VARIABLE: &str = "TRACING_TAP_URL";
const PROFILE_VARIABLE: &str = "TRACING_TAP_PROFILE";

/// The options of a connection
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Access {
    /// Read the URL, the files and the other settings from this profile; see CONFIGURATION in `tracing-tap --help`
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Read the token from this file. Default: the profile's, then `$TRACING_TAP_TOKEN`
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust only the certificates in this file (PEM). Default: the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Send tokens and credentials without TLS to other machines too: everybody on the way can read them
    #[arg(long)]
    allow_plaintext: bool,
}

/// What can be watched.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Endpoint(Target),
    Fleet(Box<Fleet>),
}

/// A URL, and the profile that it is from.
struct Found {
    url: String,
    profile: Option<Profile>,
}

/// An HTTP endpoint, with the token and the certificates.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) base: Base,
    pub(crate) token: Option<Token>,
    pub(crate) ca_file: Option<PathBuf>,
}

/// The URL at which an endpoint is mounted, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    scheme: String,
    authority: String,
    path: String,
    is_loopback: bool,
}

impl Access {
    /// Whether secrets may be sent without TLS to other machines too.
    pub(crate) fn allows_plaintext(&self) -> bool {
        self.allow_plaintext
    }

    /// The endpoint at this URL. Default: the profile's, then the environment's.
    pub(crate) fn target(&self, url: Option<&str>) -> Result<Target, Error> {
        let found = self.find(url)?;
        if is_of_fleet(&found.url) {
            return Err(Error::usage(
                "read the URL: it is a fleet's, and `sessions`, `close` and `catalog` are for HTTP endpoints",
            )
            .advise("give an `http://` or `https://` URL; of a fleet there is only `watch`"));
        }
        self.endpoint(found)
    }

    /// The endpoint or the fleet at this URL.
    pub(crate) fn destination(&self, url: Option<&str>, fleet: &FleetAccess) -> Result<Destination, Error> {
        let found = self.find(url)?;
        if is_of_fleet(&found.url) {
            return self.fleet(found, fleet).map(|fleet| Destination::Fleet(Box::new(fleet)));
        }
        if let Some(option) = fleet.first_said() {
            let problem = format!("watch an HTTP endpoint: `{option}` is for fleets");
            return Err(Error::usage(problem).advise("a fleet's URL is `nats://host:4222/service`"));
        }
        self.endpoint(found).map(Destination::Endpoint)
    }

    fn find(&self, url: Option<&str>) -> Result<Found, Error> {
        match (url, &self.profile) {
            (Some(_), Some(_)) => {
                Err(Error::usage("choose the URL: there is an argument and a profile").advise("give one of them"))
            }
            (Some(url), None) => Ok(Found { url: url.to_owned(), profile: None }),
            (None, Some(profile)) => of_profile(profile),
            (None, None) => match (variable(URL_VARIABLE)?, variable(PROFILE_VARIABLE)?) {
                (Some(url), _) => Ok(Found { url, profile: None }),
                (None, Some(profile)) => of_profile(&profile),
                (None, None) => {
                    let advice = format!("give a URL or `--profile`, or set {URL_VARIABLE} or {PROFILE_VARIABLE}");
                    Err(Error::usage("find the URL: no argument, profile or variable has it").advise(advice))
                }
            },
        }
    }

    fn endpoint(&self, Found { url, profile }: Found) -> Result<Target, Error> {
        let base = Base::read(&url)?;
        let (token_file, ca_file) = profile.map(|profile| (profile.token_file, profile.ca_file)).unwrap_or_default();
        let token = match self.token_file.as_ref().or(token_file.as_ref()) {
            Some(file) => Some(Token::of_file(file)?),
            None => environment_token(&base)?,
        };
        if token.is_some() && !base.is_tls() && !base.is_loopback {
            self.check_plaintext(&base)?;
        }
        Ok(Target { base, token, ca_file: self.ca_file.clone().or(ca_file) })
    }

    /// Secrets leave this machine without TLS only if the user says so in words.
    fn check_plaintext(&self, base: &Base) -> Result<(), Error> {
        if !self.allow_plaintext {
            let advice = "use `https://`, or give `--allow-plaintext`: then everybody on the way can read the token";
            return Err(Error::usage(format!("send the token to {base}: the connection is without TLS")).advise(advice));
        }
        say::warn(format_args!("the token goes to {base} without TLS"));
        Ok(())
    }

    fn fleet(&self, Found { url, profile }: Found, said: &FleetAccess) -> Result<Fleet, Error> {
        if self.token_file.is_some() {
            let problem = "watch a fleet: `--token-file` is for HTTP endpoints";
            return Err(
                Error::usage(problem).advise("a fleet has a key, and its server may require `--credentials-file`")
            );
        }
        let Some(Profile { ca_file, key_file, accept_key_files, credentials_file, subject_prefix, .. }) = profile
        else {
            return said.clone().at(&url, self.ca_file.clone(), self.allow_plaintext);
        };
        let access =
            said.or(FleetAccess { key_file, accept_key_file: accept_key_files, credentials_file, subject_prefix });
        access.at(&url, self.ca_file.clone().or(ca_file), self.allow_plaintext)
    }
}

/// The token in the environment, if `base` is the URL that the environment names too. A token for one service does not
/// go
/// to another because the shell still has it.
fn environment_token(base: &Base) -> Result<Option<Token>, Error> {
    let Some(token) = Token::of_environment()? else { return Ok(None) };
    if environment_base().is_some_and(|known| known == *base) {
        return Ok(Some(token));
    }
    let variable = token::VARIABLE;
    say::warn(format_args!(
        "{variable} is not sent to {base}: it is for the URL in {URL_VARIABLE}, or of the profile in {PROFILE_VARIABLE}"
    ));
    Ok(None)
}

fn environment_base() -> Option<Base> {
    let url = match variable(URL_VARIABLE).ok()? {
        Some(url) => url,
        None => profile::find(&variable(PROFILE_VARIABLE).ok()??).ok()?.url,
    };
    Base::read(&url).ok()
}

/// A profile's files are for the profile's URL only.
fn of_profile(name: &str) -> Result<Found, Error> {
    let profile = profile::find(name)?;
    Ok(Found { url: profile.url.clone(), profile: Some(profile) })
}

/// The value of a variable; `None` if it is empty or not set.
fn variable(name: &str) -> Result<Option<String>, Error> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    value.into_string().map(Some).map_err(|_| Error::usage(format!("read the variable {name}: it is not UTF-8")))
}

impl Base {
    pub(crate) fn read(url: &str) -> Result<Self, Error> {
        let said = without_query(url);
        let fail = |problem: &str| Error::usage(format!("read the URL `{said}`: {problem}"));
        // First, because the other errors show the URL.
        if authority_of(url).contains('@') {
            return Err(Error::usage("read the URL: it contains a password, which every user of this machine can see")
                .advise("use --token-file or TRACING_TAP_TOKEN"));
        }
        if !url.contains("://") {
            return Err(fail("it does not begin with `http://` or `https://`").advise(format!("write `http://{said}`")));
        }
        if url.ends_with("://") {
            return Err(fail("it has no host"));
        }
        if url.contains('#') {
            return Err(fail("the part after `#` is never sent to a server"));
        }
        let uri: Uri = url.parse().map_err(|cause| fail(&format!("{cause}")))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(fail("it has no host"));
        };
        if !matches!(scheme, "http" | "https") {
            return Err(fail("an HTTP endpoint is at `http://` or `https://`"));
        }
        if authority.host().is_empty() {
            return Err(fail("it has no host"));
        }
        if uri.query().is_some() {
            let advice = if uri.query().is_some_and(|query| query.to_ascii_lowercase().contains("token=")) {
                "use --token-file or TRACING_TAP_TOKEN: every user of this machine can see a token in a URL"
            } else {
                "give the URL at which the endpoint is mounted, without a query"
            };
            return Err(fail("it has a query").advise(advice));
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            authority: authority.to_string(),
            path: uri.path().trim_end_matches('/').to_owned(),
            is_loopback: is_loopback(authority.host()),
        })
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == "https"
    }

    /// The URL of a request: `path` begins with a slash, and may have a query.
    pub(crate) fn uri(&self, path: &str) -> Result<Uri, Error> {
        let url = format!("{self}{path}");
        url.parse().map_err(|cause| Error::caused_by(cause, format!("build the URL `{url}`")))
    }
}

/// The part before the path, whether it is well-formed or not.
fn authority_of(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or(url, |(_, behind)| behind);
    behind_scheme.split(['/', '?', '#']).next().unwrap_or_default()
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, authority, path, .. } = self;
        write!(f, "{scheme}://{authority}{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_where_the_endpoint_is_mounted() {
        let endpoint = |url: &str| Base::read(url).unwrap().uri("/sessions").unwrap().to_string();
        assert_eq!(endpoint("http://127.0.0.1:80/tap/"), "http://127.0.0.1:80/tap/sessions");
        assert_eq!(endpoint("https://tap.example"), "https://tap.example/sessions");
        assert_eq!(endpoint("HTTP://[::1]:8080//"), "http://[::1]:8080/sessions");
    }

    #[test]
    fn an_invalid_url_is_refused_with_the_reason() {
        for (url, problem) in [
            ("localhost:8080", "does not begin with `http://`"),
            ("ftp://a", "`http://` or `https://`"),
            ("http://", "it has no host"),
            ("http://a b", "invalid uri"),
            ("http://a/?q=1", "has a query"),
            ("http://a/#b", "after `#`"),
            ("http://ann:secret@a", "a password"),
            ("ann:secret@a", "a password"),
            ("ftp://ann:secret@a", "a password"),
            ("http://ann:secret @a", "a password"),
            ("http://ann:secret@a/#b", "a password"),
            ("http://a/?token=secret", "`http://a/?…`: it has a query"),
            ("http://a/#token=secret", "`http://a/#…`: the part after `#`"),
            ("http://a/ b?token=secret", "`http://a/ b?…`: invalid uri"),
            ("a?token=secret", "`a?…`: it does not begin with `http://`"),
        ] {
            let error = Base::read(url).unwrap_err();
            assert!(error.with_causes().contains(problem), "{url}: {}", error.with_causes());
            assert_eq!(error.exit_code(), 2);
            assert!(!error.with_causes().contains("secret"));
            assert!(error.advice().is_none_or(|advice| !advice.contains("secret")), "{url}");
        }
    }

    #[test]
    fn loopback_is_recognised_by_name_and_by_address() {
        for (url, expected) in [
            ("http://localhost", true),
            ("http://127.8.8.8:1", true),
            ("http://[::1]:1", true),
            ("http://LOCALHOST", true),
            ("http://tap.localhost", false),
            ("http://0.0.0.0", false),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(Base::read(url).unwrap().is_loopback, expected, "{url}");
        }
    }
}
