//! The demo's HTTP door, for whoever is on this machine.

use crate::error::Error;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tracing_tap::TapRouter;
use tracing_tap_web as web;

/// Serves the door on the runtime for as long as that is there.
pub(crate) async fn open(router: &TapRouter, port: u16) -> Result<SocketAddr, Error> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = bound.map_err(|cause| Error::caused_by(cause, format!("open a door on port {port}")))?;
    let address = listener.local_addr().map_err(|cause| Error::caused_by(cause, "learn the door's address"))?;
    let door = web::serve(listener, router.clone(), web::Auth::loopback_only(), pending());
    // It listens on a loopback address, which is all it could object to.
    tokio::spawn(async { drop(door.await) });
    Ok(address)
}
