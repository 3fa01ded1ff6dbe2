//! The hosts that may get a token.

use http::uri::Authority;
use std::fmt;
use std::sync::Arc;
use tracing_tap::escape::escaped;

/// How much of an invalid text an error shows, in bytes.
const MAX_SHOWN_BYTES: usize = 64;

/// Some hosts; default none.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts(Arc<[Host]>);

#[derive(Clone, Debug)]
struct Host {
    /// In lower case; without the `*` of a wildcard.
    name: Box<str>,
    is_suffix: bool,
    /// `None`: any.
    port: Option<u16>,
}

/// Error of [`Propagator::hosts`](super::Propagator::hosts): a text is not a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError(String);

impl Hosts {
    pub(super) fn add(&mut self, text: &str) -> Result<(), HostError> {
        let host = Host::read(text).ok_or_else(|| HostError(text.to_owned()))?;
        self.0 = self.0.iter().cloned().chain([host]).collect();
        Ok(())
    }

    /// Whether this host is among them.
    pub(super) fn list(&self, name: &str, port: Option<u16>) -> bool {
        self.0.iter().any(|host| host.is(name, port))
    }
}

impl Host {
    fn read(text: &str) -> Option<Self> {
        let (name, is_suffix) = text.strip_prefix('*').map_or((text, false), |suffix| (suffix, true));
        let plain = if is_suffix { name.strip_prefix('.')? } else { name };
        let authority: Authority = plain.parse().ok()?;
        let is_host = !authority.host().is_empty() && !plain.contains(['*', '@']);
        // `orders:` and `orders:x` have no port that could be compared.
        let has_port = authority.port_u16().is_some();
        let is_whole = authority.host().len() == plain.len() || has_port;
        let dot = if is_suffix { "." } else { "" };
        let name = format!("{dot}{}", authority.host().to_ascii_lowercase()).into();
        (is_host && is_whole).then_some(Self { name, is_suffix, port: authority.port_u16() })
    }

    fn is(&self, name: &str, port: Option<u16>) -> bool {
        let is_port = self.port.is_none_or(|known| port == Some(known));
        is_port && if self.is_suffix { ends_with(name, &self.name) } else { name.eq_ignore_ascii_case(&self.name) }
    }
}

/// Whether a name has something before this end.
fn ends_with(name: &str, end: &str) -> bool {
    let before = name.len().checked_sub(end.len()).filter(|before| *before > 0);
    before.is_some_and(|before| name.as_bytes()[before..].eq_ignore_ascii_case(end.as_bytes()))
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = escaped(&self.0, MAX_SHOWN_BYTES);
        write!(f, "`{found}` is not a host: expected `orders`, `orders:8080` or `*.internal`")
    }
}

impl std::error::Error for HostError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: bool, pairs: &[(&str, &str)]) {
        for (listed, authority) in pairs {
            let mut hosts = Hosts::default();
            hosts.add(listed).expect("it is a host");
            let authority: Authority = authority.parse().expect("it is one");
            assert_eq!(hosts.list(authority.host(), authority.port_u16()), expected, "{authority} by {listed}");
        }
    }

    #[test]
    fn a_host_is_listed_by_its_name_and_port() {
        let listed = [
            ("orders", "orders"),
            ("orders", "ORDERS:8080"),
            ("Orders:8080", "orders:8080"),
            ("[::1]:80", "[::1]:80"),
            ("127.0.0.1", "127.0.0.1:9"),
            ("*.internal", "a.b.internal:80"),
        ];
        check(true, &listed);
    }

    #[test]
    fn what_only_looks_like_a_listed_host_is_not() {
        let unlisted = [
            ("orders:8080", "orders"),
            ("orders:8080", "orders:8081"),
            ("orders", "orders.example"),
            ("orders", "xorders"),
            ("orders", "orders."),
            ("orders", "orders@evil"),
            ("orders", "user:orders@evil:80"),
            ("*.internal", "internal"),
            ("*.internal", ".internal"),
            ("*.internal", "ainternal"),
            ("*.internal", "a.internal.evil"),
            ("*.internal:80", "a.internal:81"),
        ];
        check(false, &unlisted);
    }

    #[test]
    fn a_text_that_is_no_host_is_refused() {
        for text in ["", "*", "*.", "a*", "*.*.b", "http://a", "a/b", "a@b", "a b", "a:x", "a:"] {
            let mut hosts = Hosts::default();
            let error = hosts.add(text).expect_err(text);
            assert!(error.to_string().contains("is not a host: expected `orders`"), "{error}");
        }
    }
}
