//! Clients: `curl` as it is installed, and plain sockets.

use crate::{PATIENCE, wait_until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The token of the tests.
pub const TOKEN: &str = "S8uWXu0mEZzN1Fbs";

/// `curl` at work; it is ended with this.
pub struct Curl {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Curl {
    /// Asks for a path with the token of the tests.
    pub fn get(address: SocketAddr, path: &str) -> Self {
        Self::with(address, path, &["-H", &format!("Authorization: Bearer {TOKEN}")])
    }

    pub fn with(address: SocketAddr, path: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("curl")
            .args(["--silent", "--show-error", "--no-buffer", "--max-time", "60", "--noproxy", "*"])
            .args(arguments)
            .arg(format!("http://{address}{path}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl is installed: tests/run.sh does it");
        let out = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        Self { child, out }
    }

    /// The next line; nothing at the end.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.out.read_line(&mut line).expect("the output is text");
        (read > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    pub fn json(&mut self) -> Value {
        let line = self.line().expect("there is another line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    /// Has it read nothing, as a terminal does that is stopped.
    pub fn stop(&self) {
        self.signal("STOP");
    }

    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("there is `kill`").success());
    }

    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("the output is text");
        rest
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer to a request that was written by hand.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The last part of a problem's type.
    #[track_caller]
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(problem["title"].is_string() && problem["detail"].as_str().is_some_and(|detail| detail.len() > 20));
        let kind = problem["type"].as_str().expect("a problem has a type");
        kind.strip_prefix("urn:tracing-tap:problem:").expect("the type is one of the endpoint's").to_owned()
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the endpoint listens");
    stream.set_read_timeout(Some(PATIENCE * 3)).expect("a socket has timeouts");
    stream
}

/// Sends a request as it is, and reads the answer to its end. The request must say `connection: close`.
pub fn exchange(address: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("the endpoint takes the request");
    read_answer(stream)
}

pub fn read_answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // An endpoint that refuses closes without reading the rest, which may reset the connection behind the answer.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("answers are text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// A request with this token, and a body of JSON if there is one.
pub fn request(address: SocketAddr, who: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
    let body_part = body.map_or_else(String::new, |body| {
        format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
    });
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {who}\r\n{body_part}");
    exchange(address, &format!("{head}connection: close\r\n\r\n{}", body.unwrap_or_default()))
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, TOKEN, "GET", path, None)
}

pub fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    request(address, TOKEN, "POST", path, Some(body))
}

/// Waits until so many of the caller's sessions below `mount` are read.
pub fn wait_for_readers(address: SocketAddr, mount: &str, count: usize) {
    wait_until("the sessions to be read", || {
        let sessions = get(address, &format!("{mount}/sessions")).json()["sessions"].take();
        sessions.as_array().is_some_and(|all| all.iter().filter(|session| session["is_read"] == true).count() == count)
    });
}
