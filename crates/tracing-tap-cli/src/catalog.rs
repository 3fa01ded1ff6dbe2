//! `tracing-tap catalog`: what there is to ask for.

use crate::error::Error;
use crate::print;
use crate::remote::{Access, Client, Endpoint};
use crate::sessions::ListForm;
use crate::table::{json_lines, table};
use serde::Deserialize;

/// Lists the callsites of a service that were reached so far: its events and spans, and their fields
#[derive(Debug, clap::Args)]
#[command(after_help = "What begins with `http://` or `https://` is the URL, all else the pattern.")]
pub(crate) struct Arguments {
    /// Where the door is; where it is left out, see `--profile`
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Only those with this in their target, name, file or a field, in whatever case
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// The form of the list
    #[arg(long, default_value = "table")]
    format: ListForm,
    #[command(flatten)]
    access: Access,
}

/// A callsite, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Callsite {
    kind: String,
    level: String,
    target: String,
    name: String,
    file: Option<String>,
    line: Option<u32>,
    #[serde(default)]
    fields: Vec<String>,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<(), Error> {
    let (url, pattern) = arguments.places()?;
    let door = Endpoint::new(Client::new(arguments.access.target(url)?)?);
    let mut callsites = Vec::new();
    for value in door.catalog().await? {
        let callsite: Callsite = serde_json::from_value(value.clone())
            .map_err(|cause| Error::caused_by(cause, "understand a callsite as the door tells of it"))?;
        if callsite.contains(pattern.unwrap_or_default()) {
            callsites.push((callsite, value));
        }
    }
    match arguments.format {
        ListForm::Json => print::text(&json_lines(&callsites.into_iter().map(|(_, value)| value).collect::<Vec<_>>())),
        ListForm::Table if callsites.is_empty() => print::text("no callsites\n"),
        ListForm::Table => print::text(&shown_as_table(callsites.into_iter().map(|(callsite, _)| callsite))),
    }
}

impl Arguments {
    /// The URL and the pattern.
    fn places(&self) -> Result<(Option<&str>, Option<&str>), Error> {
        match (self.url.as_deref(), self.pattern.as_deref()) {
            (Some(first), None) if !first.contains("://") => Ok((None, Some(first))),
            (Some(first), Some(_)) if !first.contains("://") => {
                let advice = "of two arguments the first is the URL: `http://host:port/path`";
                Err(Error::usage(format!("read the URL `{first}`")).advise(advice))
            }
            places => Ok(places),
        }
    }
}

impl Callsite {
    fn contains(&self, pattern: &str) -> bool {
        let pattern = pattern.to_lowercase();
        let texts = [&self.target, &self.name].into_iter().chain(&self.file).chain(&self.fields);
        texts.into_iter().any(|text| text.to_lowercase().contains(&pattern))
    }

    fn place(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.clone(),
            _ => "-".to_owned(),
        }
    }
}

fn shown_as_table(callsites: impl Iterator<Item = Callsite>) -> String {
    let rows = callsites.map(|callsite| {
        let place = callsite.place();
        let Callsite { kind, level, target, name, fields, .. } = callsite;
        // An event's name is its place.
        let name = if kind == "span" { name } else { "-".to_owned() };
        vec![kind, level, target, name, place, fields.join(" ")]
    });
    table(&["kind", "level", "target", "name", "place", "fields"], &[], rows)
}
