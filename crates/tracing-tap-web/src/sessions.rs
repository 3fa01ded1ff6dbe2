//! `/sessions`: sessions that outlive a connection.

use super::answer::json;
use super::ask::Ask;
use super::auth::Caller;
use super::body::StreamBody;
use super::form::{self, Form};
use super::hub::{Found, HubSession, PublicId};
use super::intake::body_of;
use super::opening::Life;
use super::problem::{Problem, ProblemKind};
use super::query::Query;
use super::security::Admitted;
use super::state::EndpointState;
use super::watch::{last_event_id, nothing_more, respond};
use axum::Extension;
use axum::extract::{FromRequestParts, OriginalUri, RawPathParams, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use tracing_tap::EndReason;

type Answer = Result<Response, Problem>;

/// The session of the path's last segment. A service may mount the endpoint below a path with parameters of its own.
pub(super) struct Named(PublicId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = RawPathParams::from_request_parts(parts, state).await.ok();
        let id = named.and_then(|named| named.iter().last().and_then(|(_, id)| PublicId::read(id)));
        id.map(Self).ok_or_else(Problem::no_such_session)
    }
}

pub(super) async fn open(
    State(endpoint): State<Arc<EndpointState>>,
    Extension(admitted): Extension<Admitted>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Answer {
    Query::read(request.uri().query(), &[])?;
    let ask: Ask = body_of(&endpoint, request).await?;
    let (entry, sight) = endpoint.open(&admitted, ask, Life::Kept).await?;
    let mut shown = entry.to_json();
    if let Value::Object(members) = &mut shown {
        members.insert("coverage".to_owned(), sight.to_json());
    }
    let mut response = json(StatusCode::CREATED, &shown);
    let location = format!("{}/{}", uri.path().trim_end_matches('/'), entry.id);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(super) async fn list(
    State(endpoint): State<Arc<EndpointState>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Answer {
    Query::read(query.as_deref(), &[])?;
    let sessions: Vec<_> = endpoint.hub.list(&caller).iter().map(|entry| entry.to_json()).collect();
    Ok(json(StatusCode::OK, &json!({ "sessions": sessions })))
}

pub(super) async fn show(
    State(endpoint): State<Arc<EndpointState>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    Query::read(query.as_deref(), &[])?;
    let entry = endpoint.open_entry(id, &caller)?;
    Ok(json(StatusCode::OK, &entry.to_json()))
}

pub(super) async fn close(
    State(endpoint): State<Arc<EndpointState>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    Query::read(query.as_deref(), &[])?;
    #[cfg(feature = "cpu")]
    if let Some(session) = endpoint.profiles.find(id, &caller) {
        // The connection that takes the profile gets what there is of it.
        endpoint.router.close(session);
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let entry = endpoint.open_entry(id, &caller)?;
    // Its reader, if any, still gets the remaining items, then the end.
    endpoint.end(&entry, EndReason::Closed);
    endpoint.hub.remove(id, |_| true);
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn stream(
    State(endpoint): State<Arc<EndpointState>>,
    Extension(admitted): Extension<Admitted>,
    Named(id): Named,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let query = Query::read(query.as_deref(), &form::PARAMETERS)?;
    let form = Form::of(&query, &headers)?;
    let last = last_event_id(&headers)?;
    let Found::Open(entry) = endpoint.found(id, &admitted.caller)? else { return Ok(nothing_more()) };
    if !entry.about.is_kept {
        let detail = "this session belongs to its connection: open one with `POST /sessions` to read it from another";
        return Err(Problem::new(ProblemKind::NotFound, detail));
    }
    if last.is_some_and(|last| last.session != id) {
        let detail = "the header `Last-Event-ID` is of another session";
        return Err(Problem::new(ProblemKind::BadRequest, detail).with("header", "Last-Event-ID"));
    }
    let attached = entry.attach(last.map(|last| last.position));
    let stream = attached.map(|attached| StreamBody::new(endpoint, entry, attached, form, &[]).over(admitted.line));
    Ok(stream.map_or_else(nothing_more, respond))
}

impl EndpointState {
    fn found(&self, id: PublicId, caller: &Caller) -> Result<Found, Problem> {
        self.hub.find(id, caller).ok_or_else(Problem::no_such_session)
    }

    fn open_entry(&self, id: PublicId, caller: &Caller) -> Result<Arc<HubSession>, Problem> {
        match self.found(id, caller)? {
            Found::Open(entry) => Ok(entry),
            Found::Over => Err(Problem::no_such_session()),
        }
    }
}
