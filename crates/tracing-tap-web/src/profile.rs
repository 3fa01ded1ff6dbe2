//! `GET /profile`: CPU samples of the matching requests, as a file. The answer begins at once and ends with the session.

use super::ask::{Ask, invalid};
use super::auth::Caller;
use super::hub::PublicId;
use super::opening::no_randomness;
use super::problem::{Problem, ProblemKind};
use super::query::Query;
use super::security::Admitted;
use super::socket::{Line, Peer};
use super::state::EndpointState;
use super::watch::SESSION;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tracing_tap::SessionId;
use tracing_tap_profile::forms::Form;
use tracing_tap_profile::{CpuError, CpuOptions, CpuProfiler};

pub(super) const PARAMETERS: [&str; 9] = ["q", "for", "level", "follow", "sample", "spans", "name", "rate_hz", "form"];

const DEFAULT_DURATION: &str = "30s";
/// Where the connection is not the endpoint's own, a client that has left is not noticed before.
const MAX_DURATION: Duration = Duration::from_secs(10 * 60);
const RATES_HZ: std::ops::RangeInclusive<u32> = 1..=1_000;
/// A span that closes is read in a microsecond: the usual limit of events is for people.
const MAX_CLOSES_A_SECOND: u64 = 1_000_000;
const CAPACITY: usize = 65_536;
/// How often it is looked whether the session has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

const DEFAULT_FORM: Form = Form::Svg;

pub(super) async fn profile(
    State(endpoint): State<Arc<EndpointState>>,
    Extension(admitted): Extension<Admitted>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &PARAMETERS)?;
    if !endpoint.settings.cpu_profiles {
        let detail = "this endpoint offers no CPU profiles; the service turns them on by `Endpoint::cpu_profiles`";
        return Err(Problem::new(ProblemKind::Forbidden, detail));
    }
    let form = form(query.get("form"))?;
    let options = CpuOptions::default().rate_hz(rate(&query)?);
    let mut ask = query.ask()?;
    ask.duration.get_or_insert_with(|| DEFAULT_DURATION.to_owned());
    let line = admitted.line.clone();
    let (owner, id) = (admitted.caller.clone(), PublicId::random().map_err(|_| no_randomness())?);
    let profiler = start(&endpoint, admitted, ask, options).await?;
    let registered = Registered::new(&endpoint, id, &owner, profiler.session());
    let disposition = format!("attachment; filename=\"profile{}\"", form.ending());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(form.content_type())),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(disposition).expect("an ending is of visible characters")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        (SESSION, HeaderValue::try_from(id.to_string()).expect("an id is hexadecimal digits")),
    ];
    let body = async move {
        let written = written(endpoint, profiler, form, line).await;
        drop(registered);
        written
    };
    Ok((headers, Body::new(Later::new(body))).into_response())
}

async fn start(
    endpoint: &Arc<EndpointState>,
    admitted: Admitted,
    ask: Ask,
    options: CpuOptions,
) -> Result<CpuProfiler, Problem> {
    let starting = Arc::clone(endpoint);
    let started = endpoint.off_executor(move || {
        let session = ask.session(&admitted.caller)?.max_rate(MAX_CLOSES_A_SECOND).capacity(CAPACITY);
        if session.expires_in.is_none_or(|duration| duration > MAX_DURATION) {
            return Err(
                invalid("for", "`for` is longer than 10 minutes, the maximum of a profile").with("limit", "10m")
            );
        }
        let profiler = CpuProfiler::start(&starting.router, session, options).map_err(|error| problem(&error))?;
        // As with any session: a shutdown in between could not end it.
        if starting.router.shutdowns() != admitted.shutdowns {
            return Err(Problem::shutting_down());
        }
        Ok(profiler)
    });
    started.await
}

/// The file, once the session has ended; `None` if the client leaves before, which ends the session.
async fn written(endpoint: Arc<EndpointState>, profiler: CpuProfiler, form: Form, line: Option<Line>) -> Option<Bytes> {
    while !profiler.has_ended() {
        if has_left(line.as_ref()).await {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let written = endpoint.off_executor(move || {
        let profile = profiler.finish().map_err(|error| problem(&error))?;
        let written = form.write(&profile.to_profile());
        written.map_err(|error| Problem::new(ProblemKind::Unavailable, error.to_string()))
    });
    written.await.ok().map(Bytes::from)
}

/// Whether the client has left, as far as the connection is the endpoint's own. One that only ends its sending side has left
/// too: nothing can be sent that would tell.
async fn has_left(line: Option<&Line>) -> bool {
    match line {
        Some(line) => poll_fn(|context| Poll::Ready(line.peer(context) != Peer::Sends)).await,
        None => false,
    }
}

/// A profile that its owner can end, until this is dropped.
struct Registered {
    endpoint: Arc<EndpointState>,
    id: PublicId,
}

impl Registered {
    fn new(endpoint: &Arc<EndpointState>, id: PublicId, owner: &Caller, session: SessionId) -> Self {
        endpoint.profiles.add(id, owner, session);
        Self { endpoint: Arc::clone(endpoint), id }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.endpoint.profiles.remove(self.id);
    }
}

fn form(name: Option<&str>) -> Result<Form, Problem> {
    name.map_or(Some(DEFAULT_FORM), Form::named).ok_or_else(|| {
        let words: Vec<_> = Form::all().map(|form| format!("`{}`", form.word())).collect();
        invalid("form", format!("`form` is none of {}", words.join(", ")))
    })
}

fn rate(query: &Query) -> Result<u32, Problem> {
    let rate = query.number("rate_hz")?.unwrap_or(CpuOptions::default().rate_hz);
    if RATES_HZ.contains(&rate) {
        return Ok(rate);
    }
    Err(invalid("rate_hz", "`rate_hz` is not from 1 to 1000").with("limit", *RATES_HZ.end()))
}

fn problem(error: &CpuError) -> Problem {
    match error.as_refused() {
        Some(refused) => Problem::from(refused),
        None if error.is_in_use() => {
            Problem::new(ProblemKind::TooManySessions, "another profile is being taken; one can be taken at a time")
        }
        None => Problem::new(ProblemKind::Unavailable, error.to_string()),
    }
}

/// A body that comes whole, and later. If there is none, the connection breaks off: an empty file would look like a profile
/// without samples.
struct Later(Option<Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>>);

impl Later {
    fn new(bytes: impl Future<Output = Option<Bytes>> + Send + 'static) -> Self {
        Self(Some(Box::pin(bytes)))
    }
}

impl http_body::Body for Later {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(coming) = &mut self.0 else { return Poll::Ready(None) };
        let bytes = std::task::ready!(coming.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(Some(bytes.map(Frame::data).ok_or("there is no profile")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    #[tokio::test]
    async fn an_answer_without_a_profile_breaks_off() {
        let whole = Body::new(Later::new(async { Some(Bytes::from_static(b"a;b 1")) }));
        assert_eq!(to_bytes(whole, 100).await.expect("it is whole"), "a;b 1");
        assert!(to_bytes(Body::new(Later::new(async { None })), 100).await.is_err());
    }
}
