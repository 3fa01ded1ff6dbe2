//! What the tests of all crates share. `tracing`'s state is the process's: a test with a global subscriber has its own.
#![expect(clippy::new_without_default, reason = "a test starts something by `new`, and `default` would hide that")]

pub mod address;
#[cfg(feature = "browser")]
pub mod browser;
pub mod client;
pub mod corpus;
pub mod example;
#[cfg(feature = "nats")]
pub mod credentials;
#[cfg(feature = "browser")]
mod driver;
pub mod measure;
#[cfg(feature = "nats")]
pub mod nats_server;
pub mod package;
pub mod permitted;
pub mod program;
pub mod runtime;

use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing_tap::{CapturedEvent, EventStream, Item};

/// A bound on every wait of a test; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Declares tests that each run in a process of their own, with any runner.
#[macro_export]
macro_rules! isolated {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {
        $(
            #[test]
            $(#[$attribute])*
            fn $name() {
                fn body() $body
                $crate::in_own_process(concat!(module_path!(), "::", stringify!($name)), body);
            }
        )*
    };
}

const ISOLATED: &str = "TRACING_TAP_TEST_IS_ISOLATED";

/// Runs a test in a process of its own: this one if nextest has made one, a child otherwise. What the child printed is
/// shown if it fails.
pub fn in_own_process(path: &str, body: fn()) {
    if std::env::var_os("NEXTEST").is_some() || std::env::var_os(ISOLATED).is_some() {
        return body();
    }
    let (_, name) = path.split_once("::").expect("a test's path begins with its crate");
    let (printed, end) = io::pipe().expect("there is a pipe");
    let mut child = Command::new(std::env::current_exe().expect("a test is a file"))
        .args([name, "--exact", "--nocapture"])
        .env(ISOLATED, "1")
        .stdin(Stdio::null())
        .stdout(end.try_clone().expect("a pipe has as many ends as one likes"))
        .stderr(end)
        .spawn()
        .expect("a test can start itself");
    let reading = std::thread::spawn(|| io::read_to_string(printed));
    // Its own waits have bounds of their own: this one is for what hangs in none of them.
    let ended = || child.try_wait().expect("a child can be waited for");
    let status = wait_within(PATIENCE * 15, "the isolated test to end", ended);
    if !status.success() {
        // What the child has started may hold the pipe open.
        wait_until("what the isolated test printed", || reading.is_finished());
        panic!(
            "the isolated test failed: {status}
{}",
            reading.join().expect("it only reads").unwrap_or_default()
        );
    }
}

/// Waits, for a bounded time, until `look` finds something.
#[track_caller]
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE * 3, what, look)
}

#[track_caller]
fn wait_within<T>(bound: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Waits, for a bounded time, until `holds`.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// The events available now.
pub fn events(stream: &mut EventStream) -> Vec<Arc<CapturedEvent>> {
    stream.drain().filter_map(Item::into_event).collect()
}

/// The messages of the events available now.
pub fn messages(stream: &mut EventStream) -> Vec<String> {
    events(stream).iter().map(|event| event.message().to_owned()).collect()
}

/// Where a `fmt` layer of a test writes: `fmt::layer().with_writer(output.clone())`.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// What was written so far, line by line; without the audit of sessions, which most tests open.
    pub fn lines(&self) -> Vec<String> {
        self.all_lines().into_iter().filter(|line| !line.contains("tracing_tap::audit")).collect()
    }

    /// What was written so far, line by line.
    pub fn all_lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Runs `work` on a thread of its own and waits, for a bounded time, for what it returns: a hang is a failure.
#[track_caller]
pub fn bounded<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    let worker = std::thread::spawn(move || sender.send(work()));
    match receiver.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
            let panic = worker.join().map(drop).expect_err("a worker that sends nothing has panicked");
            std::panic::resume_unwind(panic)
        }
    }
}

/// Counts how often it was evaluated: an argument of an event that is stopped in time stays still.
#[derive(Debug, Default)]
pub struct Evaluations(std::sync::atomic::AtomicUsize);

impl Evaluations {
    /// Goes into an event's arguments; returns how often it was evaluated before.
    pub fn count(&self) -> usize {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }

    /// How many evaluations `code` causes.
    pub fn during(&self, code: impl FnOnce()) -> usize {
        let before = self.0.load(std::sync::atomic::Ordering::SeqCst);
        code();
        self.0.load(std::sync::atomic::Ordering::SeqCst) - before
    }
}

/// Another layer of the service: prints every event without time and colour.
pub fn printer<S>(output: &Output) -> impl tracing_subscriber::Layer<S> + Send + Sync + use<S>
where
    S: tracing::Subscriber + for<'lookup> tracing_subscriber::registry::LookupSpan<'lookup>,
{
    tracing_subscriber::fmt::layer::<S>().with_writer(output.clone()).without_time().with_ansi(false)
}

/// Another layer of the service: prints events at INFO and above.
pub fn info_printer<S>(output: &Output) -> impl tracing_subscriber::Layer<S> + Send + Sync + use<S>
where
    S: tracing::Subscriber + for<'lookup> tracing_subscriber::registry::LookupSpan<'lookup>,
{
    use tracing_subscriber::Layer;
    printer(output).with_filter(tracing::level_filters::LevelFilter::INFO)
}
