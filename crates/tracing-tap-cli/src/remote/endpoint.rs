//! The requests that an HTTP endpoint answers, a method for each.

use super::client::{ApiRequest, Client};
use super::target::Base;
use crate::error::Error;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header;
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use tracing_tap::Verdict;
use tracing_tap::missing::MissingCounts;

/// A request for a session.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct SessionRequest {
    pub(crate) q: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<String>,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) follow: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spans: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) timings: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) events: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) look_back: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) capacity: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) only_if: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slower_than: Option<String>,
}

/// A session that exists. Unknown keys, of a later endpoint, are ignored.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SessionInfo {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) opened_by: String,
    pub(crate) predicate: String,
    pub(crate) level: Option<String>,
    pub(crate) spans: Option<String>,
    pub(crate) opened_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) is_read: bool,
    pub(crate) has_ended: bool,
    pub(crate) stats: Stats,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Stats {
    pub(crate) matched: u64,
    pub(crate) delivered: u64,
    pub(crate) buffered: u64,
    pub(crate) lost: u64,
    pub(crate) missing: MissingCounts,
}

/// What a session can match, and what hides events from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Coverage {
    /// `None` if the source gives no verdict, as a fleet.
    #[serde(default)]
    pub(crate) verdict: Option<Verdict>,
    pub(crate) findings: Vec<Seen>,
    pub(crate) notes: Vec<Seen>,
}

/// A finding or a note, in the endpoint's words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Seen {
    pub(crate) text: String,
    /// The name of the finding; `None` for a fleet.
    #[serde(default)]
    finding: Option<String>,
}

impl Coverage {
    /// Whether the service is still asking its callsites, so that the coverage will change soon.
    pub(crate) fn is_provisional(&self) -> bool {
        self.findings.iter().any(|found| found.finding.as_deref() == Some("rebuild_pending"))
    }
}

impl Seen {
    /// Whether it names code of the service that loses its context: worth knowing where events have matched, too.
    pub(crate) fn is_of_context(&self) -> bool {
        matches!(self.finding.as_deref(), Some("lost_context" | "guard_across_await"))
    }
}

impl From<String> for Seen {
    fn from(text: String) -> Self {
        Self { text, finding: None }
    }
}

/// A session just opened.
#[derive(Debug, Deserialize)]
pub(crate) struct Opened {
    pub(crate) coverage: Coverage,
    #[serde(flatten)]
    pub(crate) session: SessionInfo,
}

/// The answer to a request for a stream.
#[derive(Debug)]
pub(crate) enum Streamed {
    Events(Incoming),
    /// The session has ended, or never existed.
    Gone,
}

/// A request for a CPU profile.
#[derive(Debug)]
pub(crate) struct CpuRequest {
    pub(crate) session: SessionRequest,
    pub(crate) rate_hz: Option<u32>,
    pub(crate) form: &'static str,
}

/// A CPU profile that is being taken.
#[derive(Debug)]
pub(crate) struct CpuAnswer {
    /// The session to close for an early end; `None` if the service is older than that.
    pub(crate) session: Option<String>,
    file: Incoming,
}

/// More is no profile.
const MAX_PROFILE_BYTES: usize = 256 << 20;

impl CpuAnswer {
    /// Waits for the whole file.
    pub(crate) async fn read(self) -> Result<Bytes, Error> {
        let read = Limited::new(self.file, MAX_PROFILE_BYTES).collect().await;
        let read = read.map_err(|cause| Error::new(format!("read the profile: {cause}")));
        read.map(|read| read.to_bytes())
    }
}

/// An HTTP endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    client: Client,
}

impl Endpoint {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) fn base(&self) -> &Base {
        &self.client.target().base
    }

    pub(crate) async fn open(&self, ask: &SessionRequest) -> Result<Opened, Error> {
        let body = serde_json::to_vec(ask).map_err(|cause| Error::caused_by(cause, "encode the request"))?;
        self.client.json("open a session", ApiRequest::post("/sessions", body)).await
    }

    /// The session's events, after that id.
    pub(crate) async fn stream(&self, id: &str, last_event_id: Option<&str>) -> Result<Streamed, Error> {
        let attempt = "read the session";
        let path = format!("/sessions/{}/stream", encoded(id));
        let response = match self.client.send(attempt, ApiRequest::stream(&path, last_event_id)).await {
            Err(error) if error.status() == Some(404) => return Ok(Streamed::Gone),
            response => response?,
        };
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Streamed::Gone);
        }
        let kind =
            response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("nothing");
        if !kind.starts_with("text/event-stream") {
            let problem = format!("{attempt} at {}: the answer is `{kind}`, and no stream of events", self.base());
            return Err(Error::new(problem).advise("check whether a proxy changes the answer"));
        }
        Ok(Streamed::Events(response.into_body()))
    }

    pub(crate) async fn close(&self, id: &str) -> Result<(), Error> {
        self.client.send("close the session", ApiRequest::delete(&format!("/sessions/{}", encoded(id)))).await.map(drop)
    }

    pub(crate) async fn session(&self, id: &str) -> Result<SessionInfo, Error> {
        self.client.json("look at the session", ApiRequest::get(&format!("/sessions/{}", encoded(id)))).await
    }

    /// The sessions, as the endpoint lists them.
    pub(crate) async fn sessions(&self) -> Result<Vec<Value>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            sessions: Vec<Value>,
        }
        let answer: Answer = self.client.json("list the sessions", ApiRequest::get("/sessions")).await?;
        Ok(answer.sessions)
    }

    /// The callsites, as the endpoint lists them.
    pub(crate) async fn catalog(&self) -> Result<Vec<Value>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            callsites: Vec<Value>,
        }
        let answer: Answer = self.client.json("read the catalog", ApiRequest::get("/catalog")).await?;
        Ok(answer.callsites)
    }

    /// Has the service take a CPU profile. Returns once it has begun.
    pub(crate) async fn cpu_profile(&self, ask: &CpuRequest) -> Result<CpuAnswer, Error> {
        let CpuRequest { session, rate_hz, form } = ask;
        let (sample, rate_hz) = (session.sample.map(|sample| sample.to_string()), rate_hz.map(|rate| rate.to_string()));
        let mut path = format!("/profile?q={}&form={form}", encoded(&session.q));
        let options = [
            ("for", &session.duration),
            ("follow", &session.follow),
            ("name", &session.name),
            ("sample", &sample),
            ("rate_hz", &rate_hz),
        ];
        for (name, value) in options {
            path.extend(value.iter().map(|value| format!("&{name}={}", encoded(value))));
        }
        let response = self.client.send("take a CPU profile", ApiRequest::get(&path)).await;
        let answer = |response: Response<Incoming>| {
            let session = response.headers().get("tap-session").and_then(|id| id.to_str().ok()).map(str::to_owned);
            CpuAnswer { session, file: response.into_body() }
        };
        response.map(answer).map_err(|error| match error.status() {
            Some(404) => error.advise("build the service with the feature `cpu` of tracing-tap-web"),
            _ => error,
        })
    }

    pub(crate) async fn coverage(&self, ask: &SessionRequest) -> Result<Coverage, Error> {
        let mut path = format!("/coverage?q={}", encoded(&ask.q));
        for (name, value) in [("level", &ask.level), ("follow", &ask.follow), ("spans", &ask.spans)] {
            path.extend(value.iter().map(|value| format!("&{name}={}", encoded(value))));
        }
        self.client.json("ask for the coverage", ApiRequest::get(&path)).await
    }
}

fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

impl SessionInfo {
    /// How long it lasts, by the server's clock.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        let lasts = self.expires_at?.duration_since(self.opened_at);
        Some(Duration::try_from(lasts).unwrap_or_default())
    }
}
