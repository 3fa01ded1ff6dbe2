//! The arguments of `replay`.

use super::window::{Moment, Window};
use crate::error::Error;
use crate::shown;
use crate::terminal::Colour;
use crate::watch::{JsonLines, Writer, format_parser, patience};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing_tap::Format;
use tracing_tap::wire::LineFilter;

/// Show a recording again: filtered, in any format
///
/// Reads the JSON lines that `watch --output` writes, or `curl` from the HTTP endpoint; contacts no service. A predicate
/// selects as it does live: an event by its fields and those of any span around it, the times of a span by its fields and
/// those of the spans around it. Missing events, gaps and ends are shown where the recording has them, whatever the
/// predicate is. Standard error reports at the end how many events there were, and from when to when.
///
/// A recording that was cut short is replayed up to its last whole line. A line that cannot be read is reported in its
/// place, and the exit code is 1. `@name` is not in a recording and is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracing-tap replay ticket-7.json 'status >= 500'
  tracing-tap replay ticket-7.json --around 12:03:07 --window 5s --format human
  gzip -dc ticket-7.json.gz | tracing-tap replay - 'user = 42 and @level >= warn' --format json > errors.json")]
pub(crate) struct Arguments {
    /// The recording; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which events to show, such as `user = 42`
    #[arg(value_name = "PREDICATE", default_value = "*")]
    predicate: String,
    /// Only what happened around this time: `12:03`, `12:03:07.5` on any day, or `2026-11-30T12:03:07Z`; in UTC, as all
    /// formats show it, unless it has an offset
    #[arg(long, value_name = "TIME")]
    around: Option<Moment>,
    /// How long before and after that time
    #[arg(long, value_name = "TIME", default_value = "30s", requires = "around", value_parser = patience)]
    window: Duration,
    /// The format of the events. Default: `compact` on a terminal, otherwise `json`
    #[arg(long, help_heading = "Output", value_parser = format_parser())]
    format: Option<Format>,
    #[command(flatten)]
    json: JsonLines,
    /// When to use colours; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    color: Colour,
    /// Print only warnings and errors on standard error
    #[arg(long, short, help_heading = "Output")]
    pub(super) quiet: bool,
}

impl Arguments {
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The name of the file in messages.
    pub(super) fn shown_file(&self) -> String {
        if self.file == Path::new("-") {
            return "standard input".to_owned();
        }
        shown::line(&self.file.display().to_string()).into_owned()
    }

    /// Whether the predicate may leave events out.
    pub(super) fn has_predicate(&self) -> bool {
        self.predicate.trim() != "*"
    }

    /// # Errors
    /// If the predicate cannot be read, or tests what a recording does not have.
    pub(super) fn filter(&self) -> Result<LineFilter, Error> {
        let predicate = crate::check::predicate(&self.predicate)?;
        LineFilter::new(&predicate)
            .map_err(|error| Error::usage(error.to_string().trim_start_matches("failed to ").to_owned()))
    }

    pub(super) fn window(&self) -> Option<Window> {
        self.around.map(|moment| Window::new(moment, self.window))
    }

    pub(super) fn writer(&self) -> Writer {
        let usual = if io::stdout().is_terminal() { Format::Compact } else { Format::Json };
        Writer { format: self.format.unwrap_or(usual), is_coloured: self.color.for_stdout(), json: self.json.options() }
    }
}
