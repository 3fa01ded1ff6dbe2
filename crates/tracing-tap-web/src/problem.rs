//! Errors, as problem documents (RFC 9457).

use super::answer::json_text;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use tracing_tap::PredicateError;
use tracing_tap::WatchError;

/// The beginning of every problem's `type`; the word of its [`ProblemKind`] follows.
const TYPE_PREFIX: &str = "urn:tracing-tap:problem:";

/// Why a request was refused. Stable: programs decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProblemKind {
    BadRequest,
    UnknownParameter,
    RepeatedParameter,
    InvalidParameter,
    InvalidPredicate,
    InvalidBody,
    NotAuthenticated,
    Forbidden,
    CrossSite,
    WrongHost,
    RedactedField,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    BodyTimeout,
    BodyTooLarge,
    QueryTooLong,
    UnsupportedMediaType,
    HeadersTooLarge,
    TooManySessions,
    MissingPeerAddress,
    Unavailable,
}

/// A problem document: one refused request.
#[derive(Debug)]
pub(super) struct Problem {
    kind: ProblemKind,
    detail: String,
    members: Map<String, Value>,
}

/// An extension of a refusal's response, for its audit event.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), members: Map::new() }
    }

    /// Adds a member that programs read.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// An unknown session, or another owner's: the two look the same.
    pub(super) fn no_such_session() -> Self {
        Self::new(ProblemKind::NotFound, "you have no session with this id; `POST /sessions` opens one")
    }

    pub(super) fn shutting_down() -> Self {
        Self::new(ProblemKind::Unavailable, "the service is shutting down")
    }
}

impl From<&PredicateError> for Problem {
    fn from(error: &PredicateError) -> Self {
        let mut problem = Self::new(ProblemKind::InvalidPredicate, error.message()).with("text", error.to_string());
        if let (Some(line), Some(column)) = (error.line(), error.column()) {
            problem = problem.with("line", line).with("column", column);
        }
        if let Some(hint) = error.hint() {
            problem = problem.with("hint", hint);
        }
        problem
    }
}

impl From<&WatchError> for Problem {
    fn from(error: &WatchError) -> Self {
        if let Some(error) = error.predicate_error() {
            return Self::from(error);
        }
        let kind = match () {
            () if error.is_redacted_field() => ProblemKind::RedactedField,
            () if error.is_too_costly() => ProblemKind::InvalidPredicate,
            () if error.is_without_past() => ProblemKind::InvalidParameter,
            () if error.is_hold_too_long() => ProblemKind::InvalidParameter,
            () => ProblemKind::TooManySessions,
        };
        // The names of other openers are for the application and for admins.
        let detail = match (error.limit_name(), error.open_sessions()) {
            (Some(name), Some(open)) => {
                let whose = if error.is_too_many_of_opener() { " of yours" } else { "" };
                format!(
                    "{open} sessions{whose} are open, the limit `{name}` is reached; another can be opened after one ends"
                )
            }
            _ => error.to_string(),
        };
        let mut problem = Self::new(kind, detail);
        if error.is_without_past() {
            problem = problem.with("parameter", "look_back");
        }
        if let Some(field) = error.field() {
            problem = problem.with("field", field);
        }
        if let (Some(name), Some(limit)) = (error.limit_name(), error.limit()) {
            problem = problem.with("limit", limit).with("limit_name", name);
        }
        problem
    }
}

impl Problem {
    /// The document, in one line.
    pub(super) fn document(&self) -> String {
        let (status, reason, title) = self.kind.row();
        let mut document = Map::new();
        document.insert("type".to_owned(), format!("{TYPE_PREFIX}{reason}").into());
        document.insert("title".to_owned(), title.into());
        document.insert("status".to_owned(), status.into());
        document.insert("detail".to_owned(), self.detail.clone().into());
        document.extend(self.members.clone());
        json_text(&Value::Object(document))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, reason) = (self.kind.status(), self.kind.row().1);
        let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        let mut response = (status, content_type, self.document()).into_response();
        if self.kind == ProblemKind::NotAuthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Refused { reason, detail: self.detail });
        response
    }
}

impl ProblemKind {
    #[cfg(test)]
    pub(super) const ALL: [Self; 22] = [
        Self::BadRequest,
        Self::UnknownParameter,
        Self::RepeatedParameter,
        Self::InvalidParameter,
        Self::InvalidPredicate,
        Self::InvalidBody,
        Self::NotAuthenticated,
        Self::Forbidden,
        Self::CrossSite,
        Self::WrongHost,
        Self::RedactedField,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::BodyTimeout,
        Self::BodyTooLarge,
        Self::QueryTooLong,
        Self::UnsupportedMediaType,
        Self::HeadersTooLarge,
        Self::TooManySessions,
        Self::MissingPeerAddress,
        Self::Unavailable,
    ];

    fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).expect("the table below has only statuses")
    }

    /// The status; the last part of the problem's `type`, which is the reason in the audit; the title.
    pub(super) fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BadRequest => (400, "bad-request", "The request is malformed"),
            Self::UnknownParameter => (400, "unknown-parameter", "Unknown parameter"),
            Self::RepeatedParameter => (400, "repeated-parameter", "Repeated parameter"),
            Self::InvalidParameter => (400, "invalid-parameter", "Invalid parameter"),
            Self::InvalidPredicate => (400, "invalid-predicate", "Invalid predicate"),
            Self::InvalidBody => (400, "invalid-body", "Invalid body"),
            Self::NotAuthenticated => (401, "not-authenticated", "Not authenticated"),
            Self::Forbidden => (403, "forbidden", "Not allowed"),
            Self::CrossSite => (403, "cross-site", "Request from another site"),
            Self::WrongHost => (403, "wrong-host", "Not a loopback host"),
            Self::RedactedField => (403, "redacted-field", "Redacted field"),
            Self::NotFound => (404, "not-found", "Not found"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "Method not allowed"),
            Self::NotAcceptable => (406, "not-acceptable", "No acceptable format"),
            Self::BodyTimeout => (408, "body-timeout", "The body took too long"),
            Self::BodyTooLarge => (413, "body-too-large", "The body is too large"),
            Self::QueryTooLong => (414, "query-too-long", "The query is too long"),
            Self::UnsupportedMediaType => (415, "unsupported-media-type", "Bodies must be JSON"),
            Self::HeadersTooLarge => (431, "headers-too-large", "The headers are too large"),
            Self::TooManySessions => (429, "too-many-sessions", "Too many sessions are open"),
            Self::MissingPeerAddress => (500, "missing-peer-address", "Unknown peer address"),
            Self::Unavailable => (503, "unavailable", "Unavailable"),
        }
    }
}
