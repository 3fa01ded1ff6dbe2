//! `tracing-tap man`: the pages of the manual.

use crate::CommandLine;
use crate::error::Error;
use crate::print;
use clap::CommandFactory;
use clap_mangen::Man;

/// Print a page of the manual, in roff
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracing-tap man watch | man -l -
  tracing-tap man > /usr/local/share/man/man1/tracing-tap.1")]
pub(crate) struct Arguments {
    /// The subcommand. Default: the whole program
    #[arg(value_name = "SUBCOMMAND")]
    subcommand: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let mut command = CommandLine::command();
    command.build();
    let command = match &arguments.subcommand {
        None => command,
        Some(name) => command.find_subcommand(name).cloned().ok_or_else(|| {
            Error::usage(format!("find the page of `{name}`")).advise("`tracing-tap --help` lists the subcommands")
        })?,
    };
    let title = command.get_bin_name().unwrap_or("tracing-tap").replace(' ', "-");
    let mut page = Vec::new();
    let rendered = Man::new(command).title(title).render(&mut page);
    rendered.map_err(|cause| Error::caused_by(cause, "write the page"))?;
    print::own(&page)
}
