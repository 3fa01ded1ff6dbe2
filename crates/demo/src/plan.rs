//! The arguments of the demo, and the numbers that follow from them.

use crate::error::Error;
use clap::value_parser;
use std::time::Duration;

/// Maximum number of users; further connections belong to the same users again.
const MAX_USERS: u64 = 1000;
/// How many connections share a chat room, on average.
const CONNECTIONS_PER_ROOM: u64 = 8;
/// How long the session is closed, or open, at a time at most.
const MAX_SLICE: Duration = Duration::from_millis(250);
/// Minimum number of openings of the session.
const MIN_ROUNDS: u32 = 10;
/// Maximum number of instances, each a process.
const MAX_INSTANCES: u64 = 16;
/// In seconds.
const DAY: u64 = 24 * 60 * 60;

/// Run a busy chat service and watch one of its users
///
/// Prints all events of one user, down to TRACE, and then a summary: how many events happened, how many were delivered,
/// and how fast the service was with and without the session.
#[derive(Debug, clap::Parser)]
#[command(name = "demo", version)]
pub(crate) struct Arguments {
    /// How many clients stay connected to the service
    #[arg(long, value_name = "NUMBER", default_value_t = 2000)]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000))]
    connections: u64,
    /// Which user to watch
    #[arg(long, value_name = "USER", default_value_t = 42)]
    user: u64,
    /// How long to watch; Ctrl-C ends it sooner
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u64).range(1..=DAY))]
    seconds: u64,
    /// Port of the service on 127.0.0.1; 0: any free port
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Port of the demo's HTTP endpoint on 127.0.0.1; 0: any free port
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    http_port: u16,
    /// Run this many instances of the service, each a process with its share of the clients, and watch the user at all
    /// of them, over a local `nats-server`
    #[arg(long, value_name = "INSTANCES", value_parser = value_parser!(u64).range(1..=MAX_INSTANCES))]
    #[arg(conflicts_with_all = ["port", "http_port"])]
    pub(crate) fleet: Option<u64>,
}

/// Arguments that fit together.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) connections: u64,
    pub(crate) users: u64,
    pub(crate) user: u64,
    pub(crate) duration: Duration,
    pub(crate) port: u16,
    pub(crate) http_port: u16,
}

impl Plan {
    /// # Errors
    /// If no connection has the user to watch.
    pub(crate) fn new(arguments: &Arguments) -> Result<Self, Error> {
        let Arguments { connections, user, seconds, port, http_port, .. } = *arguments;
        let users = connections.min(MAX_USERS);
        if user >= users {
            let last = users - 1;
            return Err(Error::new(format!("watch user {user}: {connections} connections have the users 0 to {last}")));
        }
        Ok(Self { connections, users, user, duration: Duration::from_secs(seconds), port, http_port })
    }

    /// The share of one of `count` instances; `number` begins at 1.
    ///
    /// # Errors
    /// If no connection of the instance has the user to watch.
    #[cfg(feature = "fleet")]
    pub(crate) fn share(arguments: &Arguments, number: u64, count: u64) -> Result<Self, Error> {
        let Arguments { connections, user, seconds, port, http_port, .. } = *arguments;
        if connections < count {
            return Err(Error::new(format!("share {connections} connections among {count} instances")));
        }
        let connections = connections / count + u64::from(number <= connections % count);
        Self::new(&Arguments { connections, user, seconds, port, http_port, fleet: None })
    }

    /// The user that a client logs in as.
    pub(crate) fn user_of(&self, client: u64) -> u64 {
        client % self.users
    }

    pub(crate) fn rooms(&self) -> u64 {
        self.connections.div_ceil(CONNECTIONS_PER_ROOM)
    }

    pub(crate) fn watched_connections(&self) -> usize {
        (0..self.connections).filter(|client| self.user_of(*client) == self.user).count()
    }

    /// How often the session is closed for a slice and then open for one.
    pub(crate) fn rounds(&self) -> u32 {
        let rounds = self.duration.as_millis().div_ceil(2 * MAX_SLICE.as_millis());
        u32::try_from(rounds).unwrap_or(u32::MAX).max(MIN_ROUNDS)
    }

    /// How long the session is closed, or open, at a time.
    pub(crate) fn slice(&self) -> Duration {
        self.duration / (2 * self.rounds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(connections: u64, user: u64, seconds: u64) -> Result<Plan, Error> {
        Plan::new(&Arguments { connections, user, seconds, port: 0, http_port: 0, fleet: None })
    }

    #[test]
    fn connections_past_the_last_user_are_further_ones_of_the_first() {
        let watched = |connections, user| plan(connections, user, 10).unwrap().watched_connections();
        assert_eq!([watched(1, 0), watched(50, 42), watched(2000, 42)], [1, 1, 2]);
        assert_eq!([watched(1043, 42), watched(1042, 42)], [2, 1]);
    }

    #[test]
    fn the_slices_fill_the_time_and_are_neither_few_nor_long() {
        for seconds in [1, 2, 10, 60, DAY] {
            let plan = plan(50, 42, seconds).unwrap();
            assert!(plan.rounds() >= MIN_ROUNDS && plan.slice() <= MAX_SLICE, "{plan:?}");
            let unused = plan.duration.abs_diff(plan.slice() * 2 * plan.rounds());
            assert!(unused < Duration::from_millis(1), "{plan:?}");
        }
    }

    #[test]
    fn a_user_nobody_is_cannot_be_watched() {
        assert!(plan(50, 49, 10).is_ok());
        let error = plan(50, 50, 10).unwrap_err().to_string();
        assert_eq!(error, "watch user 50: 50 connections have the users 0 to 49");
        assert!(plan(2000, 1000, 10).is_err());
    }

    #[cfg(feature = "fleet")]
    #[test]
    fn the_shares_of_instances_are_all_connections() {
        let arguments = Arguments { connections: 200, user: 42, seconds: 1, port: 0, http_port: 0, fleet: Some(3) };
        let share = |number| Plan::share(&arguments, number, 3).unwrap().connections;
        assert_eq!([share(1), share(2), share(3)], [67, 67, 66]);
        assert!(Plan::share(&arguments, 5, 5).is_err(), "40 connections have the users 0 to 39");
        assert!(Plan::share(&Arguments { connections: 2, ..arguments }, 3, 3).is_err());
    }
}
