//! A service of long-lived connections: a span for each connection, and a fresh one for each message on it.

use std::io;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tracing::{Instrument, debug, info, info_span, instrument, trace};

pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    for conn_id in 0_u64.. {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(connection(socket, conn_id));
    }
    Ok(())
}

/// Ends when the client does.
async fn connection(mut socket: TcpStream, conn_id: u64) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (input, mut output) = socket.split();
    let mut lines = BufReader::new(input).lines();
    let login = lines.next_line().await?.unwrap_or_default();
    let user: u64 =
        login.strip_prefix("login ").and_then(|user| user.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let span = info_span!("conn", conn_id, user);
    async {
        info!("logged in");
        output.write_all(b"welcome\n").await?;
        while let Some(line) = lines.next_line().await? {
            trace!(bytes = line.len(), "line received");
            let reply = answer(&line).await;
            output.write_all(reply.as_bytes()).await?;
            trace!(bytes = reply.len(), "reply sent");
        }
        Ok(())
    }
    .instrument(span)
    .await
}

#[instrument(name = "message", skip_all, fields(kind = "ping"))]
async fn answer(line: &str) -> String {
    trace!(line, "routing");
    yield_now().await;
    let reply = format!("pong {}\n", line.len());
    debug!(reply, unread = 0, "answered");
    reply
}
