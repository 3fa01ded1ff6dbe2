//! The two kinds of service: requests with spans of their own, and connections that outlive the measurement.

use crate::configuration::USERS;
use std::io::Write;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// HTTP requests on kept connections; the user is the request's.
    Requests,
    /// Lines on connections that live as long as the service; the user is the connection's.
    Connections,
}

impl Workload {
    pub(crate) const ALL: [Self; 2] = [Self::Requests, Self::Connections];

    pub(crate) fn find(name: &str) -> Self {
        Self::ALL.into_iter().find(|workload| workload.name() == name).expect("the parent names one that exists")
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Connections => "connections",
        }
    }

    /// What is counted.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Requests => "request",
            Self::Connections => "message",
        }
    }

    /// How many connections the load has, each with one request or message under way.
    pub(crate) const fn connections(self) -> u64 {
        match self {
            Self::Requests => 16,
            Self::Connections => 2 * USERS,
        }
    }

    /// Events of a request or message, at any level.
    pub(crate) const fn events(self) -> u64 {
        match self {
            Self::Requests => 12,
            Self::Connections => 4,
        }
    }

    /// Lines of the log at INFO after so many requests or messages.
    pub(crate) const fn lines(self, count: u64) -> u64 {
        match self {
            Self::Requests => 2 * count,
            Self::Connections => self.connections(),
        }
    }

    /// What a client of this user sends first, before anything is measured.
    pub(crate) fn greeting(self, user: u64) -> Option<String> {
        (self == Self::Connections).then(|| format!("login {user}\n"))
    }

    /// Writes the request or message of this number.
    pub(crate) fn write(self, out: &mut Vec<u8>, number: u64) {
        out.clear();
        let written = match self {
            Self::Requests => {
                let (order, user) = (1_000 + number % 9_000, number % USERS);
                let head = "host: shop\r\naccept: */*\r\nuser-agent: bench";
                write!(
                    out,
                    "GET /orders/{order} HTTP/1.1\r\n{head}\r\nx-user: {user}\r\nx-request-id: {number:016x}\r\n\r\n"
                )
            }
            Self::Connections => writeln!(out, "ping {number}"),
        };
        written.expect("a vector takes what is written to it");
    }

    /// Whether this is a whole answer.
    pub(crate) fn is_whole(self, answer: &[u8]) -> bool {
        match self {
            Self::Requests => is_whole_response(answer),
            Self::Connections => answer.ends_with(b"\n"),
        }
    }
}

/// Panics on a response that is not a success.
fn is_whole_response(answer: &[u8]) -> bool {
    const END_OF_HEAD: &[u8] = b"\r\n\r\n";
    let Some(end) = answer.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD) else { return false };
    let (head, body) = answer.split_at(end + END_OF_HEAD.len());
    let head = str::from_utf8(head).expect("the head is text");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("the length is in the head").parse().expect("a length is a number");
    body.len() >= length
}
