//! Serving the door to those who have no HTTP of their own.

use super::endpoint::{Endpoint, Inner};
use super::problem::{Kind, Problem};
use super::security::MAX_HEADER_BYTES;
use super::socket::Socket;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;
use tracing_tap::endpoint::Quiet;

/// How long connections have to end once the door is to.
const PARTING: Duration = Duration::from_secs(5);

/// How long the door waits where the system gives it no connection, for want of descriptors perhaps.
const PAUSE: Duration = Duration::from_millis(100);

/// What the system holds back for a slow peer. It says that there is room again when a third is free: left to itself it
/// holds megabytes, and who takes tens of kilobytes a second would seem to take nothing for longer than the patience.
const SEND_BUFFER_BYTES: usize = 512 << 10;

/// How long a connection may be silent before its peer is asked whether it is there: lines of JSON have no heartbeat.
const SILENCE: Duration = Duration::from_secs(60);

/// Why the door was not served.
#[derive(Debug)]
pub struct ServeError(Trouble);

#[derive(Debug)]
enum Trouble {
    NotLoopback(SocketAddr),
    NoAddress(io::Error),
}

/// What the connections share.
struct Hall {
    application: axum::Router,
    door: Arc<Inner>,
    leave: watch::Receiver<bool>,
}

impl Endpoint {
    /// Serves the door until `shutdown` is done, which ends its sessions as
    /// [`EndReason::Shutdown`](tracing_tap::EndReason::Shutdown); see [`serve`](super::serve).
    ///
    /// # Errors
    /// Where the door is for this machine alone and the listener is not on a loopback address.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let max_connections = self.settings().max_connections;
        let door = self.into_inner();
        let address = listener.local_addr().map_err(|error| ServeError(Trouble::NoAddress(error)))?;
        if door.auth.is_loopback_only() && !address.ip().is_loopback() {
            return Err(ServeError(Trouble::NotLoopback(address)));
        }
        let (leave, leaving) = watch::channel(false);
        let application = door.whole_application();
        let hall = Arc::new(Hall { application, door: Arc::clone(&door), leave: leaving });
        let mut connections = JoinSet::new();
        let accepting = accept_all(&listener, &hall, &mut connections, max_connections);
        tokio::select! {
            () = Quiet::new(accepting) => {}
            () = shutdown => {}
            () = signalled(&door) => {}
        }
        drop(listener);
        door.close();
        // Nobody listens where no connection is left.
        let _ = leave.send(true);
        let parted = async { while connections.join_next().await.is_some() {} };
        // Connections that are still there are dropped with the set.
        let _ = tokio::time::timeout(PARTING, parted).await;
        Ok(())
    }
}

/// Waits for the signal of [`Endpoint::with_graceful_shutdown`], if there is one.
async fn signalled(door: &Inner) {
    match &door.settings.shutdown {
        Some(shutdown) => shutdown.come().await,
        None => pending().await,
    }
}

async fn accept_all(listener: &TcpListener, hall: &Arc<Hall>, connections: &mut JoinSet<()>, max_connections: usize) {
    let places = Arc::new(Semaphore::new(max_connections));
    loop {
        // Those that have ended are let go of while there are others.
        while connections.try_join_next().is_some() {}
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            turn_away(&stream, max_connections);
            continue;
        };
        let hall = Arc::clone(hall);
        connections.spawn(Quiet::new(async move {
            hall.attend(stream, peer).await;
            drop(place);
        }));
    }
}

/// Says that there is no place, as far as the system takes it at once: whoever is too many costs nothing.
fn turn_away(stream: &TcpStream, max_connections: usize) {
    let detail = format!("all {max_connections} connections of this door are taken: close some, or try again");
    let document = Problem::new(Kind::Unavailable, detail).with("limit", max_connections).document();
    let length = document.len();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{document}"
    );
    // It may be gone already.
    let _ = stream.try_write(answer.as_bytes());
}

/// Bounds what the system holds for a connection, and has it find out that a peer is gone without a word. A system that
/// cannot do so serves all the same.
fn bound(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_send_buffer_size(SEND_BUFFER_BYTES);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 4));
}

impl Hall {
    /// Serves one connection to its end.
    async fn attend(&self, stream: TcpStream, peer: SocketAddr) {
        // Batches are whole: nothing is gained by holding one back. A peer that is gone needs no answer.
        let _ = stream.set_nodelay(true);
        bound(&stream);
        let settings = &self.door.settings;
        let socket = Socket::new(stream);
        let line = socket.line();
        let mut stream = TimeoutStream::new(socket);
        // Past the time at which its session is told, so that it can be.
        stream.set_write_timeout(Some(settings.stall_timeout * 2));
        let service = service_fn(|mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(line.clone());
            self.application.clone().call(request.map(Body::new))
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(settings.request_timeout);
        builder.max_buf_size(4 * MAX_HEADER_BYTES);
        // Who sends no more may still read, as `nc -N` does: the stream finds out.
        builder.half_close(true);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
        let mut leave = self.leave.clone();
        // How it ends is for the peer alone to know.
        tokio::select! {
            _ = &mut connection => return,
            () = async { drop(leave.wait_for(|leave| *leave).await) } => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

impl ServeError {
    /// Whether the door is for this machine alone and the listener is not.
    pub fn is_not_loopback(&self) -> bool {
        matches!(self.0, Trouble::NotLoopback(_))
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Trouble::NotLoopback(address) => write!(
                f,
                "serve on {address} whoever is on this machine: listen on 127.0.0.1 or [::1], or take a token"
            ),
            Trouble::NoAddress(_) => f.write_str("serve on a listener whose address is not known"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Trouble::NotLoopback(_) => None,
            Trouble::NoAddress(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_holds_little_for_a_peer_and_asks_whether_it_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("it has an address")).await.expect("it listens");
        bound(&stream);
        let socket = SockRef::from(&stream);
        // Linux doubles what is asked for, for what it needs itself.
        assert!(socket.send_buffer_size().is_ok_and(|bytes| bytes <= 2 * SEND_BUFFER_BYTES));
        assert!(socket.keepalive().is_ok_and(|is_kept_alive| is_kept_alive));
    }
}
