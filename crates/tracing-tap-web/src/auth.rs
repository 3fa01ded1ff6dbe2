//! Who may come in: a token, a hook of the service, or whoever is on this machine.

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

/// What a request is refused with whose peer address the application does not pass on.
pub(super) const NO_PEER_ADDRESS: &str = "the address of the peer is not known: serve the application with \
                                          `into_make_service_with_connect_info::<SocketAddr>()`";

/// How the endpoint finds out who is asking. There is no default: an endpoint without one cannot be built.
///
/// ```
/// use tracing_tap::Predicate;
/// use tracing_tap_web::{Caller, Auth, AuthRequest, Denied};
///
/// assert_eq!(Auth::token("").unwrap_err().to_string(), "make a token: 0 characters are too few, 16 are the least");
///
/// // The service knows its people; this one hook says who they are and what they may see.
/// let auth = Auth::check(|request: &AuthRequest| match request.bearer() {
///     Some("ann's own, from your identity provider") => Ok(Caller::new("ann").confined_to(Predicate::eq("tenant", 7))),
///     _ => Err(Denied::unauthenticated("bring the token of your account")),
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

/// A request as the hook of [`Auth::check`] sees it: all but its body.
#[derive(Clone)]
pub struct AuthRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
}

/// Somebody who was let in.
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

/// Why somebody was not let in.
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

/// A token that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthError(TokenProblem);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TokenProblem {
    Short { characters: usize },
    NotVisibleAscii,
}

impl Auth {
    /// The least characters of a [token](Self::token).
    pub const MIN_TOKEN_CHARACTERS: usize = 16;

    /// Lets in whoever brings this token: `Authorization: Bearer …`. It is compared in constant time.
    ///
    /// All who bring it are one opener, `token`, whose sessions they share, and are no admins. Take 32 characters or more
    /// from a generator of random ones.
    ///
    /// # Errors
    /// Where the token has fewer than [16](Self::MIN_TOKEN_CHARACTERS) characters, or any that is not visible ASCII and
    /// so cannot be sent.
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

    /// Asks `hook` of every request who is asking. It must not block; see [`check_async`](Self::check_async).
    pub fn check(hook: impl Fn(&AuthRequest) -> Result<Caller, Denied> + Send + Sync + 'static) -> Self {
        Self::check_async(move |request| ready(hook(&request)))
    }

    /// Asks `hook` of every request who is asking, and waits for the answer.
    ///
    /// ```
    /// use tracing_tap_web::{Caller, Auth, AuthRequest, Denied};
    ///
    /// /// Put into the request's extensions by the service's own middleware.
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// let auth = Auth::check_async(|request: AuthRequest| async move {
    ///     let User(name) = request.extension::<User>().ok_or_else(|| Denied::unauthenticated("log in first"))?;
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

    /// Admits every request made on this machine; all of them are one opener, `loopback`, who is an admin.
    ///
    /// [`serve`](super::serve) then listens on loopback addresses alone. Where [`routes`](super::routes) are mounted, the
    /// listener is the application's, so each request must come from a loopback address: serve the application with
    /// `into_make_service_with_connect_info::<SocketAddr>()`, or every request is refused. In both cases the request must
    /// name a loopback host, since a web page can point a name of its own at this machine.
    ///
    /// Behind a reverse proxy on the same machine every request comes from a loopback address. Mounted routes refuse
    /// those that carry a proxy's header (`Forwarded`, `X-Forwarded-For`, `X-Real-IP`, `Via`), but a proxy need not add
    /// any: use a [`token`](Self::token) there.
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

    /// Who is asking.
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
            "bring the endpoint's token: `Authorization: Bearer TOKEN`, exactly once"
        };
        Problem::new(ProblemKind::NotAuthenticated, detail)
    })?;
    // The time this takes depends on the length of what was brought, and on no character of the token.
    if bool::from(brought.as_bytes().ct_eq(token.as_bytes())) {
        Ok(Caller::new("token"))
    } else {
        Err(Problem::new(ProblemKind::NotAuthenticated, "the token is not the endpoint's"))
    }
}

/// What comes behind `Bearer`, if there is one such header.
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

    /// The path and the query, below where the endpoint is mounted.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// What comes behind `Bearer` in the header `Authorization`, if there is exactly one. Compare it in constant time.
    pub fn bearer(&self) -> Option<&str> {
        bearer(&self.headers)
    }

    /// What the service's own middleware has left with the request.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// The address of whoever is connected: of a proxy, where there is one.
    ///
    /// Who lets addresses in must look at the header `Host` too: a page whose name was pointed at this machine is at the
    /// address of the browser's owner, and of the same site. [`Auth::loopback_only`] does.
    ///
    /// # Errors
    /// Where the service does not tell: what it serves must be made by
    /// `into_make_service_with_connect_info::<SocketAddr>()`. To be returned from the hook with `?`.
    pub fn peer(&self) -> Result<SocketAddr, Denied> {
        self.extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0)
            .ok_or_else(|| Denied { kind: DeniedKind::NoPeerAddress, detail: NO_PEER_ADDRESS.to_owned() })
    }
}

impl Caller {
    /// Names who is asking. Sessions belong to whoever has the same name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), is_admin: false, confinement: None }
    }

    /// Lets them list, read and close everybody's sessions.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.is_admin = true;
        self
    }

    /// Confines what their sessions, their catalog and their coverage show; see
    /// [`SessionOptions::confined_to`](tracing_tap::SessionOptions::confined_to). Where it is called again, all scopes must be satisfied.
    #[must_use]
    pub fn confined_to(mut self, confinement: Predicate) -> Self {
        self.confinement = Some(match self.confinement.take() {
            Some(outer) => outer.and(confinement),
            None => confinement,
        });
        self
    }

    /// Their name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether everybody's sessions are theirs to list, read and close.
    pub fn is_admin(&self) -> bool {
        self.is_admin
    }

    pub(super) fn confinement(&self) -> Option<&Predicate> {
        self.confinement.as_ref()
    }

    /// Whether this opener's sessions are theirs to list, read and close.
    pub(super) fn may_use(&self, owner: &str) -> bool {
        self.is_admin || *self.name == *owner
    }
}

impl Denied {
    /// It is not known who is asking: status 401. `detail` is shown to them.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self { kind: DeniedKind::Unauthenticated, detail: detail.into() }
    }

    /// It is known who is asking, and they may not: status 403. `detail` is shown to them.
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
        write!(f, "let somebody in: {}", self.detail)
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
                write!(f, "make a token: {characters} characters are too few, {least} are the least")
            }
            TokenProblem::NotVisibleAscii => {
                f.write_str("make a token: it has characters that are not visible ASCII and cannot be sent")
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
