//! What comes and goes: connections of the service's own, readers over the endpoint, sessions that outlive them.

use crate::service::{Service, WITNESSED};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

const USERS: u64 = 50;
const MESSAGES_PER_CONNECTION: u64 = 20;
const PRODUCERS: u64 = 2;
const READERS: u64 = 4;

const READ_TIMEOUT: Duration = Duration::from_millis(200);

/// Everybody at work.
pub(crate) struct Churn {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Churn {
    pub(crate) fn start(service: &Service) -> Self {
        let mut churn = Self { stop: Arc::default(), threads: Vec::new() };
        for producer in 0..PRODUCERS {
            let emitted = Arc::clone(&service.emitted);
            churn.spawn(move |round| connection(producer + round * PRODUCERS, &emitted));
        }
        let address = service.address;
        for reader in 0..READERS {
            churn.spawn(move |round| read_over_the_endpoint(address, reader + round * READERS));
        }
        churn.spawn(move |round| session_that_outlives_connections(address, round));
        let router = service.router.clone();
        churn.spawn(move |round| session_in_process(&router, round));
        churn
    }

    fn spawn(&mut self, work: impl Fn(u64) + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        let go_on = move || !stop.load(Ordering::SeqCst);
        self.threads.push(std::thread::spawn(move || (0..).take_while(|_| go_on()).for_each(work)));
    }

    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().expect("nobody panics"));
    }
}

/// One connection of the service: a span, and messages in it. Threads of its own, now and then, as services have them.
fn connection(number: u64, emitted: &Arc<AtomicU64>) {
    let user = number % USERS;
    let conn = tracing::info_span!("conn", conn_id = number, user);
    if number.is_multiple_of(100) {
        let (conn, emitted) = (conn.clone(), Arc::clone(emitted));
        let other = std::thread::spawn(move || message(&conn, user, 0, &emitted));
        other.join().expect("it only logs");
    }
    (0..MESSAGES_PER_CONNECTION).for_each(|turn| message(&conn, user, turn, emitted));
    std::thread::sleep(Duration::from_millis(2));
}

fn message(conn: &tracing::Span, user: u64, turn: u64, emitted: &AtomicU64) {
    let kind = if turn.is_multiple_of(2) { "publish" } else { "ping" };
    tracing::info_span!(parent: conn, "message", kind).in_scope(|| {
        tracing::debug!(turn, text = "x".repeat(turn as usize * 10), "received");
        tracing::trace!(value = ?Some(turn), "answered");
    });
    if user == WITNESSED {
        emitted.fetch_add(2, Ordering::SeqCst);
    }
}

fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(READ_TIMEOUT)).ok()?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).ok()?;
    Some(stream)
}

/// Reads so many buffers at most, or until nothing comes.
fn read(stream: &mut TcpStream, buffers: u64) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    for _ in 0..buffers {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
            _ => break,
        }
    }
    text
}

/// Watches a user for a while, in one form or the other, and leaves in the middle; some read nothing at all.
fn read_over_the_endpoint(address: SocketAddr, number: u64) {
    let user = number % USERS;
    let form = ["json", "sse", "human", "compact"][(number % 4) as usize];
    let limit = if number.is_multiple_of(3) { "&max=20" } else { "" };
    let path = format!("/watch?q=user%3D{user}&format={form}{limit}");
    let Some(mut stream) = send(address, "GET", &path, "") else { return };
    if !number.is_multiple_of(5) {
        read(&mut stream, 1 + number % 16);
    }
}

/// Opens a session, reads it twice, and closes it or leaves it to its end.
fn session_that_outlives_connections(address: SocketAddr, number: u64) {
    let body = format!(r#"{{"q":"user = {}","for":"5s","capacity":64}}"#, number % USERS);
    let Some(mut stream) = send(address, "POST", "/sessions", &body) else { return };
    let answer = read(&mut stream, 1);
    drop(stream);
    let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
    let Some(path) = location.map(str::trim) else { return };
    for _ in 0..2 {
        if let Some(mut stream) = send(address, "GET", &format!("{path}/stream"), "") {
            read(&mut stream, 4);
        }
    }
    if number.is_multiple_of(2) {
        drop(send(address, "DELETE", path, "").map(|mut stream| read(&mut stream, 1)));
    }
}

/// Opens one in the process, reads some of it, and drops it.
fn session_in_process(router: &TapRouter, number: u64) {
    let predicate = match number % 3 {
        0 => Predicate::eq("user", number % USERS),
        1 => Predicate::starts_with("kind", "pub"),
        _ => Predicate::contains("text", "xxx"),
    };
    let mut stream = router.watch(SessionOptions::new(predicate).capacity(128).max_rate(1_000));
    std::thread::sleep(Duration::from_millis(20));
    stream.drain().take(32).for_each(drop);
}
