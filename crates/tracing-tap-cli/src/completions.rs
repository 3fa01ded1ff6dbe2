//! `tracing-tap completions`: scripts that let a shell complete the arguments.

use crate::CommandLine;
use crate::error::Error;
use crate::print;
use clap::CommandFactory;
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  tracing-tap completions bash > ~/.local/share/bash-completion/completions/tracing-tap")]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "tracing-tap", &mut script);
    print::own(&script)
}
