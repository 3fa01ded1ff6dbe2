//! Authentication: by a token, by a hook of the service, or for loopback callers only.

use super::problem::{Problem, ProblemKind};
use super::url_token::{TOKEN_ADVICE, has_token};
use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, Method, Uri, header, request::Parts};
use std::fmt;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tracing_tap::Predicate;

/// The error if the application does not pass on the peer's address.
pub(super) const NO_PEER_ADDRESS: &str = "the peer's address is unknown: the application is not served with \
                                          `into_make_service_with_connect_info::<SocketAddr>()`";

/// How callers are authenticated. There is no default.
///
/// ```
/// use tracing_tap::Predicate;
/// use tracing_tap_web::{Caller, Auth, AuthRequest, Denied};
///
/// assert_eq!(Auth::token("").unwrap_err().to_string(), "the token is too short: it has 0 characters, at least 16 are required");
///
/// // The service knows its accounts. One hook authenticates them, and confines what each may see.
/// let auth = Auth::check(|request: &AuthRequest| match request.bearer() {
///     Some("ann's own, from your identity provider") => Ok(Caller::new("ann").confined_to(Predicate::eq("tenant", 7))),
///     _ => Err(Denied::unauthenticated("the token of an account is required")),
/// });
/// # let _ = auth;
/// ```
#[derive(Clone)]
pub struct Auth(Gate);

#[derive(Clone)]
enum Gate {
    Token(Arc<str>),
    Hook(Hook),
    Loopback,
}

type Answer = Pin<Box<dyn Future<Output = Result<Caller, Denied>> + Send>>;
type Hook = Arc<dyn Fn(AuthRequest) -> Answer + Send + Sync>;

/// A request without its body, as passed to the hook of [`Auth::check`].
#[derive(Clone)]
pub struct AuthRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
}

/// An authenticated caller.
///
/// ```
/// use tracing_tap::Predicate;
/// use tracing_tap_web::Caller;
///
/// let caller = Caller::new("ann").admin().confined_to(Predicate::eq("tenant", 7));
/// assert_eq!(caller.name(), "ann");
/// assert!(caller.is_admin());
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    name: Arc<str>,
    is_admin: bool,
    confinement: Option<Predicate>,
}

/// Why a caller was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    kind: DeniedKind,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeniedKind {
    Unauthenticated,
    Forbidden,
    NoPeerAddress,
}

/// An invalid token: too short, or with characters that no header can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthError(TokenProblem);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TokenProblem {
    Short { characters: usize },
    NotVisibleAscii,
}

impl Auth {
    /// The minimum length of a [token](Self::token).
    pub const MIN_TOKEN_CHARACTERS: usize = 16;

    /// Admits requests with this token: `Authorization: Bearer …`. It is compared in constant time.
    ///
    /// All callers with the token are one opener, `token`; they share their sessions and are not admins. Use 32 random
    /// characters or more.
    ///
    /// # Errors
    /// If the token has fewer than [16](Self::MIN_TOKEN_CHARACTERS) characters, or one that is not visible ASCII, which no
    /// header can carry.
    pub fn token(token: impl Into<String>) -> Result<Self, AuthError> {
        let token = token.into();
        let characters = token.chars().count();
        if characters < Self::MIN_TOKEN_CHARACTERS {
            return Err(AuthError(TokenProblem::Short { characters }));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AuthError(TokenProblem::NotVisibleAscii));
        }
        Ok(Self(Gate::Token(token.into())))
    }

    /// Authenticates every request with `hook`, which must not block; see [`check_async`](Self::check_async).
    pub fn check(hook: impl Fn(&AuthRequest) -> Result<Caller, Denied> + Send + Sync + 'static) -> Self {
        Self::check_async(move |request| ready(hook(&request)))
    }

    /// Authenticates every request with an asynchronous `hook`.
    ///
    /// ```
    /// use tracing_tap_web::{Caller, Auth, AuthRequest, Denied};
    ///
    /// /// Put into the request's extensions by the service's own middleware.
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// let auth = Auth::check_async(|request: AuthRequest| async move {
    ///     let User(name) = request.extension::<User>().ok_or_else(|| Denied::unauthenticated("not logged in"))?;
    ///     Ok(Caller::new(name.as_str()))
    /// });
    /// # let _ = auth;
    /// ```
    pub fn check_async<F>(hook: impl Fn(AuthRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Caller, Denied>> + Send + 'static,
    {
        Self(Gate::Hook(Arc::new(move |request| Box::pin(hook(request)))))
    }

    /// Admits every request made on this machine. All are one opener, `loopback`, who is an admin.
    ///
    /// [`serve`](super::serve) then accepts only a listener on a loopback address. Mounted [`routes()`](super::routes()) check the
    /// address of each request instead: serve the application with `into_make_service_with_connect_info::<SocketAddr>()`, or
    /// every request is refused. In both cases the request must name a loopback host, because a web page can point its own
    /// name at this machine.
    ///
    /// Behind a reverse proxy on the same machine, every request comes from a loopback address. Mounted routes refuse those
    /// with a proxy's header (`Forwarded`, `X-Forwarded-For`, `X-Real-IP`, `Via`), but not every proxy adds one: use a
    /// [`token`](Self::token) there.
    ///
    /// ```
    /// use tracing_tap_web::Auth;
    ///
    /// let auth = match std::env::var("TAP_TOKEN") {
    ///     Ok(token) => Auth::token(token)?,
    ///     Err(_) => Auth::loopback_only(),
    /// };
    /// # let _ = auth;
    /// # Ok::<(), tracing_tap_web::AuthError>(())
    /// ```
    pub fn loopback_only() -> Self {
        Self(Gate::Loopback)
    }

    pub(super) fn is_loopback_only(&self) -> bool {
        matches!(self.0, Gate::Loopback)
    }

    /// Authenticates a request.
    pub(super) async fn ask(&self, parts: &Parts) -> Result<Caller, Problem> {
        let answer = match &self.0 {
            Gate::Token(token) => return check_token(token, parts),
            Gate::Loopback => return Ok(Caller::new("loopback").admin()),
            Gate::Hook(hook) => hook(AuthRequest::of(parts)),
        };
        answer.await.map_err(Problem::from)
    }
}

fn check_token(token: &str, parts: &Parts) -> Result<Caller, Problem> {
    let brought = bearer(&parts.headers).ok_or_else(|| {
        let detail = if has_token(parts.uri.query()) {
            TOKEN_ADVICE
        } else {
            "a token is required: send the header `Authorization: Bearer TOKEN`, exactly once"
        };
        Problem::new(ProblemKind::NotAuthenticated, detail)
    })?;
    // The time this takes depends on the length of what was brought, and on no character of the token.
    if bool::from(brought.as_bytes().ct_eq(token.as_bytes())) {
        Ok(Caller::new("token"))
    } else {
        Err(Problem::new(ProblemKind::NotAuthenticated, "the token is not this endpoint's"))
    }
}

/// The token of `Authorization: Bearer …`, if there is exactly one such header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl AuthRequest {
    fn of(parts: &Parts) -> Self {
        Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            extensions: parts.extensions.clone(),
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path, relative to the endpoint's own, and the query.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The token of the header `Authorization: Bearer …`, if there is exactly one. Compare it in constant time.
    pub fn bearer(&self) -> Option<&str> {
        bearer(&self.headers)
    }

    /// An extension that the service's own middleware has added to the request.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// The address of the client, or of the proxy in front of the service.
    ///
    /// A hook that admits addresses must check the header `Host` too: a web page can point its own name at this machine, and
    /// its requests then come from the user's address and count as same-site. [`Auth::loopback_only`] checks it.
    ///
    /// # Errors
    /// If the application is not served with `into_make_service_with_connect_info::<SocketAddr>()`. The hook can return the
    /// error with `?`.
    pub fn peer(&self) -> Result<SocketAddr, Denied> {
        self.extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0)
            .ok_or_else(|| Denied { kind: DeniedKind::NoPeerAddress, detail: NO_PEER_ADDRESS.to_owned() })
    }
}

impl Caller {
    /// Creates a caller. Callers of the same name own the same sessions.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), is_admin: false, confinement: None }
    }

    /// Allows the caller to list, read and close all sessions.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.is_admin = true;
        self
    }

    /// Confines what the caller's sessions, catalog and coverage show; see
    /// [`SessionOptions::confined_to`](tracing_tap::SessionOptions::confined_to). Several calls add up: all predicates must hold.
    #[must_use]
    pub fn confined_to(mut self, confinement: Predicate) -> Self {
        self.confinement = Some(match self.confinement.take() {
            Some(outer) => outer.and(confinement),
            None => confinement,
        });
        self
    }

    /// The caller's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the caller may list, read and close all sessions.
    pub fn is_admin(&self) -> bool {
        self.is_admin
    }

    pub(super) fn confinement(&self) -> Option<&Predicate> {
        self.confinement.as_ref()
    }

    /// Whether the caller may list, read and close this owner's sessions.
    pub(super) fn may_use(&self, owner: &str) -> bool {
        self.is_admin || *self.name == *owner
    }
}

impl Denied {
    /// The caller is not authenticated: status 401, with `detail`.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self { kind: DeniedKind::Unauthenticated, detail: detail.into() }
    }

    /// The caller is authenticated, but not allowed to watch: status 403, with `detail`.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self { kind: DeniedKind::Forbidden, detail: detail.into() }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let kind = match denied.kind {
            DeniedKind::Unauthenticated => ProblemKind::NotAuthenticated,
            DeniedKind::Forbidden => ProblemKind::Forbidden,
            DeniedKind::NoPeerAddress => ProblemKind::MissingPeerAddress,
        };
        Self::new(kind, denied.detail)
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access denied: {}", self.detail)
    }
}

impl std::error::Error for Denied {}

impl AuthError {
    /// Whether the token is too short.
    pub fn is_too_short(&self) -> bool {
        matches!(self.0, TokenProblem::Short { .. })
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TokenProblem::Short { characters } => {
                let least = Auth::MIN_TOKEN_CHARACTERS;
                write!(f, "the token is too short: it has {characters} characters, at least {least} are required")
            }
            TokenProblem::NotVisibleAscii => {
                f.write_str("the token has characters that are not visible ASCII, which no header can carry")
            }
        }
    }
}

impl std::error::Error for AuthError {}

impl fmt::Debug for AuthRequest {
    /// Without the headers, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AuthRequest");
        shown.field("method", &self.method).field("path", &self.uri.path()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Auth {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Gate::Token(_) => "Auth::token(..)",
            Gate::Hook(_) => "Auth::check(..)",
            Gate::Loopback => "Auth::loopback_only()",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    const TOKEN: &str = "sixteen-letters!";

    fn parts(authorizations: &[&str]) -> Parts {
        let request = Request::post("/watch?q=1").extension(7_u8);
        let request = authorizations.iter().fold(request, |request, value| request.header("authorization", *value));
        request.body(()).expect("it is a request").into_parts().0
    }

    #[test]
    fn exactly_one_bearer_header_brings_a_token() {
        for (values, token) in [
            (&["Bearer abc"][..], Some("abc")),
            (&["bearer  abc "], Some("abc")),
            (&[], None),
            (&["Bearer abc", "Bearer abc"], None),
            (&["Basic abc"], None),
            (&["Bearer"], None),
        ] {
            assert_eq!(AuthRequest::of(&parts(values)).bearer(), token, "{values:?}");
        }
    }

    #[test]
    fn only_the_whole_token_is_accepted() {
        let bearer = |token: &str| check_token(TOKEN, &parts(&[&format!("Bearer {token}")]));
        assert_eq!(bearer(TOKEN).expect("it is the token").name(), "token");
        for token in [&TOKEN[1..], "sixteen-letters?", "sixteen-letters!!"] {
            let document = bearer(token).expect_err("it is another").document();
            assert!(
                document.contains("not-authenticated") && document.contains("is not this endpoint's"),
                "{document}"
            );
        }
    }

    #[test]
    fn a_token_is_long_enough_and_visible_ascii() {
        assert!(Auth::token(TOKEN).is_ok());
        for (token, is_short, text) in [
            (&TOKEN[1..], true, "the token is too short: it has 15 characters, at least 16 are required"),
            (
                "sixteen letters!",
                false,
                "the token has characters that are not visible ASCII, which no header can carry",
            ),
            (
                "sixteen-lettérs!",
                false,
                "the token has characters that are not visible ASCII, which no header can carry",
            ),
        ] {
            let error = Auth::token(token).expect_err("it is refused");
            assert_eq!((error.is_too_short(), error.to_string().as_str()), (is_short, text));
        }
    }

    #[test]
    fn a_hook_sees_the_whole_request_and_prints_no_secret() {
        let request = AuthRequest::of(&parts(&["Bearer abc"]));
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, "/watch?q=1"));
        assert_eq!((request.headers().len(), request.extension::<u8>()), (1, Some(&7)));
        assert_eq!(request.peer(), Err(Denied { kind: DeniedKind::NoPeerAddress, detail: NO_PEER_ADDRESS.to_owned() }));
        assert_eq!(format!("{request:?}"), "AuthRequest { method: POST, path: \"/watch\", .. }");
    }

    #[test]
    fn auth_prints_its_kind_and_no_token() {
        let hook = Auth::check(|_| Err(Denied::unauthenticated("")));
        let token = Auth::token(TOKEN).expect("it is long enough");
        let printed = [token, hook, Auth::loopback_only()].map(|auth| (format!("{auth:?}"), auth.is_loopback_only()));
        let kinds = [("Auth::token(..)", false), ("Auth::check(..)", false), ("Auth::loopback_only()", true)];
        assert_eq!(printed, kinds.map(|(text, is_loopback_only)| (text.to_owned(), is_loopback_only)));
    }

    #[test]
    fn a_denial_becomes_a_problem_of_its_kind() {
        let missing = AuthRequest::of(&parts(&[])).peer().expect_err("there is no address");
        for (denied, kind, text) in [
            (Denied::unauthenticated("who?"), "not-authenticated", "access denied: who?"),
            (Denied::forbidden("not you"), "forbidden", "access denied: not you"),
            (missing, "missing-peer-address", &*format!("access denied: {NO_PEER_ADDRESS}")),
        ] {
            assert_eq!(denied.to_string(), text);
            assert!(Problem::from(denied).document().contains(&format!(":{kind}\"")), "{kind}");
        }
    }

    #[test]
    fn a_caller_uses_its_own_sessions_and_an_admin_all() {
        let (ann, root) = (Caller::new("ann"), Caller::new("root").admin());
        assert_eq!((ann.is_admin(), root.is_admin()), (false, true));
        assert_eq!(["ann", "ben"].map(|owner| ann.may_use(owner)), [true, false]);
        assert_eq!(["ann", "root"].map(|owner| root.may_use(owner)), [true, true]);
    }

    #[test]
    fn the_confinements_of_a_caller_add_up() {
        let [seven, blue] = [Predicate::eq("tenant", 7), Predicate::eq("colour", "blue")];
        let confined = Caller::new("ann").confined_to(seven.clone());
        assert_eq!(confined.confinement(), Some(&seven));
        assert_eq!(confined.confined_to(blue.clone()).confinement(), Some(&seven.and(blue)));
        assert_eq!(Caller::new("ann").confinement(), None);
    }
}
