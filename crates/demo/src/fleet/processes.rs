//! Processes that end with the demo, such as instances: this binary, started once more.

use crate::error::Error;
use std::env;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// An instance's settings, in its environment, where other users of the machine cannot see the key.
const NUMBER: &str = "TRACING_TAP_DEMO_INSTANCE";
const URL: &str = "TRACING_TAP_DEMO_URL";
const KEY: &str = "TRACING_TAP_DEMO_KEY";

/// What it prints on standard output once it is busy.
pub(super) const READY: &str = "ready";

/// A process that is killed with this, on a panic too.
#[derive(Debug)]
pub(super) struct Process(pub(super) Child);

/// An instance's process. It ends by itself when its standard input is closed.
#[derive(Debug)]
pub(super) struct Instance {
    number: u64,
    stdout: Option<ChildStdout>,
    _process: Process,
}

/// An instance's settings. One is a secret, so there is no `Debug`.
#[derive(Clone)]
pub(super) struct Assignment {
    /// From 1.
    pub(super) number: u64,
    pub(super) url: String,
    pub(super) key: String,
}

impl Process {
    /// Starts it in a process group of its own, which a terminal's Ctrl-C does not reach: the demo ends it later.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        command.spawn().map(Self)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Instance {
    /// With the arguments that this process has.
    pub(super) fn start_all(count: u64, url: &str, key: &str) -> Result<Vec<Self>, Error> {
        (1..=count).map(|number| Self::start(number, url, key)).collect()
    }

    fn start(number: u64, url: &str, key: &str) -> Result<Self, Error> {
        let failed = |cause| Error::caused_by(cause, format!("start instance {number}"));
        let mut command = Command::new(env::current_exe().map_err(failed)?);
        command.args(env::args_os().skip(1));
        command.env(NUMBER, number.to_string()).env(URL, url).env(KEY, key);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command).map_err(failed)?;
        Ok(Self { number, stdout: process.0.stdout.take(), _process: process })
    }
}

/// Waits until all of them are busy. One that fails prints the reason itself.
pub(super) async fn all_ready(instances: &mut [Instance]) -> Result<(), Error> {
    for instance in instances {
        let number = instance.number;
        let Some(stdout) = instance.stdout.take() else { continue };
        let is_ready = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).is_ok() && line.trim_end() == READY
        });
        if !is_ready.await.unwrap_or(false) {
            return Err(Error::new(format!("start instance {number}: it has ended")));
        }
    }
    Ok(())
}

impl Assignment {
    /// `None` if this process is not an instance.
    pub(super) fn read() -> Result<Option<Self>, Error> {
        let Ok(number) = env::var(NUMBER) else { return Ok(None) };
        let read = || Some(Self { number: number.parse().ok()?, url: env::var(URL).ok()?, key: env::var(KEY).ok()? });
        match read() {
            Some(assignment) => Ok(Some(assignment)),
            None => Err(Error::new(format!("read the settings of an instance: {NUMBER} is set without the others"))),
        }
    }
}
