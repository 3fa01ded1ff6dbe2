//! An instance in a process of its own: this test binary, started again, which obeys its standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use testing::{PATIENCE, wait_for};
use tracing_tap_nats::{Config, Key};

pub(crate) const KEY: &str = "a key of thirty-two bytes or more";

/// What the instance's process gets from its environment.
pub(crate) const URL: &str = "TRACING_TAP_FLEET_URL";
pub(crate) const NAME: &str = "TRACING_TAP_FLEET_NAME";
pub(crate) const POLICY: &str = "TRACING_TAP_FLEET_POLICY";
/// The keys, with commas between them; the first signs.
pub(crate) const KEYS: &str = "TRACING_TAP_FLEET_KEYS";

/// What begins each answer, beside what the test harness prints.
pub(crate) const ANSWER: &str = "answer: ";

pub(crate) fn config() -> Config {
    config_of(&[KEY])
}

/// With these keys, of which the first signs.
pub(crate) fn config_of(keys: &[&str]) -> Config {
    let key = |secret: &str| Key::new(secret).expect("it is long enough");
    let config = Config::new("chat", key(keys[0])).expect("it is a name");
    keys[1..].iter().fold(config, |config, secret| config.accept_key(key(secret)).expect("there is room"))
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
        prepare(&mut command);
        Self::start_by(command, url, name)
    }

    /// By a command that is this test binary, wherever it runs.
    pub(crate) fn start_by(mut command: Command, url: &str, name: &str) -> Self {
        command.args(["process::process", "--exact", "--nocapture"]).env(URL, url).env(NAME, name);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
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
