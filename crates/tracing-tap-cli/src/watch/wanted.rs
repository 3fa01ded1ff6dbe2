//! The session that this program opens itself, on a fleet.

use crate::check;
use crate::error::Error;
use crate::remote::SessionRequest;
use jiff::SignedDuration;
use std::env;
use std::time::Duration;
use tracing_core::LevelFilter;
use tracing_tap::{Follow, SessionOptions};

/// No session lasts longer, as at an HTTP endpoint.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
/// Maximum length of an opener that is sent, in bytes.
const MAX_OPENER_BYTES: usize = 256;

/// The options of the session, and what is reported of them.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) session: SessionOptions,
    pub(crate) predicate: String,
    pub(crate) level: Option<String>,
    pub(crate) spans: Option<String>,
    pub(crate) lasts: Duration,
}

impl Wanted {
    /// # Errors
    /// If an option cannot be read, or exceeds the limits of a session.
    pub(crate) fn of(ask: &SessionRequest) -> Result<Self, Error> {
        let predicate = check::predicate(&ask.q)?;
        let text = predicate.to_string();
        let mut session = SessionOptions::remote(predicate);
        let lasts =
            ask.duration.as_deref().map_or(Ok(SessionOptions::REMOTE_EXPIRES_IN), |text| duration("for", text))?;
        session = session.expires_in(lasts);
        if let Some(text) = &ask.look_back {
            session = session.look_back(duration("look-back", text)?);
        }
        session = ask.max.into_iter().fold(session, SessionOptions::max_events);
        session = ask.rate.into_iter().fold(session, SessionOptions::max_rate);
        session = ask.sample.into_iter().fold(session, SessionOptions::sample);
        session = ask.capacity.into_iter().fold(session, SessionOptions::capacity);
        session = ask.name.iter().fold(session, SessionOptions::name);
        session = opener().into_iter().fold(session, SessionOptions::opened_by);
        if let Some(follow) = &ask.follow {
            session = session.follow(read::<Follow>("follow", follow)?);
        }
        if let Some(outcome) = &ask.only_if {
            session = session.only_if(check::predicate(outcome)?);
        }
        if let Some(text) = &ask.slower_than {
            session = session.slower_than(duration("slower-than", text)?);
        }
        if let Some(level) = &ask.level {
            session = session.max_level(read::<LevelFilter>("level", level)?);
        }
        if let Some(level) = &ask.spans {
            session = session.spans(read::<LevelFilter>("spans", level)?);
        }
        if ask.timings {
            session = session.timings();
        }
        if ask.events == Some(false) {
            session = session.without_events();
        }
        Ok(Self { session, predicate: text, level: ask.level.clone(), spans: ask.spans.clone(), lasts })
    }
}

/// Arguments were checked before, with better messages.
fn read<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::usage(format!("read `--{what}`: `{text}`")))
}

fn duration(what: &str, text: &str) -> Result<Duration, Error> {
    let duration: SignedDuration = read(what, text)?;
    match Duration::try_from(duration) {
        Ok(duration) if duration <= MAX_DURATION => Ok(duration),
        _ => Err(Error::usage(format!("open a session: `--{what}` is more than the 24 hours that a session may last"))),
    }
}

/// The user of this machine: for the instances' audit, and their limit of sessions per opener.
fn opener() -> Option<String> {
    let names = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|variable| env::var(variable).ok());
    names.into_iter().find(|name| (1..=MAX_OPENER_BYTES).contains(&name.len()))
}
