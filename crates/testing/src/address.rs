//! Addresses that stay a test's own while nothing listens there.

use crate::wait_for;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// A loopback address of this process. On 127.0.0.1 another test, or a client of the test itself, may take the port of a
/// service that is down, which then cannot come back.
pub fn own_loopback() -> IpAddr {
    // Elsewhere there is 127.0.0.1 alone.
    if !cfg!(target_os = "linux") {
        return Ipv4Addr::LOCALHOST.into();
    }
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    // Linux has at most 2^22 processes. Neither 127.0.x.y, nor 127.255.x.y with the broadcast address.
    Ipv4Addr::new(127, 64 | high & 63, middle, low).into()
}

/// Listens at an address, or at any port of it; waits, for a bounded time, until the last service there is gone.
#[track_caller]
pub fn listen(address: impl Into<SocketAddr>) -> TcpListener {
    let address = address.into();
    let listener = wait_for("the address to be free", || TcpListener::bind(address).ok());
    listener.set_nonblocking(true).expect("a socket can be set so");
    listener
}
