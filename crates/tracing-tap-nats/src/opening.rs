//! Turns a session into an announcement, and an announcement into the session of an instance.

use super::config::may_renew_every;
use super::message::Announcement;
use serde_json::Map;
use std::fmt;
use std::time::Duration;
use tracing_core::LevelFilter;
use tracing_tap::endpoint::level_named;
use tracing_tap::escape::escaped;
use tracing_tap::predicate::{Predicate, PredicateError};
use tracing_tap::session::Overflow;
use tracing_tap::session::{Follow, FollowError, SessionOptions};

/// The target of the NATS client's events. It logs each message on tasks of its own, so a session that included those
/// would cause further events for each event.
const CLIENT_TARGET: &str = "async_nats";

/// The longest name and opener, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// How much of an invalid value an error shows, in bytes.
const MAX_SHOWN_BYTES: usize = 64;

/// The name of the level that enables nothing.
const OFF: &str = "off";

/// Why a session cannot be announced, or an announcement is refused.
#[derive(Clone, Debug)]
pub(super) enum OpeningError {
    Predicate(PredicateError),
    Follow(FollowError),
    /// The predicate was built by code, and differs from the one that its text means.
    NotText,
    TooLong {
        what: &'static str,
        bytes: usize,
    },
    Renewals {
        every_ms: u64,
    },
    /// Not the name of a level.
    Level {
        key: &'static str,
        found: String,
    },
    /// A key of a later version.
    Unknown {
        key: String,
    },
}

impl Announcement {
    /// Announces a session.
    pub(super) fn of(session: &SessionOptions, renewal: Duration) -> Result<Self, OpeningError> {
        let default = SessionOptions::new(Predicate::everything());
        let differs = |differs: bool| differs.then_some(());
        let announcement = Self {
            predicate: printed(&session.predicate)?,
            every_ms: u64::try_from(renewal.as_millis()).unwrap_or(u64::MAX),
            confinement: session.confinement.as_ref().map(printed).transpose()?,
            name: session.name.clone(),
            opened_by: session.opened_by.clone(),
            follow: differs(session.follow != Follow::Event).map(|()| session.follow.to_string()),
            sample: differs(session.sample > 1).map(|()| session.sample),
            capacity: differs(session.capacity != default.capacity).map(|()| session.capacity.get()),
            capacity_bytes: differs(session.capacity_bytes != default.capacity_bytes).map(|()| session.capacity_bytes),
            drop_newest: session.overflow == Overflow::DropNewest,
            max_rate: session.max_rate,
            max_level: session.level_limit().map(|level| level.to_string()),
            spans: session.enabled_spans().map(|level| level.to_string()),
            timings: session.timings,
            no_events: !session.events,
            look_back_ms: session.look_back.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            only_if: session.only_if.as_ref().map(printed).transpose()?,
            slower_than_us: session.slower_than.map(|duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
            across_services: session.across_services,
            is_limited: session.max_rate.is_some() || session.max_events.is_some(),
            unknown: Map::new(),
        };
        announcement.check()?;
        Ok(announcement)
    }

    /// The session that an instance opens.
    ///
    /// The rate of the whole fleet also bounds each instance. The watcher alone counts the events of `max_events`.
    pub(super) fn session(&self) -> Result<SessionOptions, OpeningError> {
        self.check()?;
        let quiet = !Predicate::target(CLIENT_TARGET);
        let mut session = SessionOptions::new(read(&self.predicate)?).confined_to(quiet);
        session =
            self.confinement.as_deref().map(read).transpose()?.into_iter().fold(session, SessionOptions::confined_to);
        session = self.name.iter().fold(session, SessionOptions::name);
        session = self.opened_by.iter().fold(session, SessionOptions::opened_by);
        session = self.sample.into_iter().fold(session, SessionOptions::sample);
        session = self.capacity.into_iter().fold(session, SessionOptions::capacity);
        session = self.capacity_bytes.into_iter().fold(session, SessionOptions::capacity_bytes);
        session = self.look_back_ms.map(Duration::from_millis).into_iter().fold(session, SessionOptions::look_back);
        session = self.max_rate.into_iter().fold(session, SessionOptions::max_rate);
        if self.drop_newest {
            session = session.overflow(Overflow::DropNewest);
        }
        session = level("max_level", &self.max_level)?.into_iter().fold(session, SessionOptions::max_level);
        session = level("spans", &self.spans)?.into_iter().fold(session, SessionOptions::spans);
        if self.timings {
            session = session.timings();
        }
        if self.no_events {
            session = session.without_events();
        }
        session = self.only_if.as_deref().map(read).transpose()?.into_iter().fold(session, SessionOptions::only_if);
        let slower_than = self.slower_than_us.map(Duration::from_micros);
        session = slower_than.into_iter().fold(session, SessionOptions::slower_than);
        if self.across_services {
            session = session.across_services();
        }
        if let Some(follow) = &self.follow {
            session = session.follow(follow.parse().map_err(OpeningError::Follow)?);
        }
        Ok(session)
    }

    fn check(&self) -> Result<(), OpeningError> {
        if let Some(key) = self.unknown.keys().next() {
            return Err(OpeningError::Unknown { key: key.clone() });
        }
        let texts = [("name", &self.name), ("opener", &self.opened_by), ("span that is followed", &self.follow)];
        for (what, text) in texts {
            let bytes = text.as_ref().map_or(0, String::len);
            if bytes > MAX_TEXT_BYTES {
                return Err(OpeningError::TooLong { what, bytes });
            }
        }
        may_renew_every(self.every()).then_some(()).ok_or(OpeningError::Renewals { every_ms: self.every_ms })
    }
}

fn level(key: &'static str, name: &Option<String>) -> Result<Option<LevelFilter>, OpeningError> {
    let Some(name) = name else { return Ok(None) };
    let level = if name == OFF { Some(LevelFilter::OFF) } else { level_named(name) };
    level.map(Some).ok_or_else(|| OpeningError::Level { key, found: escaped(name, MAX_SHOWN_BYTES) })
}

fn read(text: &str) -> Result<Predicate, OpeningError> {
    text.parse().map_err(OpeningError::Predicate)
}

fn printed(predicate: &Predicate) -> Result<String, OpeningError> {
    let text = predicate.to_string();
    if read(&text)? == *predicate { Ok(text) } else { Err(OpeningError::NotText) }
}

impl fmt::Display for OpeningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Predicate(error) => write!(f, "{error}"),
            Self::Follow(error) => write!(f, "{error}"),
            Self::NotText => f.write_str("the predicate has no text form: its text means a different predicate"),
            Self::TooLong { what, bytes } => {
                write!(f, "the {what} has {bytes} bytes, more than the {MAX_TEXT_BYTES} allowed")
            }
            Self::Level { key, found } => {
                write!(f, "`{key}` is `{found}`, which is none of `error`, `warn`, `info`, `debug`, `trace` and `off`")
            }
            Self::Unknown { key } => {
                let key = escaped(key, MAX_SHOWN_BYTES);
                write!(f, "the option `{key}` is not known to this version")
            }
            Self::Renewals { every_ms } => {
                write!(f, "a renewal interval of {every_ms} ms is not between 50 and 60000 ms")
            }
        }
    }
}

impl std::error::Error for OpeningError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RENEWAL;

    fn full() -> SessionOptions {
        SessionOptions::new(Predicate::eq("user", 42))
            .confined_to(Predicate::eq("tenant", 7))
            .name("ticket 7")
            .opened_by("ann")
            .follow(Follow::Named("request".to_owned()))
            .sample(3)
            .capacity(7)
            .capacity_bytes(8)
            .overflow(Overflow::DropNewest)
            .max_rate(9)
            .max_level(LevelFilter::INFO)
            .spans(LevelFilter::DEBUG)
            .timings()
            .without_events()
            .only_if(Predicate::ge("status", 500))
            .slower_than(Duration::from_millis(1_500))
            .across_services()
    }

    #[test]
    fn an_announced_session_is_opened_as_it_was_asked_for() {
        let announcement = Announcement::of(&full(), RENEWAL).expect("it can be announced");
        let text = serde_json::to_string(&announcement).expect("it can be written");
        let read: Announcement = serde_json::from_str(&text).expect("it can be read");
        assert_eq!(read, announcement);
        let scope = !Predicate::target("async_nats") & Predicate::eq("tenant", 7);
        let expected = {
            let mut expected = full();
            expected.confinement = Some(scope);
            expected
        };
        assert_eq!(format!("{:?}", read.session().expect("it can be opened")), format!("{expected:?}"));
    }

    #[test]
    fn a_session_that_shows_nothing_is_announced_as_that() {
        let nothing = SessionOptions::from(Predicate::everything()).max_level(LevelFilter::OFF);
        let announcement = Announcement::of(&nothing, RENEWAL).expect("it can be announced");
        assert_eq!(announcement.session().expect("it can be opened").max_level, LevelFilter::OFF);
    }

    #[test]
    fn a_plain_session_is_announced_in_a_few_bytes() {
        let announcement = Announcement::of(&Predicate::eq("user", 42).into(), RENEWAL).expect("it can be announced");
        let text = serde_json::to_string(&announcement).expect("it can be written");
        assert_eq!(text, r#"{"predicate":"user = 42"}"#);
    }

    #[test]
    fn an_error_names_what_cannot_be_announced() {
        let error = |session: SessionOptions| {
            Announcement::of(&session, RENEWAL).expect_err("it cannot be announced").to_string()
        };
        let long = "a".repeat(257);
        let plain = || SessionOptions::new(Predicate::eq("user", 42));
        assert_eq!(error(plain().name(&long)), "the name has 257 bytes, more than the 256 allowed");
        assert!(error(Predicate::eq("user", "a".repeat(5000)).into()).contains("more than the 4096 allowed"));
    }

    #[test]
    fn an_announcement_that_cannot_be_kept_is_refused() {
        let refused = |text: &str| {
            let announcement: Announcement = serde_json::from_str(text).expect("it is an announcement");
            announcement.session().expect_err("it is refused").to_string()
        };
        assert!(refused(r#"{"predicate":"user 42"}"#).starts_with("failed to parse the predicate: line 1, column 6"));
        assert!(refused(r#"{"predicate":"a = 1","confinement":"("}"#).starts_with("failed to parse the predicate"));
        assert!(refused(r#"{"predicate":"a = 1","follow":"x"}"#).starts_with("unknown follow mode `x`, expected"));
        let later = refused(r#"{"predicate":"a = 1","look_back":"30s"}"#);
        assert_eq!(later, "the option `look_back` is not known to this version");
        let level = refused(r#"{"predicate":"a = 1","max_level":"loud"}"#);
        assert_eq!(
            level,
            "`max_level` is `loud`, which is none of `error`, `warn`, `info`, `debug`, `trace` and `off`"
        );
        assert!(refused(r#"{"predicate":"a = 1","spans":"3"}"#).starts_with("`spans` is `3`, which is none of"));
        let refusal = "a renewal interval of 1 ms is not between 50 and 60000 ms";
        assert_eq!(refused(r#"{"predicate":"a = 1","every_ms":1}"#), refusal);
    }
}
