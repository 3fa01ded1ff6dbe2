//! Those who read: `curl`, each in a process of its own, or plain sockets, all in one process.

use crate::service::{Service, wait_until};
use std::fmt;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const READ_BYTES: usize = 64 << 10;

/// The command line's binary, where it is built beside the bench.
pub(crate) const TRACING_TAP: Option<&str> = option_env!("CARGO_BIN_EXE_tracing-tap");

/// More than any bench offers: the rate is not what is measured.
const RATE: u64 = 1_000_000_000;

/// What reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// `curl`, one process for each reader, writing to nowhere.
    Curl,
    /// A process that reads from all sockets, and throws away what it reads.
    Sockets,
    /// `tracing-tap watch`, one process for each reader, writing lines of JSON to a file. There with the feature `cli`.
    TracingTap,
}

/// The form of the streams.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Lines,
    Events,
}

/// What a reader asks for: one user's events, so many of them.
pub(crate) struct Ask {
    pub(crate) user: usize,
    pub(crate) form: Form,
    pub(crate) events: u64,
}

/// Readers at work. Ended when they are dropped.
pub(crate) struct Clients(Vec<Child>);

impl Clients {
    /// Starts the readers, and waits until the session of each is open.
    pub(crate) fn start(program: Program, service: &Service, asks: &[Ask]) -> Self {
        let clients = match program {
            Program::Curl => asks.iter().map(|ask| spawn(&mut curl(service, ask))).collect(),
            Program::Sockets => vec![spawn(&mut sockets(service, asks))],
            Program::TracingTap => asks.iter().map(|ask| spawn(&mut tracing_tap(service, ask))).collect(),
        };
        let clients = Self(clients);
        // The endpoint has them once producers see them, which is a little after the router has.
        wait_until("the endpoint to have the sessions", || service.sessions_of_endpoint() == asks.len());
        clients
    }

    /// Waits until all have read to the end.
    pub(crate) fn wait(mut self) {
        for child in &mut self.0 {
            wait_until("a reader to have all", || {
                let status = child.try_wait().expect("a child can be waited for");
                assert!(status.is_none_or(|status| status.success()), "a reader failed: {status:?}");
                status.is_some()
            });
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended, and be waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, form, events } = self;
        let form = if *form == Form::Lines { "json" } else { "sse" };
        write!(f, "/watch?q=user%3D{user}&format={form}&rate={RATE}&max={events}")
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).spawn().expect("the program is installed")
}

fn curl(service: &Service, ask: &Ask) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--no-buffer", "--noproxy", "*", "--output", "/dev/null"]);
    command.arg(format!("http://{}{ask}", service.address));
    command
}

fn tracing_tap(service: &Service, Ask { user, events, .. }: &Ask) -> Command {
    let binary = TRACING_TAP.expect("the row is left out where there is no binary");
    let file = std::env::temp_dir().join(format!("tracing-tap-bench-{}-{user}.json", std::process::id()));
    let out = std::fs::File::create(&file).expect("a file can be made");
    // It is written to, and gone when the reader is.
    std::fs::remove_file(file).expect("the file is there");
    let mut command = Command::new(binary);
    command.args(["watch", &format!("http://{}", service.address), &format!("user = {user}"), "--quiet"]);
    command.args(["--format", "json", "--rate", &RATE.to_string(), "--max", &events.to_string()]);
    command.stdout(out);
    command
}

fn sockets(service: &Service, asks: &[Ask]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a bench is a file"));
    command.arg("--read").arg(service.address.to_string()).args(asks.iter().map(Ask::to_string));
    command
}

/// What the process does that reads from all sockets.
pub(crate) fn read_all(address: &str, paths: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let mut readers = JoinSet::new();
        for path in paths {
            let stream = ask(address, path).await;
            readers.spawn(read_to_end(stream));
        }
        readers.join_all().await;
    });
}

/// Sends a request whose answer is not looked at.
pub(crate) async fn ask(address: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("the endpoint is open");
    send_request(&mut stream, address, path).await;
    stream
}

pub(crate) async fn send_request(stream: &mut TcpStream, address: &str, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the endpoint takes a request");
}

async fn read_to_end(mut stream: TcpStream) {
    let mut buffer = vec![0; READ_BYTES];
    while stream.read(&mut buffer).await.expect("the endpoint sends to the end") > 0 {}
}
