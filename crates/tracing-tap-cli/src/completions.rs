//! `tracing-tap completions`: for the shells that know how to ask.

use crate::CommandLine;
use crate::error::Error;
use crate::print;
use clap::CommandFactory;
use clap_complete::Shell;

/// Prints a script that has a shell complete the arguments
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  tracing-tap completions bash > ~/.local/share/bash-completion/completions/tracing-tap")]
pub(crate) struct Arguments {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "tracing-tap", &mut script);
    print::own(&script)
}
