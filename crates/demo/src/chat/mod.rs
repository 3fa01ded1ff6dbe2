//! A chat service like many others: it uses `tracing` throughout, and knows nothing of sessions.

mod connection;
mod hub;
pub(crate) mod protocol;

use super::count::{Counts, debug, info};
use crate::error::Error;
use connection::Connection;
use hub::Hub;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, info_span};

/// How often the service logs its state.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// A service with its listener.
#[derive(Debug)]
pub(crate) struct Service {
    listener: TcpListener,
    address: SocketAddr,
}

impl Service {
    /// Listens on loopback; port 0 means any free port.
    pub(crate) async fn bind(port: u16) -> Result<Self, Error> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let failed = |cause| Error::caused_by(cause, format!("listen on {wanted}"));
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        info!(%address, "listening");
        Ok(Self { listener, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves every connection, until accepting fails.
    pub(crate) async fn accept(self) -> io::Error {
        tokio::spawn(report());
        match self.accept_all().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn accept_all(self) -> io::Result<Infallible> {
        let hub = Arc::new(Hub::default());
        let mut conn_id = 0_u64;
        loop {
            let (socket, peer) = self.listener.accept().await?;
            debug!(conn_id, %peer, "accepted");
            tokio::spawn(serve(socket, conn_id, Arc::clone(&hub)));
            conn_id += 1;
        }
    }
}

/// Serves one connection. The user is known after the login; everything that follows happens in the span.
async fn serve(socket: TcpStream, conn_id: u64, hub: Arc<Hub>) {
    match Connection::log_in(socket, conn_id, hub).await {
        Ok((connection, user)) => connection.run().instrument(info_span!("conn", conn_id, user)).await,
        Err(error) => debug!(conn_id, %error, "not logged in"),
    }
}

async fn report() {
    let mut ticks = tokio::time::interval(REPORT_EVERY);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        info!(messages = Counts::now().messages, "serving");
    }
}
