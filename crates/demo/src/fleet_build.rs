//! `--fleet` in a build without the feature: builds the demo again with it, and runs that.
//!
//! That way the demo of one service, which new users run first, does not compile a NATS client.

use crate::error::Error;
use std::env;
use std::process::{Command, ExitCode};

/// Returns the exit code of the other build.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let Some(cargo) = env::var_os("CARGO") else {
        return Err(Error::new("show a fleet: this build has none; build the demo with `--features fleet`"));
    };
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--release", "--package", "demo", "--features", "fleet", "--"]);
    let status = command.args(env::args_os().skip(1)).status();
    let status = status.map_err(|cause| Error::caused_by(cause, "build the demo of a fleet"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
