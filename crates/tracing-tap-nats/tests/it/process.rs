//! The process of an instance.

use crate::emitting::{emit, flow, large};
use crate::instance::{ANSWER, KEY, KEYS, NAME, POLICY, URL, config_of};
use crate::watching::{Reading, joined, user, watch};
use async_nats::{Client, ConnectOptions};
use std::sync::atomic::Ordering;
use std::time::Duration;
use testing::Output;
use testing::nats_server::client_with;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing_subscriber::prelude::*;
use tracing_tap::{LookBack, TapRouter};
use tracing_tap_nats::{self as fleet, FleetStream, IgnoredMessages};

/// What it brings to the server, by its environment: a CA's file to trust, the seed of an NKey, the text of a `.creds`.
pub(crate) const CA: &str = "TRACING_TAP_FLEET_CA";
pub(crate) const SEED: &str = "TRACING_TAP_FLEET_SEED";
pub(crate) const CREDENTIALS: &str = "TRACING_TAP_FLEET_CREDENTIALS";

/// An instance, and the sessions it watches itself.
struct Process {
    router: TapRouter,
    output: Output,
    client: Client,
    ignored: Box<dyn Fn() -> IgnoredMessages>,
    membership: Option<(JoinHandle<()>, oneshot::Sender<()>)>,
    streams: Vec<FleetStream>,
    reading: Option<Reading>,
    runtime: Runtime,
}

/// The process of an instance; nothing where this is an ordinary run of the tests.
#[test]
fn process() {
    let Ok(url) = std::env::var(URL) else { return };
    let mut process = Process::start(&url);
    answer("ready");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let words: Vec<_> = line.split(' ').collect();
        answer(&process.obey(words[0], &words[1..]));
    }
}

fn answer(text: &str) {
    println!("{ANSWER}{text}");
}

impl Process {
    fn start(url: &str) -> Self {
        let name = std::env::var(NAME).expect("an instance has a name");
        let router = router(&std::env::var(POLICY).unwrap_or_default());
        let output = Output::default();
        tracing_subscriber::registry().with(testing::info_printer(&output)).with(router.layer()).init();
        let looks_back = std::env::var(POLICY).is_ok_and(|policy| policy == "looks back");
        testing::wait_until("looking back to be switched on", || !looks_back || router.stats().look_back_bytes > 0);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let client = runtime.block_on(client_with(options(), url));
        let (stop, stopped) = oneshot::channel::<()>();
        let keys = std::env::var(KEYS).unwrap_or_else(|_| KEY.to_owned());
        let config = config_of(&keys.split(',').collect::<Vec<_>>()).instance(name).expect("it is a name");
        let mut membership = fleet::join(router.clone(), client.clone(), config, async { drop(stopped.await) });
        let ignored = Box::new(membership.ignored());
        // Its first poll subscribes: a caller need not wait for the second announcement.
        runtime.block_on(async {
            let polled = tokio::time::timeout(Duration::from_millis(1), &mut membership).await;
            assert!(polled.is_err(), "it takes part");
            client.flush().await.expect("the client is open");
        });
        let membership = Some((runtime.spawn(membership), stop));
        Self { router, output, client, ignored, membership, streams: Vec::new(), reading: None, runtime }
    }

    /// Obeys, and says that it is done.
    fn obey(&mut self, word: &str, numbers: &[&str]) -> String {
        let number = |place: usize| numbers[place].parse::<u64>().expect("it is a number");
        match word {
            "emit" => done(|| emit(number(0), number(1)), "emitted"),
            "flow" => done(|| flow(number(0), number(1)), "emitted"),
            "large" => done(|| large(number(0)), "emitted"),
            "watch" => done(|| self.watch(), "joined"),
            "read" => done(|| self.read(number(0) as usize), "joined"),
            "shutdown" => done(|| self.router.shutdown(), "shut down"),
            "leave" => done(|| self.leave(), "left"),
            "flush" => done(|| self.flush(), "flushed"),
            "accounted" => self.reading.as_ref().map_or(0, Reading::accounted).to_string(),
            "report" => {
                let reading = self.reading.take().expect("something is being read");
                self.runtime.block_on(reading.report()).to_string()
            }
            "sent" => self.client.statistics().out_messages.load(Ordering::Relaxed).to_string(),
            "sessions" => self.router.sessions().len().to_string(),
            "scopes" => self.scopes(),
            "ignored" => format!("{:?}", (self.ignored)()),
            "audit" => self.audit(),
            other => panic!("no instance can {other}"),
        }
    }

    fn watch(&mut self) {
        let mut stream = self.runtime.block_on(watch(&self.client, user(42)));
        self.runtime.block_on(joined(&mut stream, 1));
        self.streams.push(stream);
    }

    fn read(&mut self, instances: usize) {
        self.reading = Some(self.runtime.block_on(Reading::start(&self.client, instances)));
    }

    fn flush(&self) {
        self.runtime.block_on(self.client.flush()).expect("the client is open");
    }

    fn leave(&mut self) {
        let (task, stop) = self.membership.take().expect("it takes part");
        drop(stop);
        self.runtime.block_on(task).expect("it does not panic");
    }

    fn scopes(&self) -> String {
        let scopes = self.router.sessions().into_iter().map(|open| open.confinement.map(|scope| scope.to_string()));
        scopes.flatten().collect::<Vec<_>>().join("; ")
    }

    fn audit(&self) -> String {
        let told = self.output.all_lines().into_iter().filter(|line| line.contains("message ignored"));
        told.collect::<Vec<_>>().join("; ")
    }
}

fn done(what: impl FnOnce(), word: &str) -> String {
    what();
    word.to_owned()
}

fn options() -> ConnectOptions {
    let options = ConnectOptions::new();
    if let Ok(ca) = std::env::var(CA) {
        return options.add_root_certificates(ca.into()).require_tls(true);
    }
    if let Ok(seed) = std::env::var(SEED) {
        return options.nkey(seed);
    }
    match std::env::var(CREDENTIALS) {
        Ok(text) => options.credentials(&text).expect("it is a file `.creds`"),
        Err(_) => options.user_and_password("instance".to_owned(), "instance".to_owned()),
    }
}

fn router(policy: &str) -> TapRouter {
    let builder = TapRouter::builder();
    match policy {
        "" => builder,
        "no sessions" => builder.max_sessions(0),
        "looks back" => builder.look_back(LookBack::new(1 << 20)),
        "denies" => builder.deny_targets(["it"]),
        "redacts" => builder.redact_fields(["secret"]),
        other => panic!("no router has the policy {other}"),
    }
    .build()
}
