//! The load: connections that are kept, on each of which the next request follows the answer.

use crate::configuration::USERS;
use crate::spread::quantile;
use crate::workload::Workload;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// No answer takes longer, however busy the machine is.
const WITHIN: Duration = Duration::from_secs(30);

const READ_BYTES: usize = 4096;

pub(crate) struct Load {
    clients: Vec<Client>,
    next_number: Arc<AtomicU64>,
}

/// What came of a slice of load.
pub(crate) struct Answered {
    pub(crate) count: u64,
    pub(crate) took: Duration,
    pub(crate) p99_us: f64,
}

struct Client {
    workload: Workload,
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Load {
    pub(crate) async fn connect(workload: Workload, address: SocketAddr) -> Self {
        let mut clients = Vec::new();
        for index in 0..workload.connections() {
            clients.push(Client::connect(workload, address, index % USERS).await);
        }
        Self { clients, next_number: Arc::default() }
    }

    /// How many requests or messages were sent so far, and answered.
    pub(crate) fn count(&self) -> u64 {
        self.next_number.load(Ordering::Relaxed)
    }

    /// Loads the service for so long; everything is answered when it returns.
    pub(crate) async fn run(&mut self, duration: Duration) -> Answered {
        let (start, before) = (Instant::now(), self.count());
        let mut running = JoinSet::new();
        for client in self.clients.drain(..) {
            running.spawn(client.run_until(start + duration, Arc::clone(&self.next_number)));
        }
        let mut latencies = Vec::new();
        while let Some(ended) = running.join_next().await {
            let (client, of_client) = ended.expect("a client does not panic");
            self.clients.push(client);
            latencies.extend(of_client);
        }
        Answered { count: self.count() - before, took: start.elapsed(), p99_us: quantile(latencies, 0.99) }
    }
}

impl Client {
    async fn connect(workload: Workload, address: SocketAddr, user: u64) -> Self {
        let stream = TcpStream::connect(address).await.expect("the service listens");
        stream.set_nodelay(true).expect("a socket can be without delay");
        let mut client = Self { workload, stream, answer: Vec::with_capacity(READ_BYTES) };
        if let Some(greeting) = workload.greeting(user) {
            client.ask(greeting.as_bytes()).await;
        }
        client
    }

    /// Returns how long each answer took, in microseconds.
    async fn run_until(mut self, deadline: Instant, next_number: Arc<AtomicU64>) -> (Self, Vec<f64>) {
        let (mut request, mut latencies) = (Vec::new(), Vec::new());
        let mut now = Instant::now();
        while now < deadline {
            self.workload.write(&mut request, next_number.fetch_add(1, Ordering::Relaxed));
            let sent = now;
            self.ask(&request).await;
            now = Instant::now();
            latencies.push((now - sent).as_secs_f64() * 1e6);
        }
        (self, latencies)
    }

    async fn ask(&mut self, request: &[u8]) {
        timeout(WITHIN, self.exchange(request)).await.expect("the service answers in time");
    }

    async fn exchange(&mut self, request: &[u8]) {
        self.answer.clear();
        self.stream.write_all(request).await.expect("the service takes what is sent");
        while !self.workload.is_whole(&self.answer) {
            let read = self.stream.read_buf(&mut self.answer).await.expect("the service answers");
            assert!(read > 0, "the service has closed a connection");
        }
    }
}
