//! The binary, run by the tests.

use std::process::{Command, Stdio};
pub(crate) use testing::program::{Ended, Folder, Program, json_lines, messages};
use testing::wait_until;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tracing-tap");

/// A command without what the environment of the tests may say.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for variable in ["URL", "PROFILE", "TOKEN", "FLEET_KEY"] {
        command.env_remove(format!("TRACING_TAP_{variable}"));
    }
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(variable);
    }
    command.env("XDG_CONFIG_HOME", "/nowhere").args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Program::start(&mut command(arguments)).end()
}

/// Starts a watch, and waits until its session is open.
pub(crate) fn watch(arguments: &[&str]) -> Program {
    let program = Program::start(command(&["watch"]).args(arguments));
    program.stderr.wait_for("Watching ");
    program
}

/// Waits until an endpoint lists a session, which is when producers see it.
pub(crate) fn wait_for_session_at(url: &str) {
    wait_until("a session to be open", || run(&["sessions", url, "--format", "json"]).stdout.contains("\"id\""));
}

/// Waits until a session at an endpoint has a reader.
pub(crate) fn wait_for_reader_at(url: &str) {
    let list = || run(&["sessions", url, "--format", "json"]).stdout;
    wait_until("a session to be read", || list().contains("\"is_read\":true"));
}
