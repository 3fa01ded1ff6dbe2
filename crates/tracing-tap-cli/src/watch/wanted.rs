//! What is asked for, as a session that is opened from here, and not by a door.

use crate::check;
use crate::error::Error;
use crate::remote::Ask;
use jiff::SignedDuration;
use std::env;
use std::time::Duration;
use tracing_core::LevelFilter;
use tracing_tap::{Follow, SessionOptions};

/// No session lasts longer, as at a door.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest name of an opener that is sent, in bytes.
const MAX_OPENER_BYTES: usize = 256;

/// A session, and what is told of it.
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
    /// Where something cannot be read, or is more than a session may have.
    pub(crate) fn of(ask: &Ask) -> Result<Self, Error> {
        let predicate = check::predicate(&ask.q)?;
        let text = predicate.to_string();
        let mut session = SessionOptions::remote(predicate);
        let lasts = ask.duration.as_deref().map_or(Ok(SessionOptions::REMOTE_EXPIRES_IN), duration)?;
        session = session.expires_in(lasts);
        session = ask.max.into_iter().fold(session, SessionOptions::max_events);
        session = ask.rate.into_iter().fold(session, SessionOptions::max_rate);
        session = ask.sample.into_iter().fold(session, SessionOptions::sample);
        session = ask.capacity.into_iter().fold(session, SessionOptions::capacity);
        session = ask.name.iter().fold(session, SessionOptions::name);
        session = opener().into_iter().fold(session, SessionOptions::opened_by);
        if let Some(follow) = &ask.follow {
            session = session.follow(read::<Follow>("follow", follow)?);
        }
        if let Some(level) = &ask.level {
            session = session.max_level(read::<LevelFilter>("level", level)?);
        }
        if let Some(level) = &ask.spans {
            session = session.spans(read::<LevelFilter>("spans", level)?);
        }
        Ok(Self { session, predicate: text, level: ask.level.clone(), spans: ask.spans.clone(), lasts })
    }
}

/// Arguments were read before, with better words.
fn read<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::usage(format!("read `--{what}`: `{text}`")))
}

fn duration(text: &str) -> Result<Duration, Error> {
    let duration: SignedDuration = read("for", text)?;
    match Duration::try_from(duration) {
        Ok(duration) if duration <= MAX_DURATION => Ok(duration),
        _ => Err(Error::usage("watch for so long: `--for` is more than the 24 hours that a session may last")),
    }
}

/// Who the user of this machine says to be: for the instances' audit, and their limit of sessions of one opener.
fn opener() -> Option<String> {
    let names = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|variable| env::var(variable).ok());
    names.into_iter().find(|name| (1..=MAX_OPENER_BYTES).contains(&name.len()))
}
