//! A line to the endpoint that can be cut, with everything that is on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testing::address::{listen, own_loopback};
use testing::runtime::multi_thread;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    endpoint: SocketAddr,
    carrier: Option<Runtime>,
    swallows: Arc<AtomicBool>,
}

impl Line {
    pub(crate) fn lay(endpoint: SocketAddr) -> Self {
        let mut line = Self { address: (own_loopback(), 0).into(), endpoint, carrier: None, swallows: Arc::default() };
        line.mend();
        line
    }

    /// Takes what the endpoint sends from here on, and passes nothing on, until it is mended.
    pub(crate) fn swallow(&mut self) {
        self.swallows.store(true, Ordering::SeqCst);
    }

    pub(crate) fn cut(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            carrier.shutdown_background();
        }
    }

    pub(crate) fn mend(&mut self) {
        let (carrier, endpoint) = (multi_thread(), self.endpoint);
        // The end of its runtime, which frees the address, was not waited for.
        let listener = listen(self.address);
        self.address = listener.local_addr().expect("a listener has an address");
        self.swallows.store(false, Ordering::SeqCst);
        let swallows = Arc::clone(&self.swallows);
        carrier.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("it is a listener");
            while let Ok((near, _)) = listener.accept().await {
                let swallows = Arc::clone(&swallows);
                tokio::spawn(async move {
                    let far = TcpStream::connect(endpoint).await.expect("the endpoint listens");
                    let ((mut asks, hears), (says, mut listens)) = (near.into_split(), far.into_split());
                    // Either end may end it.
                    tokio::select! {
                        _ = copy(&mut asks, &mut listens) => {}
                        () = carry(says, hears, swallows) => {}
                    }
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

/// The answers of the endpoint.
async fn carry(mut says: OwnedReadHalf, mut hears: OwnedWriteHalf, swallows: Arc<AtomicBool>) {
    let mut said = vec![0; 16 << 10];
    while let Ok(bytes @ 1..) = says.read(&mut said).await {
        if !swallows.load(Ordering::SeqCst) && hears.write_all(&said[..bytes]).await.is_err() {
            return;
        }
    }
}
