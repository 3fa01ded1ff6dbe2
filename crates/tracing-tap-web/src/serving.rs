//! Serves the endpoint over a listener of its own.

use super::connections::{ConnectionSlot, Connections};
use super::endpoint::{Endpoint, whole_application};
use super::security::MAX_HEADER_BYTES;
use super::shutdown::Closes;
use super::socket::{Line, Socket};
use super::state::{EndpointState, Settings};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;
use tracing_tap::endpoint::Quiet;

/// Time for connections to end when the endpoint is shut down.
const PARTING: Duration = Duration::from_secs(5);

/// Pause after the system refused a connection, for example because no file descriptor is free.
const PAUSE: Duration = Duration::from_millis(100);

/// The system's send buffer for a connection. It reports room when a third is free. By default it holds megabytes, and a
/// reader of tens of kilobytes a second would seem stalled.
const SEND_BUFFER_BYTES: usize = 512 << 10;

/// Silence after which the system probes the peer: lines of JSON have no heartbeat.
const SILENCE: Duration = Duration::from_secs(60);

/// The error of [`serve`](super::serve).
#[derive(Debug)]
pub struct ServeError(ServeFailure);

#[derive(Debug)]
enum ServeFailure {
    NotLoopback(SocketAddr),
    NoAddress(io::Error),
}

/// What the connections of a listener share.
struct Listening {
    application: axum::Router,
    endpoint: Arc<EndpointState>,
    connections: Arc<Connections>,
    leave: watch::Receiver<bool>,
}

impl Endpoint {
    /// Serves the endpoint until `shutdown` is done, which ends its sessions as
    /// [`EndReason::Shutdown`](tracing_tap::EndReason::Shutdown); see [`serve`](super::serve).
    ///
    /// # Errors
    /// If the endpoint is for loopback callers only and the listener's address is not a loopback address, or if that address
    /// cannot be read.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let endpoint = self.into_state();
        let address = listener.local_addr().map_err(|error| ServeError(ServeFailure::NoAddress(error)))?;
        if endpoint.auth.is_loopback_only() && !address.ip().is_loopback() {
            return Err(ServeError(ServeFailure::NotLoopback(address)));
        }
        let (leave, leaving) = watch::channel(false);
        let listening = Arc::new(Listening::new(&endpoint, leaving));
        let mut tasks = JoinSet::new();
        tokio::select! {
            () = Quiet::new(accept_all(&listener, &listening, &mut tasks)) => {}
            () = shutdown => {}
            () = signalled(&endpoint) => {}
        }
        drop(listener);
        endpoint.close();
        // Without connections, nothing receives it.
        let _ = leave.send(true);
        let parted = async { while tasks.join_next().await.is_some() {} };
        // Connections that are still open are dropped with the set.
        let _ = tokio::time::timeout(PARTING, parted).await;
        Ok(())
    }
}

/// Waits for the signal of [`Endpoint::with_graceful_shutdown`], if there is one.
async fn signalled(endpoint: &EndpointState) {
    match &endpoint.settings.shutdown {
        Some(shutdown) => shutdown.come().await,
        None => pending().await,
    }
}

async fn accept_all(listener: &TcpListener, listening: &Arc<Listening>, tasks: &mut JoinSet<()>) {
    loop {
        // Frees the results of connections that have ended.
        while tasks.try_join_next().is_some() {}
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (slot, displaces) = listening.connections.enter();
        let serving = Arc::clone(listening);
        tasks.spawn(Quiet::new(async move { serving.attend(stream, peer, slot).await }));
        if displaces {
            // So that no flood closes a connection before its request was read.
            tokio::task::yield_now().await;
        }
    }
}

/// Bounds the system's send buffer, and enables its probes for a peer that has vanished. A system without these options
/// serves as well.
fn bound(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_send_buffer_size(SEND_BUFFER_BYTES);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 4));
}

impl Listening {
    fn new(endpoint: &Arc<EndpointState>, leave: watch::Receiver<bool>) -> Self {
        let Settings { max_connections, max_pending_connections, .. } = endpoint.settings;
        let connections = Connections::new(max_connections, max_pending_connections);
        Self { application: whole_application(endpoint), endpoint: Arc::clone(endpoint), connections, leave }
    }

    /// Serves one connection to its end.
    async fn attend(&self, stream: TcpStream, peer: SocketAddr, slot: ConnectionSlot) {
        // Batches are whole, so delaying one gains nothing. A peer that is gone needs no answer.
        let _ = stream.set_nodelay(true);
        bound(&stream);
        let settings = &self.endpoint.settings;
        let socket = Socket::new(stream);
        let line = socket.line();
        let mut stream = TimeoutStream::new(socket);
        // Later than the end of its session, so that the end can be sent.
        stream.set_write_timeout(Some(settings.stall_timeout * 2));
        let service = service_fn(|request| self.answer(request, ConnectInfo(peer), line.clone(), slot.clone()));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(settings.request_timeout);
        builder.max_buf_size(4 * MAX_HEADER_BYTES);
        // A client that has closed its sending side may still read, as `nc -N` does: the stream finds out.
        builder.half_close(true);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
        let mut leave = self.leave.clone();
        // How a connection ends is of no interest here.
        tokio::select! {
            _ = &mut connection => return,
            () = slot.displaced() => return,
            () = slot.overdue(settings.request_timeout) => {}
            () = async { drop(leave.wait_for(|leave| *leave).await) } => {}
        }
        // It may finish the answer that it is sending.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => {}
            () = slot.displaced() => {}
            () = slot.overdue(PARTING) => {}
        }
    }

    /// Answers a request. The last answer to a pending connection closes it.
    async fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: ConnectInfo<SocketAddr>,
        line: Line,
        slot: ConnectionSlot,
    ) -> Result<Response, Infallible> {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(line);
        request.extensions_mut().insert(slot.clone());
        let mut response = self.application.clone().call(request.map(Body::new)).await?;
        if slot.is_last_request() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

impl ServeError {
    /// Whether the endpoint is for loopback callers only and the listener's address is not a loopback address.
    pub fn is_not_loopback(&self) -> bool {
        matches!(self.0, ServeFailure::NotLoopback(_))
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ServeFailure::NotLoopback(address) => write!(
                f,
                "an endpoint for loopback callers only cannot listen on {address}: that is not a loopback address"
            ),
            ServeFailure::NoAddress(error) => write!(f, "failed to read the listener's address: {error}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            ServeFailure::NotLoopback(_) => None,
            ServeFailure::NoAddress(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peers_socket_has_small_buffers_and_keepalive() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("it has an address")).await.expect("it listens");
        bound(&stream);
        let socket = SockRef::from(&stream);
        // Linux doubles what is asked for, for what it needs itself.
        assert!(socket.send_buffer_size().is_ok_and(|bytes| bytes <= 2 * SEND_BUFFER_BYTES));
        assert!(socket.keepalive().is_ok_and(|is_kept_alive| is_kept_alive));
    }
}
