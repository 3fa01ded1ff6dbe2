//! The options of a session, as a query's parameters or as JSON.

use super::auth::Caller;
use super::problem::{Problem, ProblemKind};
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::time::Duration;
use tracing_core::LevelFilter;
use tracing_tap::Predicate;
use tracing_tap::endpoint::level_named;
use tracing_tap::session::{Follow, SessionOptions};

/// Longest duration of a session.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
/// Largest capacity of a session.
const MAX_CAPACITY: usize = 65_536;
const MAX_NAME_BYTES: usize = 256;

/// A requested session.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a predicate's text as `q`")]
pub(super) struct Ask {
    /// The predicate's text.
    pub(super) q: String,
    pub(super) level: Option<String>,
    #[serde(rename = "for", default, deserialize_with = "text_of_duration")]
    pub(super) duration: Option<String>,
    pub(super) max: Option<u64>,
    pub(super) rate: Option<u64>,
    pub(super) sample: Option<u32>,
    pub(super) follow: Option<String>,
    pub(super) spans: Option<String>,
    pub(super) timings: Option<bool>,
    pub(super) events: Option<bool>,
    #[serde(default, deserialize_with = "text_of_look_back")]
    pub(super) look_back: Option<String>,
    pub(super) name: Option<String>,
    pub(super) capacity: Option<usize>,
    /// The text of the predicate for whose sake a request is shown.
    pub(super) only_if: Option<String>,
    #[serde(default, deserialize_with = "text_of_slower_than")]
    pub(super) slower_than: Option<String>,
}

impl Ask {
    /// The requested session, in the caller's name and confined to what the caller may see. Parsing a predicate may take
    /// milliseconds.
    pub(super) fn session(self, caller: &Caller) -> Result<SessionOptions, Problem> {
        let mut session = SessionOptions::remote(predicate(&self.q)?).opened_by(caller.name());
        if let Some(text) = &self.duration {
            session = session.expires_in(duration_of_session(text)?);
        }
        if let Some(text) = &self.only_if {
            session = session.only_if(outcome(text)?);
        }
        if let Some(text) = &self.slower_than {
            session = session.slower_than(duration("slower_than", text)?);
        }
        if let Some(text) = &self.look_back {
            session = session.look_back(time("look_back", text)?);
        }
        if let Some(scope) = caller.confinement() {
            session = session.confined_to(scope.clone());
        }
        session = session.sample(at_least_one("sample", self.sample.unwrap_or(1))?);
        if let Some(text) = &self.follow {
            session = session.follow(follow(text)?);
        }
        if let Some(name) = &self.level {
            session = session.max_level(level("level", name)?);
        }
        if let Some(name) = &self.spans {
            session = session.spans(level("spans", name)?);
        }
        if self.timings == Some(true) {
            session = session.timings();
        }
        if self.events == Some(false) {
            session = session.without_events();
        }
        if let Some(events) = self.max {
            session = session.max_events(events);
        }
        if let Some(rate) = self.rate {
            session = session.max_rate(rate);
        }
        if let Some(capacity) = self.capacity {
            session = session.capacity(within("capacity", capacity, MAX_CAPACITY)?);
        }
        if let Some(name) = self.name {
            within("name", name.len(), MAX_NAME_BYTES)?;
            session = session.name(name);
        }
        Ok(session)
    }
}

/// Parses a predicate.
pub(super) fn predicate(text: &str) -> Result<Predicate, Problem> {
    if text.trim().is_empty() {
        return Err(invalid("q", "`q`, the predicate, is missing; for example `user = 42`, or `*` for everything"));
    }
    text.parse().map_err(|error| Problem::from(&error))
}

fn outcome(text: &str) -> Result<Predicate, Problem> {
    if text.trim().is_empty() {
        return Err(invalid("only_if", "`only_if` is empty; for example `status >= 500`"));
    }
    text.parse().map_err(|error| Problem::from(&error).with("parameter", "only_if"))
}

pub(super) fn invalid(parameter: &str, detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::InvalidParameter, detail).with("parameter", parameter)
}

fn duration_of_session(text: &str) -> Result<Duration, Problem> {
    time("for", text)
}

/// A duration that is not zero.
fn time(parameter: &str, text: &str) -> Result<Duration, Problem> {
    Some(duration(parameter, text)?).filter(|duration| !duration.is_zero()).ok_or_else(|| no_time(parameter, text))
}

fn duration(parameter: &str, text: &str) -> Result<Duration, Problem> {
    let read: Option<SignedDuration> = text.parse().ok();
    let duration = read.and_then(|duration| Duration::try_from(duration).ok());
    let duration = duration.ok_or_else(|| no_time(parameter, text))?;
    if duration > MAX_DURATION {
        let detail = format!("`{parameter}` is longer than 24 hours, the maximum");
        return Err(invalid(parameter, detail).with("limit", "24h"));
    }
    Ok(duration)
}

fn no_time(parameter: &str, text: &str) -> Problem {
    let detail = match is_number(text) {
        true => format!("`{parameter}` has no unit: did you mean `{text}s`?"),
        false => format!("`{parameter}` is not a duration such as `90s`, `15m` or `1h30m`"),
    };
    invalid(parameter, detail)
}

fn is_number(text: &str) -> bool {
    (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads `for` in JSON. A number is a likely mistake, because other tools count seconds.
fn text_of_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(DurationText("for"))
}

fn text_of_look_back<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(DurationText("look_back"))
}

/// The same of `slower_than`.
fn text_of_slower_than<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(DurationText("slower_than"))
}

/// The key that is read.
struct DurationText(&'static str);

impl Visitor<'_> for DurationText {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a duration as text in `{}`, such as `\"15m\"`", self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Self::Value, E> {
        Err(E::custom(format_args!("`{}` is text with a unit: did you mean `\"{seconds}s\"`?", self.0)))
    }
}

fn follow(text: &str) -> Result<Follow, Problem> {
    let detail = "`follow` is none of `event`, `span`, `root` and `named:` with the name of a span";
    text.parse().map_err(|_| invalid("follow", detail))
}

fn level(parameter: &str, name: &str) -> Result<LevelFilter, Problem> {
    let detail = || format!("`{parameter}` is none of `error`, `warn`, `info`, `debug` and `trace`");
    level_named(name).ok_or_else(|| invalid(parameter, detail()))
}

fn at_least_one(parameter: &str, number: u32) -> Result<u32, Problem> {
    if number > 0 {
        Ok(number)
    } else {
        Err(invalid(parameter, format!("`{parameter}` is 0; the minimum, 1, samples everything")))
    }
}

fn within(parameter: &str, number: usize, limit: usize) -> Result<usize, Problem> {
    if (1..=limit).contains(&number) {
        return Ok(number);
    }
    Err(invalid(parameter, format!("`{parameter}` is not from 1 to {limit}")).with("limit", limit))
}
