//! The demo's HTTP endpoint, for callers on this machine.

use crate::error::Error;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tracing_tap::TapRouter;
use tracing_tap_web as web;

/// Serves the endpoint for as long as the runtime lives.
pub(crate) async fn open(router: &TapRouter, port: u16) -> Result<SocketAddr, Error> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = bound.map_err(|cause| Error::caused_by(cause, format!("open the HTTP endpoint on port {port}")))?;
    let address =
        listener.local_addr().map_err(|cause| Error::caused_by(cause, "find the address of the HTTP endpoint"))?;
    let endpoint = web::serve(listener, router.clone(), web::Auth::loopback_only(), pending());
    // It fails only if the address is not a loopback address.
    tokio::spawn(async { drop(endpoint.await) });
    Ok(address)
}
