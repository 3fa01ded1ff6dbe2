//! Servers that only pretend to be an endpoint, and connections that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use testing::address::listen;
use testing::wait_for;

/// The answer of an endpoint that has just opened a session.
pub(crate) const OPENED: &str = r#"{"coverage":{"findings":[],"is_clear":true,"notes":[]},"expires_at":"2026-11-20T09:15:02.000000Z","follow":"event","has_ended":false,"id":"8c6f0b7be2c34b6fa1c5cf5f7ad1f0f1","is_read":false,"name":null,"opened_at":"2026-11-20T08:15:02.000000Z","opened_by":"token","outlives_connection":true,"predicate":"*","confinement":null,"session":7,"stats":{"buffered":0,"delivered":0,"lost":0,"matched":0,"missing":{"closed":0,"overflow":0,"rate_limited":0,"sampled_out":0}}}"#;

/// A server that answers each request with a given function.
pub(crate) struct Stranger {
    pub(crate) address: SocketAddr,
    /// The heads of the requests so far.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Stranger {
    /// `answer` gets the head of a request, and writes what it likes.
    pub(crate) fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (answer, heads) = (Arc::new(answer), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, heads) = (Arc::clone(&answer), Arc::clone(&heads));
                std::thread::spawn(move || serve(stream, &*answer, &heads));
            }
        });
        Self { address, requests }
    }

    /// An endpoint that opens a session, streams these bytes, and is silent then.
    pub(crate) fn streaming(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |head, stream| {
            if head.starts_with("POST /sessions ") {
                respond(stream, "201 Created", "application/json", OPENED);
            } else if head.starts_with("GET /sessions/8c6f0b7be2c34b6fa1c5cf5f7ad1f0f1/stream ") {
                begin_stream(stream);
                let _ = stream.write_all(&bytes);
                wait_for_the_other_end(stream);
            } else {
                respond(stream, "204 No Content", "text/plain", "");
            }
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut stream: TcpStream, answer: &(impl Fn(&str, &mut TcpStream) + ?Sized), heads: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    // A connection that is closed before all of a request was read is reset, and the answer may be lost.
    while !is_whole(&request) {
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => request.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    answer(&request, &mut stream);
}

/// Whether a request has arrived, with its body.
fn is_whole(request: &[u8]) -> bool {
    let Some(head) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let lines = String::from_utf8_lossy(&request[..head]).to_lowercase();
    let length = lines.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    request.len() >= head + 4 + length.unwrap_or(0)
}

/// Answers, and closes.
pub(crate) fn respond(stream: &mut TcpStream, status: &str, kind: &str, body: &str) {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n");
    let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
}

pub(crate) fn begin_stream(stream: &mut TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n");
}

pub(crate) fn wait_for_the_other_end(stream: &mut TcpStream) {
    let mut piece = [0; 64];
    while stream.read(&mut piece).is_ok_and(|count| count > 0) {}
}

/// Takes the place of a server that is gone, and hangs up on so many connections.
pub(crate) fn hang_up_on(address: SocketAddr, connections: usize) {
    let listener = listen(address);
    for _ in 0..connections {
        drop(wait_for("a connection", || listener.accept().ok()));
    }
}

/// A way to a server that can be cut.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Way {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let streams = Arc::<Mutex<Vec<TcpStream>>>::default();
        let known = Arc::clone(&streams);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let copies = [&client, &server].map(|stream| stream.try_clone().expect("a socket can be shared"));
                known.lock().unwrap_or_else(PoisonError::into_inner).extend(copies);
                join(client, server);
            }
        });
        Self { address, streams }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends all connections that there are.
    pub(crate) fn cut(&self) {
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn join(client: TcpStream, server: TcpStream) {
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    };
    let clones = [&client, &server].map(|stream| stream.try_clone().expect("a socket can be shared"));
    let [client_again, server_again] = clones;
    copy(client, server_again);
    copy(server, client_again);
}
