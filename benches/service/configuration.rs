//! The rows: what stands beside the service's log, or in place of it.

use std::ops::Range;

pub(crate) struct Configuration {
    pub(crate) name: &'static str,
    pub(crate) subscriber: Subscriber,
}

/// What the service process installs.
#[derive(Clone)]
pub(crate) enum Subscriber {
    /// The log at INFO alone.
    NoRouter,
    /// The log at INFO, the router, and these sessions.
    Router(Sessions),
    /// The log at INFO, and a layer that has every event and span up to TRACE asked for and refuses those beyond INFO at once:
    /// what `tracing` itself takes where events are chosen one by one.
    Refusal,
    /// The log behind an `EnvFilter` that was reloaded to add a directive for one user's spans.
    EnvFilter,
    /// Everything from TRACE on, through `tracing-appender`.
    Trace,
}

#[derive(Clone)]
pub(crate) enum Sessions {
    None,
    /// So many, each on a user without traffic.
    Elsewhere(u64),
    /// One on each of these users, with a reader.
    Users(Range<u64>),
    /// One on everything that admits so many events a second, with a reader.
    Everything(u64),
    /// One on this user, with a reader, opened and closed twice a second.
    Recurring(u64),
    /// One that adds up the times of this user's spans, with a reader.
    Timed(u64),
    /// CPU samples of this user's spans, 99 a second.
    Sampled(u64),
}

/// Users are the numbers below this, with the same share of the traffic each.
pub(crate) const USERS: u64 = 100;

/// The user that is watched where one is.
pub(crate) const WATCHED: u64 = 42;

pub(crate) const CONFIGURATIONS: &[Configuration] = &[
    row("no router", Subscriber::NoRouter),
    row("idle router", Subscriber::Router(Sessions::None)),
    row("1 session nobody matches", Subscriber::Router(Sessions::Elsewhere(1))),
    row("1 session, 1 % of the traffic", Subscriber::Router(Sessions::Users(WATCHED..WATCHED + 1))),
    row("100 sessions nobody matches", Subscriber::Router(Sessions::Elsewhere(100))),
    row("100,000 sessions nobody matches", Subscriber::Router(Sessions::Elsewhere(100_000))),
    row("100 users watched, all traffic", Subscriber::Router(Sessions::Users(0..USERS))),
    row("1 session on everything, 5,000/s", Subscriber::Router(Sessions::Everything(5_000))),
    row("1 session, opened and closed 2/s", Subscriber::Router(Sessions::Recurring(WATCHED))),
    row("1 %, times of spans", Subscriber::Router(Sessions::Timed(WATCHED))),
    row("1 %, CPU samples at 99 Hz", Subscriber::Router(Sessions::Sampled(WATCHED))),
    row("all asked for, refused at once", Subscriber::Refusal),
    row("EnvFilter, 1 reloaded directive", Subscriber::EnvFilter),
    row("all at TRACE, tracing-appender", Subscriber::Trace),
];

const fn row(name: &'static str, subscriber: Subscriber) -> Configuration {
    Configuration { name, subscriber }
}

pub(crate) fn find(name: &str) -> &'static Configuration {
    let found = CONFIGURATIONS.iter().find(|configuration| configuration.name == name);
    found.unwrap_or_else(|| panic!("no row is called {name:?}"))
}

impl Subscriber {
    /// The part of the users whose events go beyond the log at INFO: to a session, or into the log.
    pub(crate) fn watched_share(&self) -> f64 {
        let users = match self {
            Self::NoRouter | Self::Refusal | Self::Router(Sessions::None | Sessions::Elsewhere(_)) => 0,
            Self::Router(Sessions::Users(users)) => users.end - users.start,
            Self::Router(Sessions::Recurring(_) | Sessions::Timed(_) | Sessions::Sampled(_)) | Self::EnvFilter => 1,
            Self::Router(Sessions::Everything(_)) | Self::Trace => USERS,
        };
        users as f64 / USERS as f64
    }
}
