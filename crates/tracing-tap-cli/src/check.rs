//! `tracing-tap check`: reads a predicate, and contacts no service.

use crate::error::Error;
use crate::{print, shown};
use std::collections::BTreeSet;
use tracing_tap::Predicate;

/// Read a predicate and print its canonical text
///
/// Prints the canonical text and the tested fields. Contacts no service.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  tracing-tap check 'user == 42 && !(n<1)'")]
pub(crate) struct Arguments {
    /// The predicate to read
    #[arg(value_name = "PREDICATE")]
    predicate: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let predicate = predicate(&arguments.predicate)?;
    let fields: BTreeSet<_> = predicate.field_names().collect();
    let fields: Vec<_> = fields.into_iter().map(shown::line).collect();
    let fields = if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
    print::text(&format!("{}\nfields: {fields}\n", shown::line(&predicate.to_string())))
}

/// Reads a predicate.
///
/// # Errors
/// The library's own, which shows the position.
pub(crate) fn predicate(text: &str) -> Result<Predicate, Error> {
    if text.trim().is_empty() {
        return Err(Error::usage("parse the predicate: it is empty").advise("write `user = 42`, or `*` for everything"));
    }
    // The program says "failed to" itself.
    let attempt = |error: tracing_tap::PredicateError| error.to_string().trim_start_matches("failed to ").to_owned();
    text.parse().map_err(|error| Error::usage(attempt(error)))
}
