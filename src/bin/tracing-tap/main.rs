//! The `tracing-tap` command: one file or folder for each subcommand.

mod demo;
mod error;

use clap::{Parser, Subcommand};
use error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

/// Watch one user of a running service, down to TRACE, while everyone else costs nothing.
#[derive(Debug, Parser)]
#[command(name = "tracing-tap", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    match CommandLine::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is gone too, the exit code has to do.
            let _ = writeln!(io::stderr(), "error: failed to {}", error.with_causes());
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self) -> Result<(), Error> {
        match self {
            Self::Demo(arguments) => demo::run(&arguments),
        }
    }
}
