//! `GET /watch`: a session for one connection; and the parts that all streams share.

use super::body::StreamBody;
use super::form::{self, Form, Notice};
use super::hub::{Found, LastEventId};
use super::opening::Life;
use super::problem::{Problem, ProblemKind};
use super::query::Query;
use super::security::Admitted;
use super::state::EndpointState;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

/// The parameters of a session and of its stream.
pub(super) const PARAMETERS: [&str; 16] = [
    "q",
    "level",
    "for",
    "look_back",
    "max",
    "rate",
    "sample",
    "follow",
    "only_if",
    "slower_than",
    "spans",
    "timings",
    "events",
    "name",
    "capacity",
    "coverage",
];

/// The header with the id of a session.
pub(super) const SESSION: HeaderName = HeaderName::from_static("tap-session");

pub(super) async fn watch(
    State(endpoint): State<Arc<EndpointState>>,
    Extension(admitted): Extension<Admitted>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &[&PARAMETERS[..], &form::PARAMETERS].concat())?;
    let form = Form::of(&query, &headers)?;
    let tells_coverage = query.flag("coverage")? || !form.is_lines_of_json();
    let last = last_event_id(&headers)?;
    if let Some(Found::Over) = last.and_then(|last| endpoint.hub.find(last.session, &admitted.caller)) {
        return Ok(nothing_more());
    }
    let (entry, sight) = endpoint.open(&admitted, query.ask()?, Life::OfConnection).await?;
    let mut notices = Vec::new();
    notices.extend(last.map(gap));
    notices.extend(tells_coverage.then(|| sight.notice()));
    let attached = entry.attach(None).ok_or_else(Problem::no_such_session)?;
    Ok(respond(StreamBody::new(endpoint, entry, attached, form, &notices).over(admitted.line)))
}

/// The position at which a reconnecting browser lost its connection.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<LastEventId>, Problem> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    let read = value.to_str().ok().and_then(LastEventId::read);
    read.map(Some).ok_or_else(|| {
        let detail = "the header `Last-Event-ID` is not an id of this endpoint";
        Problem::new(ProblemKind::BadRequest, detail).with("header", "Last-Event-ID")
    })
}

/// The notice that the previous session ended with its connection, so that events in between may be missing.
fn gap(last: LastEventId) -> Notice {
    let after = format!("{}:{}", last.session, last.position);
    let words = "this is a new session; the previous one ended with its connection".to_owned();
    Notice { name: "gap", members: json!({ "after": after }), words }
}

/// The status at which `EventSource` does not reconnect.
pub(super) fn nothing_more() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// A stream that no cache keeps, and no proxy changes or delays.
pub(super) fn respond(stream: StreamBody) -> Response {
    let id = HeaderValue::try_from(stream.id().to_string()).expect("an id is hexadecimal digits");
    let form = stream.form();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(form.content_type())),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        (SESSION, id),
    ];
    let beat = form.is_events().then(|| [(HeaderName::from_static("tap-heartbeat"), heartbeat(stream.endpoint()))]);
    (headers, beat, Body::new(stream)).into_response()
}

/// The longest silence of a stream, in milliseconds, from which a reader can tell that its connection is dead.
fn heartbeat(endpoint: &EndpointState) -> HeaderValue {
    let milliseconds = u64::try_from(endpoint.settings.heartbeat.as_millis()).unwrap_or(u64::MAX);
    HeaderValue::from(milliseconds)
}
