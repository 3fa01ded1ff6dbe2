//! An instance in a process of its own: this test binary, started once more, which does what its standard input says.

use crate::emitting::{emit, flow, large};
use crate::server::client_with;
use crate::support::{PATIENCE, wait_for};
use crate::watching::Reading;
use async_nats::ConnectOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tracing_subscriber::prelude::*;
use tracing_tap::TapRouter;
use tracing_tap::fleet::{self, Config, Key};

pub(crate) const KEY: &str = "a key of thirty-two bytes, or more";

/// What the instance's process is told by its environment.
const URL: &str = "TRACING_TAP_FLEET_URL";
const NAME: &str = "TRACING_TAP_FLEET_NAME";
const POLICY: &str = "TRACING_TAP_FLEET_POLICY";

/// What begins each answer, beside what the test harness prints.
const ANSWER: &str = "answer: ";

pub(crate) fn config() -> Config {
    Config::new("chat", Key::new(KEY).expect("it is long enough")).expect("it is a name")
}

/// Renewals so seldom that no lease ends within a test, and none is answered by a beat.
pub(crate) fn seldom() -> Config {
    config().renew_every(Duration::from_secs(60)).expect("it is allowed")
}

/// Renewals so often that a test can wait for some to be missed, and not so often that a busy machine misses them.
pub(crate) fn often() -> Config {
    config().renew_every(Duration::from_secs(1)).expect("it is allowed")
}

/// An instance's process; killed when dropped.
pub(crate) struct Instance {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Instance {
    pub(crate) fn start(url: &str, name: &str) -> Self {
        Self::start_with(url, name, |_| {})
    }

    /// With a router that has a policy of its own, see `router`.
    pub(crate) fn with_policy(url: &str, name: &str, policy: &str) -> Self {
        Self::start_with(url, name, |command| {
            command.env(POLICY, policy);
        })
    }

    pub(crate) fn start_with(url: &str, name: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a test is a file"));
        command.args(["instance::process", "--exact", "--nocapture"]).env(URL, url).env(NAME, name);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().expect("a test can start itself");
        let input = child.stdin.take().expect("it is a pipe");
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (answer, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, text)) = line.split_once(ANSWER) {
                    let _ = answer.send(text.to_owned());
                }
            }
        });
        let instance = Self { child, input, answers };
        assert_eq!(instance.answer(), "ready");
        instance
    }

    /// Says something, and waits for the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.answer()
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the instance listens");
    }

    pub(crate) fn answer(&self) -> String {
        self.answers.recv_timeout(PATIENCE * 3).expect("the instance answers")
    }

    /// Has it emit so many events of a user, numbered from 0.
    pub(crate) fn emit(&mut self, count: usize, user: u64) {
        assert_eq!(self.ask(&format!("emit {count} {user}")), "emitted");
    }

    /// Has it emit so many events of user 42 at so many a second, or as fast as it can where that is 0. Their numbers go
    /// on where those of the last flow ended. The answer is for the caller to wait for.
    pub(crate) fn flow(&mut self, count: u64, rate: u64) {
        self.say(&format!("flow {count} {rate}"));
    }

    /// Waits until its client has written so many messages more to the server than there were `before`.
    pub(crate) fn wait_until_sent(&mut self, before: u64, more: u64) {
        wait_for("messages to be sent", || (self.sent() >= before + more).then_some(()));
        assert_eq!(self.ask("flush"), "flushed");
    }

    /// How many messages its client has sent.
    pub(crate) fn sent(&mut self) -> u64 {
        self.ask("sent").parse().expect("it is a number")
    }

    pub(crate) fn open_sessions(&mut self) -> usize {
        self.ask("sessions").parse().expect("it is a number")
    }

    /// Waits until so many sessions are open there.
    pub(crate) fn wait_for_sessions(&mut self, count: usize) {
        wait_for("the instance to have its sessions", || (self.open_sessions() == count).then_some(()));
    }

    /// Stops it where it stands, as a machine that has no time for it does, or has it go on: `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("there is `kill`").success());
    }

    /// Kills it, as a machine that fails does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process of an instance; nothing where this is an ordinary run of the tests.
#[test]
fn process() {
    let Ok(url) = std::env::var(URL) else { return };
    let name = std::env::var(NAME).expect("an instance has a name");
    let router = router(&std::env::var(POLICY).unwrap_or_default());
    let output = crate::support::Output::default();
    tracing_subscriber::registry().with(crate::support::info_printer(&output)).with(router.layer()).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let options = ConnectOptions::new().user_and_password("instance".to_owned(), "instance".to_owned());
    let client = runtime.block_on(client_with(options, &url));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let config = config().instance(name).expect("it is a name");
    let mut membership = fleet::join(router.clone(), client.clone(), config, async { drop(stopped.await) });
    let ignored = membership.ignored();
    // Its first poll subscribes: whoever is told that this is ready need not wait for the second announcement.
    runtime.block_on(async {
        let polled = tokio::time::timeout(Duration::from_millis(1), &mut membership).await;
        assert!(polled.is_err(), "it takes part");
        client.flush().await.expect("the client is open");
    });
    let mut membership = Some((runtime.spawn(membership), stop));
    let mut streams = Vec::new();
    let mut reading = None;
    answer("ready");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let words: Vec<_> = line.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().expect("it is a number");
        match words[0] {
            "emit" => {
                emit(number(1), number(2));
                answer("emitted");
            }
            "flow" => {
                flow(number(1), number(2));
                answer("emitted");
            }
            "large" => {
                large(number(1));
                answer("emitted");
            }
            "sent" => answer(&client.statistics().out_messages.load(Ordering::Relaxed).to_string()),
            "flush" => {
                runtime.block_on(client.flush()).expect("the client is open");
                answer("flushed");
            }
            "sessions" => answer(&router.sessions().len().to_string()),
            "scopes" => {
                let scopes = router.sessions().into_iter().map(|open| open.scope.map(|scope| scope.to_string()));
                answer(&scopes.flatten().collect::<Vec<_>>().join("; "));
            }
            "ignored" => answer(&format!("{:?}", ignored())),
            "watch" => {
                let mut stream = runtime.block_on(crate::watching::watch(&client, crate::watching::user(42)));
                runtime.block_on(crate::watching::joined(&mut stream, 1));
                streams.push(stream);
                answer("joined");
            }
            "read" => {
                reading = Some(runtime.block_on(Reading::start(&client)));
                answer("joined");
            }
            "accounted" => answer(&reading.as_ref().map_or(0, Reading::accounted).to_string()),
            "report" => {
                let reading: Reading = reading.take().expect("something is being read");
                answer(&runtime.block_on(reading.report()).to_string());
            }
            "audit" => {
                let told = output.all_lines().into_iter().filter(|line| line.contains("message ignored"));
                answer(&told.collect::<Vec<_>>().join("; "));
            }
            "shutdown" => {
                router.shutdown();
                answer("shut down");
            }
            "leave" => {
                let (task, stop) = membership.take().expect("it takes part");
                drop(stop);
                runtime.block_on(task).expect("it does not panic");
                answer("left");
            }
            other => panic!("no instance can {other}"),
        }
    }
}

fn answer(text: &str) {
    println!("{ANSWER}{text}");
}

fn router(policy: &str) -> TapRouter {
    let builder = TapRouter::builder();
    match policy {
        "" => builder,
        "no sessions" => builder.max_sessions(0),
        "denies" => builder.deny_targets(["fleet"]),
        "redacts" => builder.redact_fields(["secret"]),
        other => panic!("no router has the policy {other}"),
    }
    .build()
}
