//! The paths, and the short handlers.

use super::answer::json;
use super::ask::predicate;
use super::auth::Caller;
use super::intake::body_of;
use super::problem::{Problem, ProblemKind};
use super::query::Query;
use super::security::Admitted;
use super::sight::Sight;
use super::state::{EndpointState, Route};
use super::{page, sessions, sight, watch};
use axum::Extension;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing_tap::prometheus::CONTENT_TYPE;

type Answer = Result<Response, Problem>;

/// The authenticated paths; those of the [page] need no authentication.
pub(super) fn all() -> Vec<Route> {
    #[cfg(feature = "cpu")]
    let profile = Some(("/profile", "get", get(super::profile::profile).head(no_head)));
    #[cfg(not(feature = "cpu"))]
    let profile = None::<Route>;
    let mut all = vec![
        ("/watch", "get", get(watch::watch).head(no_head)),
        ("/sessions", "post", post(sessions::open)),
        ("/sessions", "get", get(sessions::list)),
        ("/sessions/{id}", "get", get(sessions::show)),
        ("/sessions/{id}", "delete", delete(sessions::close)),
        ("/sessions/{id}/stream", "get", get(sessions::stream).head(no_head)),
        ("/catalog", "get", get(catalog)),
        ("/coverage", "get", get(coverage)),
        ("/stats", "get", get(stats)),
        ("/parse", "post", post(parse)),
    ];
    all.extend(profile);
    all
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, "method not allowed here; the header `Allow` lists the allowed ones")
}

/// `HEAD` must have no effect: it opens no session, and takes none over from its reader.
async fn no_head() -> Response {
    let problem = Problem::new(ProblemKind::MethodNotAllowed, "a stream can be requested by `GET` only");
    ([(header::ALLOW, HeaderValue::from_static("GET"))], problem).into_response()
}

pub(super) async fn not_found() -> Problem {
    let paths: BTreeSet<_> = all().into_iter().chain(page::all()).map(|(path, _, _)| path).collect();
    let paths = paths.into_iter().collect::<Vec<_>>().join("`, `");
    Problem::new(ProblemKind::NotFound, format!("unknown path; known are `{paths}`"))
}

async fn catalog(
    State(endpoint): State<Arc<EndpointState>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Answer {
    Query::read(query.as_deref(), &[])?;
    let mut answer = json!({ "callsites": sight::catalog(&endpoint.router, &caller) });
    if let Some(view) = &endpoint.settings.trace_view {
        answer["trace_view"] = view.as_str().into();
    }
    Ok(json(StatusCode::OK, &answer))
}

async fn coverage(
    State(endpoint): State<Arc<EndpointState>>,
    Extension(admitted): Extension<Admitted>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::read(query.as_deref(), &["q", "level", "follow", "spans"])?;
    let (looking, ask) = (Arc::clone(&endpoint), query.ask()?);
    let seen = endpoint.off_executor(move || {
        let session = ask.session(&admitted.caller)?;
        Ok(Sight::of(looking.router.coverage_of(&session), &session, &looking, &admitted))
    });
    Ok(json(StatusCode::OK, &seen.await?.to_json()))
}

async fn stats(State(endpoint): State<Arc<EndpointState>>, RawQuery(query): RawQuery) -> Answer {
    Query::read(query.as_deref(), &[])?;
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))];
    Ok((content_type, endpoint.router.stats().to_prometheus()).into_response())
}

/// The body of `POST /parse`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a predicate's text as `q`")]
struct Text {
    q: String,
}

async fn parse(State(endpoint): State<Arc<EndpointState>>, request: Request) -> Answer {
    Query::read(request.uri().query(), &[])?;
    let Text { q } = body_of(&endpoint, request).await?;
    let predicate = endpoint.off_executor(move || predicate(&q)).await?;
    let fields: BTreeSet<_> = predicate.field_names().collect();
    Ok(json(StatusCode::OK, &json!({ "predicate": predicate.to_string(), "fields": fields })))
}
