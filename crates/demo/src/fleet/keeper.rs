//! The keeper of the demo's NATS server: this binary, started once more, which ends the server when the demo is gone.
//!
//! A demo that is killed cannot end anything, but its end closes the keeper's standard input.

use super::processes::Process;
use crate::error::Error;
use std::env;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Its settings, in its environment.
const PROGRAM: &str = "TRACING_TAP_DEMO_SERVER";
const PORT: &str = "TRACING_TAP_DEMO_PORT";
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long ending the server may take.
const PARTING: Duration = Duration::from_secs(2);

/// A handle of the keeper. It ends with this, and the server before it.
#[derive(Debug)]
pub(super) struct Keeper(Process);

/// The settings of a keeper.
#[derive(Debug)]
pub(super) struct Kept {
    program: PathBuf,
    port: String,
}

impl Keeper {
    /// With the arguments that this process has.
    pub(super) fn start(program: &Path, port: u16) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(env::args_os().skip(1)).env(PROGRAM, program).env(PORT, port.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        Process::start(&mut command).map(Self)
    }

    pub(super) fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.0.0.try_wait()?.is_some())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.0.stdin.take());
        let began = Instant::now();
        while began.elapsed() < PARTING && matches!(self.has_ended(), Ok(false)) {
            thread::sleep(LOOK_EVERY / 4);
        }
    }
}

impl Kept {
    /// `None` if this process is not a keeper.
    pub(super) fn read() -> Option<Self> {
        Some(Self { program: env::var_os(PROGRAM)?.into(), port: env::var(PORT).ok()? })
    }

    /// Runs until the server has ended, or this process's standard input is closed.
    pub(super) fn keep(&self) -> Result<(), Error> {
        let mut command = Command::new(&self.program);
        command.args(["--addr", "127.0.0.1", "--port", &self.port]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let attempt = || format!("run `{}`", self.program.display());
        let mut server = Process::start(&mut command).map_err(|cause| Error::caused_by(cause, attempt()))?;
        let abandoned = abandoned();
        while let Err(RecvTimeoutError::Timeout) = abandoned.recv_timeout(LOOK_EVERY) {
            let ended = server.0.try_wait().map_err(|cause| Error::caused_by(cause, attempt()))?;
            if ended.is_some() {
                break;
            }
        }
        Ok(())
    }
}

/// Disconnected once this process's standard input is closed.
fn abandoned() -> Receiver<()> {
    let (held, abandoned) = channel();
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        drop(held);
    });
    abandoned
}
