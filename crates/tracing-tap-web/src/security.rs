//! The checks before a request is handled: its size, its origin, its caller.

use super::auth::{Caller, NO_PEER_ADDRESS};
use super::connections::ConnectionSlot;
use super::problem::{Problem, ProblemKind, Refused};
use super::socket::Line;
use super::state::EndpointState;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Version, header, request::Parts, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tracing_tap::audit::{AuditEvent, RefusedRequest};

pub(super) const MAX_QUERY_BYTES: usize = 8 << 10;
pub(super) const MAX_HEADER_BYTES: usize = 16 << 10;

/// Headers that a proxy adds to a request.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// An accepted request: its caller, and how often the router had been shut down before.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) shutdowns: u64,
    pub(super) version: Version,
    /// Their connection, where it is the endpoint's own.
    pub(super) line: Option<Line>,
}

/// The facts of a request that its audit event needs if it is refused.
struct Seen {
    method: String,
    path: String,
    peer: Option<SocketAddr>,
}

/// Passes a request on with its [`Caller`] and as [`Admitted`], or refuses it; audits every refusal, also the handlers'.
pub(super) async fn admit(State(endpoint): State<Arc<EndpointState>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let seen = Seen::of(&parts);
    if let Some(shutdown) = &endpoint.settings.shutdown {
        shutdown.begin();
    }
    // Before the hook, which may take its time: a request that waits there while the router is shut down was there before.
    let shutdowns = endpoint.router.shutdowns();
    let caller = endpoint.check(&parts).await.and_then(|caller| take_slot(&parts, caller));
    let name = caller.as_ref().ok().map(|caller| caller.name().to_owned());
    let response = match caller {
        Ok(caller) => {
            let line = parts.extensions.get().cloned();
            parts.extensions.insert(Admitted { caller: caller.clone(), shutdowns, version: parts.version, line });
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    };
    endpoint.send_off(response, seen, name)
}

/// A connection of the endpoint's own listener is authenticated from its first accepted request on.
fn take_slot(parts: &Parts, caller: Caller) -> Result<Caller, Problem> {
    match parts.extensions.get::<ConnectionSlot>() {
        Some(slot) => slot.authenticate().map(|()| caller),
        None => Ok(caller),
    }
}

/// Passes a request for the page on without authentication, or refuses it.
pub(super) async fn admit_visitor(
    State(endpoint): State<Arc<EndpointState>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let seen = Seen::of(&parts);
    let response = match endpoint.check_visit(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    };
    endpoint.send_off(response, seen, None)
}

impl Seen {
    fn of(parts: &Parts) -> Self {
        Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            peer: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0),
        }
    }
}

impl EndpointState {
    async fn check(&self, parts: &Parts) -> Result<Caller, Problem> {
        self.check_place(parts)?;
        check_site(parts, &self.settings.allowed_origins)?;
        self.auth.ask(parts).await
    }

    /// The page opens from a link on any site, because it does nothing until its user does. No other page may embed it.
    fn check_visit(&self, parts: &Parts) -> Result<(), Problem> {
        self.check_place(parts)?;
        if is_navigation(&parts.headers) { Ok(()) } else { check_site(parts, &self.settings.allowed_origins) }
    }

    fn check_place(&self, parts: &Parts) -> Result<(), Problem> {
        check_sizes(parts)?;
        if !self.auth.is_loopback_only() {
            return Ok(());
        }
        // `serve` has checked the listener's address.
        if self.is_mounted {
            check_peer(parts)?;
        }
        check_host(parts)
    }

    fn send_off(&self, mut response: Response, seen: Seen, opener: Option<String>) -> Response {
        // A cache may keep a refusal, and an empty answer, that do not say so.
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(refused) = response.extensions().get::<Refused>() {
            self.tell_refused(seen, opener, response.status().as_u16(), refused);
        }
        response
    }

    /// Refusals over the rate are counted, not logged.
    fn tell_refused(&self, seen: Seen, opener: Option<String>, status: u16, refused: &Refused) {
        let Some(suppressed) = self.refusals.admit(Instant::now()) else { return };
        let Seen { method, path, peer } = seen;
        let Refused { reason, detail } = refused.clone();
        self.router.audit(AuditEvent::RequestRefused(RefusedRequest {
            opener,
            peer,
            method,
            path,
            status,
            reason,
            detail,
            suppressed,
        }));
    }
}

fn check_sizes(parts: &Parts) -> Result<(), Problem> {
    let query_bytes = parts.uri.query().map_or(0, str::len);
    if query_bytes > MAX_QUERY_BYTES {
        let detail = format!("the query has {query_bytes} bytes, at most {MAX_QUERY_BYTES} are accepted");
        return Err(Problem::new(ProblemKind::QueryTooLong, detail).with("limit", MAX_QUERY_BYTES));
    }
    let header_bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if header_bytes > MAX_HEADER_BYTES {
        let detail = format!("the headers have {header_bytes} bytes, at most {MAX_HEADER_BYTES} are accepted");
        return Err(Problem::new(ProblemKind::HeadersTooLarge, detail).with("limit", MAX_HEADER_BYTES));
    }
    Ok(())
}

/// The listener is the application's: it may be open to other machines, and a proxy of this one may stand before it.
fn check_peer(parts: &Parts) -> Result<(), Problem> {
    let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
        return Err(Problem::new(ProblemKind::MissingPeerAddress, NO_PEER_ADDRESS));
    };
    if !peer.ip().to_canonical().is_loopback() {
        return Err(Problem::new(ProblemKind::Forbidden, "only requests from the service's own machine are accepted"));
    }
    match FORWARDED.iter().find(|name| parts.headers.contains_key(**name)) {
        None => Ok(()),
        Some(name) => {
            let detail = format!(
                "the header `{name}` shows that a proxy passed this request on; behind a proxy, the endpoint needs a token"
            );
            Err(Problem::new(ProblemKind::Forbidden, detail).with("header", *name))
        }
    }
}

/// A page of another site whose name its owner has pointed at this machine says that name here. Where the request's first
/// line names a host as well, it is that one which counts for others; over HTTP/2 there may be no other.
fn check_host(parts: &Parts) -> Result<(), Problem> {
    let authority = parts.uri.authority().map(Authority::as_str);
    let mut headers = parts.headers.get_all(header::HOST).iter();
    let host = headers.next().map(|host| host.to_str().unwrap_or_default());
    let mut named = authority.into_iter().chain(host).peekable();
    if named.peek().is_some() && named.all(is_loopback) && headers.next().is_none() {
        return Ok(());
    }
    let detail = "the requested host is not `localhost`, `127.0.0.1` or `[::1]`";
    Err(Problem::new(ProblemKind::WrongHost, detail))
}

fn is_loopback(authority: &str) -> bool {
    let host = without_port(authority);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_name = host.eq_ignore_ascii_case("localhost") || host.eq_ignore_ascii_case("localhost.");
    is_name || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_bare_v6(host) => host,
        _ => authority,
    }
}

/// What is left of `::1` without its last part is no host.
fn is_bare_v6(host: &str) -> bool {
    host.contains(':') && !host.ends_with(']')
}

/// Whether a browser asks for what it is to show in a tab or a window of its own.
fn is_navigation(headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| {
        let mut said = headers.get_all(name).iter();
        said.next().is_some_and(|said| said == value) && said.next().is_none()
    };
    says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document")
}

/// Browsers say from which site a request is made. Programs say nothing of it.
fn check_site(parts: &Parts, allowed: &[String]) -> Result<(), Problem> {
    let headers = &parts.headers;
    let origins: Vec<_> = headers.get_all(header::ORIGIN).iter().map(|origin| origin.to_str().ok()).collect();
    if let [Some(origin)] = origins[..]
        && allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    {
        return Ok(());
    }
    let mut sites = headers.get_all("sec-fetch-site").iter().map(HeaderValue::as_bytes);
    if !sites.all(|site| matches!(site, b"same-origin" | b"none")) {
        let detail =
            "this request was made by a page of another site: use a page of this one, or have `allow_origin` name it";
        return Err(Problem::new(ProblemKind::CrossSite, detail).with("header", "Sec-Fetch-Site"));
    }
    // HTTP/2 says it in the request itself.
    let authority = || parts.uri.authority().map(Authority::as_str);
    let host = headers.get(header::HOST).map_or_else(authority, |host| host.to_str().ok());
    let is_own = |origin: &Option<&str>| origin.is_some_and(|origin| host.is_some_and(|host| is_of(origin, host)));
    if !origins.iter().all(is_own) {
        let detail = "the header `Origin` names another site than `Host`: where a proxy changes `Host`, have `allow_origin` name it";
        return Err(Problem::new(ProblemKind::CrossSite, detail).with("header", "Origin"));
    }
    Ok(())
}

/// Whether an origin is of this host: the same name, and the same port where not the scheme's.
fn is_of(origin: &str, host: &str) -> bool {
    let (authority, default_port) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, ":80"),
        Some(("https", authority)) => (authority, ":443"),
        _ => return false,
    };
    let plain = |authority: &str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    #[test]
    fn loopback_names_are_those_of_this_machine_alone() {
        for host in
            ["localhost", "LOCALHOST:80", "localhost.:80", "127.0.0.1", "127.8.8.8:9", "[::1]", "[::1]:443", "::1"]
        {
            assert!(is_loopback(host), "{host}");
        }
        let strangers = [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "0.0.0.0",
            "10.0.0.1:80",
            "[::2]",
            "[::1].evil.example",
            "localhost@evil.example",
            "evil.example:localhost",
        ];
        for host in strangers {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn every_host_that_a_request_names_must_be_loopback() {
        let is_admitted = |uri: &str, hosts: &[&str]| {
            let request = hosts.iter().fold(Request::builder().uri(uri), |request, host| request.header("host", *host));
            check_host(&request.body(()).expect("it is a request").into_parts().0).is_ok()
        };
        assert!(is_admitted("/watch", &["localhost"]));
        // Over HTTP/2 the request itself names it.
        assert!(is_admitted("http://localhost/watch", &[]));
        assert!(is_admitted("http://localhost/watch", &["127.0.0.1"]));
        assert!(!is_admitted("/watch", &[]));
        assert!(!is_admitted("/watch", &["evil.example"]));
        assert!(!is_admitted("http://evil.example/watch", &[]));
        assert!(!is_admitted("http://evil.example/watch", &["localhost"]));
        assert!(!is_admitted("http://localhost/watch", &["evil.example"]));
        assert!(!is_admitted("/watch", &["localhost", "localhost"]));
    }

    #[test]
    fn an_origin_is_of_the_host_it_names() {
        for (origin, host) in [
            ("http://a.example", "a.example"),
            ("https://A.example", "a.example:443"),
            ("http://a.example:80", "a.example"),
            ("http://[::1]:9", "[::1]:9"),
        ] {
            assert!(is_of(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "null"),
            ("http://b.example", "a.example"),
            ("https://a.example:80", "a.example"),
            ("http://a.example:8080", "a.example"),
            ("http://a.example.evil", "a.example"),
            ("a.example", "a.example"),
            ("file://", ""),
        ] {
            assert!(!is_of(origin, host), "{origin} {host}");
        }
    }

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request =
            headers.iter().fold(Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
        request.body(()).expect("it is a request").into_parts().0
    }

    #[test]
    fn queries_and_headers_are_accepted_up_to_their_limits() {
        let check = |query: usize, header: usize| {
            let (uri, value) = (format!("/?{}", "q".repeat(query)), "a".repeat(header - 4));
            let [half, rest] = [&value[..header / 2], &value[header / 2..]];
            check_sizes(&parts(&uri, &[("aa", half), ("bb", rest)])).err().map(|problem| problem.document())
        };
        assert_eq!(check(MAX_QUERY_BYTES, MAX_HEADER_BYTES), None);
        let problem = check(MAX_QUERY_BYTES + 1, MAX_HEADER_BYTES).expect("it is refused");
        assert!(problem.contains("query-too-long") && problem.contains("has 8193 bytes"), "{problem}");
        let problem = check(MAX_QUERY_BYTES, MAX_HEADER_BYTES + 1).expect("it is refused");
        assert!(problem.contains("headers-too-large") && problem.contains("have 16385 bytes"), "{problem}");
    }

    #[test]
    fn a_visit_is_a_navigation_to_a_document_said_once() {
        let (navigates, to_document) = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"));
        let is_visit = |headers: &[(&str, &str)]| is_navigation(&parts("/", headers).headers);
        assert!(is_visit(&[navigates, to_document]));
        for headers in [
            &[][..],
            &[navigates],
            &[to_document],
            &[navigates, ("sec-fetch-dest", "iframe")],
            &[("sec-fetch-mode", "cors"), to_document],
            &[navigates, navigates, to_document],
            &[navigates, to_document, ("sec-fetch-dest", "iframe")],
        ] {
            assert!(!is_visit(headers), "{headers:?}");
        }
    }

    #[test]
    fn only_programs_and_pages_of_the_own_or_an_allowed_site_ask() {
        let allowed = ["https://ops.example".to_owned(), "https://dev.example".to_owned()];
        let is_accepted = |uri: &str, headers: &[(&str, &str)]| check_site(&parts(uri, headers), &allowed).is_ok();
        let (host, cross) = (("host", "a.example"), ("sec-fetch-site", "cross-site"));
        let (own, strange) = (("origin", "http://a.example"), ("origin", "http://evil.example"));
        for headers in [
            &[][..],
            &[host],
            &[host, own],
            &[host, own, ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none")],
            &[host, cross, ("origin", "https://OPS.example")],
            &[host, cross, ("origin", "https://dev.example")],
        ] {
            assert!(is_accepted("/", headers), "{headers:?}");
        }
        for headers in [
            &[own][..],
            &[host, strange],
            &[host, own, strange],
            &[host, own, cross],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "none"), cross],
            &[host, ("origin", "https://ops.example"), strange],
        ] {
            assert!(!is_accepted("/", headers), "{headers:?}");
        }
        // Over HTTP/2 the request itself names the host.
        assert!(is_accepted("http://a.example/", &[own]));
        assert!(!is_accepted("http://a.example/", &[strange]));
    }

    #[test]
    fn peers_are_of_this_machine_and_no_proxy_passes_them_on() {
        let problem = |peer: Option<&str>, headers: &[(&str, &str)]| {
            let mut parts = parts("/", headers);
            if let Some(peer) = peer {
                let peer: SocketAddr = peer.parse().expect("it is an address");
                parts.extensions.insert(ConnectInfo(peer));
            }
            check_peer(&parts).err().map(|problem| problem.document())
        };
        for peer in ["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert_eq!(problem(Some(peer), &[("user-agent", "x")]), None, "{peer}");
        }
        for peer in ["10.0.0.1:9", "[::2]:9", "[::ffff:10.0.0.1]:9"] {
            assert!(problem(Some(peer), &[]).is_some_and(|document| document.contains("forbidden")), "{peer}");
        }
        for header in FORWARDED {
            let document = problem(Some("127.0.0.1:9"), &[(header, "x")]).expect("it is refused");
            assert!(document.contains("forbidden") && document.contains(header), "{document}");
        }
        assert!(problem(None, &[]).is_some_and(|document| document.contains("missing-peer-address")));
    }
}
