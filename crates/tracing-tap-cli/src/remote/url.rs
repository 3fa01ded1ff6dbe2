//! What is said of URLs, of endpoints and of fleets.

use std::borrow::Cow;
use std::net::IpAddr;

/// A URL as it may be shown: without the part after `?` or `#`, which may be a token.
pub(super) fn without_query(url: &str) -> Cow<'_, str> {
    match url.find(['?', '#']) {
        Some(at) => Cow::Owned(format!("{}…", &url[..=at])),
        None => Cow::Borrowed(url),
    }
}

/// Whether a host is this machine for sure: names below `localhost` may be asked of a DNS server.
pub(super) fn is_loopback(host: &str) -> bool {
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}
