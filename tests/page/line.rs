//! A line to the door that can be cut, with everything that is on it.

use crate::support::runtime::multi_thread;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    door: SocketAddr,
    carrier: Option<Runtime>,
}

impl Line {
    pub(crate) fn lay(door: SocketAddr) -> Self {
        let mut line = Self { address: (Ipv4Addr::LOCALHOST, 0).into(), door, carrier: None };
        line.mend();
        line
    }

    pub(crate) fn cut(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            carrier.shutdown_background();
        }
    }

    pub(crate) fn mend(&mut self) {
        let (carrier, door) = (multi_thread(), self.door);
        let listener = std::net::TcpListener::bind(self.address).expect("the address is free");
        listener.set_nonblocking(true).expect("a socket can be set so");
        self.address = listener.local_addr().expect("a listener has an address");
        carrier.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("it is a listener");
            while let Ok((mut near, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(door).await.expect("the door listens");
                    // Either end may end it.
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        self.carrier = Some(carrier);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.cut();
    }
}
