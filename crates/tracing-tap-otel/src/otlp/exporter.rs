//! Batches, retries, and what is dropped in the end.

use super::client::{Answer, Connections};
use super::collector::{Collector, Settings};
use super::counts::Delivery;
use super::record::{Record, resource_attribute};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracing_tap::endpoint::quietly;
use tracing_tap::{EventStream, SessionId};

/// The most records in a batch, and the bytes after which it is full.
const MAX_RECORDS: usize = 512;
const FULL_BYTES: usize = 1 << 20;
/// How many records wait for a batch that is being sent, and how many bytes they take.
const QUEUE: usize = 16_384;
const QUEUE_BYTES: usize = 32 << 20;
/// No collector is asked again sooner, even if its `Retry-After` is 0.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Sends records on a thread of its own. Made by [`Collector::exporter`].
#[derive(Debug)]
pub struct Exporter {
    records: mpsc::Sender<Record>,
    waiting: Arc<Waiting>,
    thread: JoinHandle<Delivery>,
}

/// What the caller and the thread know of the queue between them.
#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    /// Records that found no room, and that the thread has not counted yet.
    overflowed: AtomicU64,
}

/// A session that is being forwarded. Made by [`Collector::forward`].
///
/// Dropping it does not stop the forwarding. To stop it, close the session: `router.close(forwarding.id())`.
#[derive(Debug)]
pub struct Forwarding {
    id: SessionId,
    thread: JoinHandle<Delivery>,
}

impl Collector {
    /// Forwards a session to its end, on a thread of its own.
    ///
    /// Events that the sending itself logs reach no session.
    ///
    /// # Errors
    /// If the system cannot start a thread. The session is then closed.
    pub fn forward(self, stream: EventStream) -> io::Result<Forwarding> {
        Forwarding::start(self, stream)
    }

    /// Sends records that the caller makes, on a thread of its own.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn exporter(self) -> io::Result<Exporter> {
        Exporter::start(self)
    }
}

impl Exporter {
    fn start(collector: Collector) -> io::Result<Self> {
        let (records, received) = mpsc::channel(QUEUE);
        let (runtime, waiting) = (OwnRuntime::new()?, Arc::<Waiting>::default());
        let mut queue = Queue { received, waiting: Arc::clone(&waiting) };
        let send = move || runtime.run(async { Sending::new(&collector).run(&mut queue).await });
        let thread = std::thread::Builder::new().name("tracing-tap-otlp".to_owned()).spawn(send)?;
        Ok(Self { records, waiting, thread })
    }

    /// Hands over a record. Never blocks: while 16,384 records or 32 MiB wait, it is dropped, counted and reported.
    pub fn send(&self, record: Record) {
        let bytes = record.bytes();
        // Relaxed, here and below: counts that order nothing. The queue hands over the records.
        let before = self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
        // If nobody receives, the thread has panicked: `finish` says so.
        if before > QUEUE_BYTES || self.records.try_send(record).is_err() {
            self.waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.waiting.overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Blocks until every record was sent or dropped.
    pub fn finish(self) -> Delivery {
        drop(self.records);
        joined(self.thread)
    }
}

impl Forwarding {
    fn start(collector: Collector, mut stream: EventStream) -> io::Result<Self> {
        let (id, runtime) = (stream.id(), OwnRuntime::new()?);
        let send = move || runtime.run(async { Sending::new(&collector).run(&mut stream).await });
        let thread = std::thread::Builder::new().name(format!("tracing-tap-{id}")).spawn(send)?;
        Ok(Self { id, thread })
    }

    /// The session's number.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Whether the forwarding has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Blocks until the session has ended and every record was sent or dropped.
    pub fn join(self) -> Delivery {
        joined(self.thread)
    }
}

fn joined(thread: JoinHandle<Delivery>) -> Delivery {
    thread.join().unwrap_or_else(|_| Delivery::unknown("the sending thread panicked"))
}

/// All its tasks run on the thread that blocks on it, so that what the client's own tasks log reaches no session either.
struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    fn new() -> io::Result<Self> {
        runtime::Builder::new_current_thread().enable_all().build().map(|runtime| Self(Some(runtime)))
    }

    fn run(&self, sending: impl Future<Output = Delivery>) -> Delivery {
        let runtime = self.0.as_ref().expect("it is there until it is dropped");
        quietly(|| runtime.block_on(sending))
    }
}

/// Waits for no DNS lookup on another thread, and may be dropped in async code, if no thread could be started.
impl Drop for OwnRuntime {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// Where records come from.
trait Records {
    /// The next record; `None` at the end. Nothing is lost if this is dropped before it is ready.
    async fn next(&mut self) -> Option<Record>;

    /// How many records found no room since this was asked last.
    fn take_overflowed(&mut self) -> u64 {
        0
    }
}

/// The receiving end of an [`Exporter`].
struct Queue {
    received: mpsc::Receiver<Record>,
    waiting: Arc<Waiting>,
}

impl Records for Queue {
    async fn next(&mut self) -> Option<Record> {
        let record = self.received.recv().await?;
        self.waiting.bytes.fetch_sub(record.bytes(), Ordering::Relaxed);
        Some(record)
    }

    fn take_overflowed(&mut self) -> u64 {
        self.waiting.overflowed.swap(0, Ordering::Relaxed)
    }
}

impl Records for EventStream {
    async fn next(&mut self) -> Option<Record> {
        self.recv().await.map(|item| Record::of_item(&item))
    }
}

/// Sends one batch after the other.
struct Sending<'a> {
    settings: &'a Settings,
    connections: Connections<'a>,
    delivery: Delivery,
    /// What was dropped or rejected and is not reported yet.
    unreported: u64,
    /// The last batch was dropped because the collector did not accept it in time: the next ones are tried once each, until one
    /// is accepted. So a collector that is gone holds up the end by one batch's retries, and then by a timeout for each batch.
    has_given_up: bool,
}

impl<'a> Sending<'a> {
    fn new(collector: &'a Collector) -> Self {
        let Collector { client, settings } = collector;
        Self {
            settings,
            connections: client.connections(),
            delivery: Delivery::default(),
            unreported: 0,
            has_given_up: false,
        }
    }

    async fn run(mut self, records: &mut impl Records) -> Delivery {
        while let Some(first) = records.next().await {
            let batch = self.batch(first, records).await;
            self.count_overflowed(records);
            self.send(batch).await;
        }
        self.count_overflowed(records);
        if self.unreported > 0 && !self.has_given_up {
            self.send(Vec::new()).await;
        }
        self.delivery
    }

    fn count_overflowed(&mut self, records: &mut impl Records) {
        let overflowed = records.take_overflowed();
        if overflowed > 0 {
            self.delivery.dropped += overflowed;
            self.unreported += overflowed;
            self.delivery.reason.get_or_insert_with(|| "the collector was slower than the events".to_owned());
        }
    }

    /// Collects a batch until it is full, or its first record has waited for long enough.
    async fn batch(&self, first: Record, records: &mut impl Records) -> Vec<Record> {
        let mut bytes = first.bytes();
        let mut batch = vec![first];
        let collected = async {
            while batch.len() < MAX_RECORDS && bytes < FULL_BYTES {
                let Some(record) = records.next().await else { break };
                bytes += record.bytes();
                batch.push(record);
            }
        };
        // After the delay the batch is what has arrived so far.
        let _ = timeout(self.settings.batch_delay, collected).await;
        batch
    }

    /// Sends a batch, again and again if need be. What was dropped before goes with it as a record.
    async fn send(&mut self, mut batch: Vec<Record>) {
        let own = self.report();
        let reported = own.is_some();
        batch.extend(own);
        let records = (batch.len() - usize::from(reported)) as u64;
        let body = self.encode(batch);
        match self.post(&body).await {
            Ok((rejected, reason)) => {
                if reported {
                    self.unreported = 0;
                }
                let rejected = rejected.min(records);
                self.delivery.delivered += records - rejected;
                self.delivery.rejected += rejected;
                self.unreported += rejected;
                if rejected > 0 || !reason.is_empty() {
                    self.delivery.reason = Some(format!("the collector says: {reason}"));
                }
            }
            Err(reason) => {
                self.delivery.dropped += records;
                self.unreported += records;
                self.delivery.reason = Some(reason);
            }
        }
    }

    fn report(&self) -> Option<Record> {
        let reason = self.delivery.reason.as_deref().unwrap_or_default();
        let words = format!("{} records of this session were not delivered: {reason}", self.unreported);
        (self.unreported > 0).then(|| Record::warning(words))
    }

    /// Posts until it is accepted, refused, or the time is over. Returns how many records were rejected, and why.
    async fn post(&mut self, body: &Bytes) -> Result<(u64, String), String> {
        let patience = if self.has_given_up { Duration::ZERO } else { self.settings.retry_for };
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let (reason, after) = match self.connections.post(body.clone()).await {
                Answer::Accepted { rejected, reason } => {
                    self.has_given_up = false;
                    return Ok((rejected, reason));
                }
                Answer::Refused(reason) => return Err(reason),
                Answer::Again { reason, after } => (reason, after),
            };
            // Between half and all of it, so that many senders do not come at once.
            let pause_now = after.unwrap_or_else(|| pause.mul_f64(0.5 + fastrand::f64() / 2.0)).max(SHORTEST_PAUSE);
            if began.elapsed().saturating_add(pause_now) >= patience {
                self.has_given_up = true;
                return Err(reason);
            }
            sleep(pause_now).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn encode(&self, batch: Vec<Record>) -> Bytes {
        let attributes = self.settings.resource.iter().map(resource_attribute).collect();
        let scope = InstrumentationScope {
            name: "tracing-tap".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let log_records = batch.into_iter().map(|record| record.0).collect();
        let logs = ResourceLogs {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_logs: vec![ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        };
        ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_can_be_dropped_in_async_code() {
        let outer = OwnRuntime::new().expect("there is one");
        outer.run(async {
            drop(OwnRuntime::new());
            Delivery::default()
        });
    }

    #[test]
    fn after_a_panic_the_delivery_is_not_complete() {
        let delivery = joined(std::thread::spawn(|| panic!("as a bug would")));
        assert!(!delivery.is_complete());
        assert_eq!(delivery.to_string(), "an unknown number of records delivered: the sending thread panicked");
    }
}
