//! A proxy that stalls without closing a connection, as a network that drops all packets does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// Forwards connections to a server until it is cut.
pub(crate) struct Proxy {
    port: u16,
    road: Arc<Road>,
}

#[derive(Default)]
struct Road {
    is_cut: Mutex<bool>,
    mended: Condvar,
    bytes: AtomicU64,
}

impl Proxy {
    pub(crate) fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let road = Arc::new(Road::default());
        let shared = Arc::clone(&road);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                shared.wait();
                let Ok(far) = TcpStream::connect(("127.0.0.1", server_port)) else { continue };
                shared.join(&near, &far);
                shared.join(&far, &near);
            }
        });
        Self { port, road }
    }

    pub(crate) fn url(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Nothing gets through any more, and nobody is notified.
    pub(crate) fn cut(&self) {
        *self.road.is_cut.lock().expect("nobody panicked") = true;
    }

    /// What waited goes on, as by a network that sends again.
    pub(crate) fn mend(&self) {
        *self.road.is_cut.lock().expect("nobody panicked") = false;
        self.road.mended.notify_all();
    }

    /// Bytes that went either way so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.road.bytes.load(Ordering::Relaxed)
    }
}

impl Road {
    fn wait(&self) {
        let cut = self.is_cut.lock().expect("nobody panicked");
        drop(self.mended.wait_while(cut, |is_cut| *is_cut).expect("nobody panicked"));
    }

    fn join(self: &Arc<Self>, from: &TcpStream, to: &TcpStream) {
        let (mut from, mut to) = (from.try_clone().expect("it can"), to.try_clone().expect("it can"));
        let road = Arc::clone(self);
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                road.wait();
                road.bytes.fetch_add(read as u64, Ordering::Relaxed);
                if to.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}
