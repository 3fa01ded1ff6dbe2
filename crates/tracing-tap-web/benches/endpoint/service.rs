//! The service under measurement: its own logs, the router, and the endpoint on a runtime of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_tap::TapRouter;
use tracing_tap_web::{Auth, Endpoint};

/// What the threads are called that the endpoint runs on.
pub(crate) const ENDPOINT: &str = "endpoint";

/// Nobody who reads nothing is sent away while something is measured.
const LONG: Duration = Duration::from_secs(600);

const WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A service with an endpoint.
pub(crate) struct Service {
    pub(crate) router: TapRouter,
    pub(crate) address: SocketAddr,
    pub(crate) runtime: Runtime,
}

impl Service {
    pub(crate) fn start() -> Self {
        let router = router();
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name(ENDPOINT).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let endpoint = Endpoint::new(router.clone(), Auth::loopback_only()).stall_timeout(LONG);
        runtime.spawn(endpoint.serve(listener, std::future::pending()));
        Self { router, address, runtime }
    }

    /// How many sessions the endpoint lists.
    pub(crate) fn sessions_of_endpoint(&self) -> usize {
        let mut stream = TcpStream::connect(self.address).expect("the endpoint is open");
        let head = format!("GET /sessions HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(head.as_bytes()).expect("the endpoint takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the endpoint answers");
        answer.matches("\"opened_at\"").count()
    }

    pub(crate) fn wait_for_sessions(&self, count: usize) {
        wait_until("as many sessions", || self.router.sessions().len() == count);
    }
}

/// A router in the process's subscriber, beside the service's own logs, which are written to nowhere.
pub(crate) fn router() -> TapRouter {
    let router = TapRouter::builder().max_sessions_per_opener(1_000).build();
    let logs = tracing_subscriber::fmt::layer().json().with_writer(io::sink).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(logs).with(router.layer()).init();
    router
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
