//! The line protocol of the chat: one request a line, one reply a line, and what others published in between.
//!
//! | client | service |
//! |---|---|
//! | `login 42` | `welcome 7` |
//! | `subscribe room-5` | `joined 8` |
//! | `publish hello, all` | `published 7` |
//! | `ping 19` | `pong 19` |
//! | | `from 12 hello, all` |

use std::fmt;

/// A request of a client that is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request<'line> {
    /// Join this room, and leave the one before.
    Subscribe { room: &'line str },
    /// Send this text to the other members of the room.
    Publish { text: &'line str },
    /// Answer at once.
    Ping { number: &'line str },
}

/// A line that is not a valid request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Malformed;

impl<'line> Request<'line> {
    /// Reads a line without its end.
    pub(crate) fn parse(line: &'line str) -> Result<Self, Malformed> {
        match line.split_once(' ') {
            Some(("subscribe", room)) => Ok(Self::Subscribe { room }),
            Some(("publish", text)) => Ok(Self::Publish { text }),
            Some(("ping", number)) => Ok(Self::Ping { number }),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Subscribe { .. } => "subscribe",
            Self::Publish { .. } => "publish",
            Self::Ping { .. } => "ping",
        }
    }
}

/// Reads the first line of a connection: its user.
pub(crate) fn parse_login(line: &str) -> Result<u64, Malformed> {
    line.strip_prefix("login ").and_then(|user| user.parse().ok()).ok_or(Malformed)
}

/// Whether the service sent this line on behalf of another client, and not as a reply.
pub(crate) fn is_delivery(line: &str) -> bool {
    line.starts_with("from ")
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the line is not a request expected here")
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_is_recognised() {
        assert_eq!(Request::parse("subscribe room-5").unwrap(), Request::Subscribe { room: "room-5" });
        assert_eq!(Request::parse("publish hello, all").unwrap(), Request::Publish { text: "hello, all" });
        assert_eq!(Request::parse("ping 19").unwrap(), Request::Ping { number: "19" });
        for line in ["", "ping", "login 42", "Ping 19"] {
            assert!(Request::parse(line).is_err(), "{line}");
        }
        assert_eq!(parse_login("login 42").unwrap(), 42);
        assert!(parse_login("login alice").is_err() && parse_login("ping 42").is_err());
        assert!(is_delivery("from 12 pong") && !is_delivery("pong from 12"));
    }
}
