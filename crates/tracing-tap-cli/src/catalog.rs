//! `tracing-tap catalog`: the callsites of a service.

use crate::error::Error;
use crate::print;
use crate::remote::{Access, Client, Endpoint};
use crate::sessions::ListFormat;
use crate::table::{json_lines, table};
use serde::Deserialize;

/// List the callsites that a service has reached so far: its events and spans, with their fields
#[derive(Debug, clap::Args)]
#[command(after_help = "An argument that begins with `http://` or `https://` is the URL, any other is the pattern.")]
pub(crate) struct Arguments {
    /// URL of the HTTP endpoint. Default: see `--profile`
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Only callsites whose target, name, file or a field contains this text, in any case
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// The format of the list
    #[arg(long, default_value = "table")]
    format: ListFormat,
    #[command(flatten)]
    access: Access,
}

/// The parts of a callsite that are shown.
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
    let (url, pattern) = arguments.url_and_pattern()?;
    let endpoint = Endpoint::new(Client::new(arguments.access.target(url)?)?);
    let mut callsites = Vec::new();
    for value in endpoint.catalog().await? {
        let callsite: Callsite = serde_json::from_value(value.clone())
            .map_err(|cause| Error::caused_by(cause, "read a callsite in the endpoint's answer"))?;
        if callsite.contains(pattern.unwrap_or_default()) {
            callsites.push((callsite, value));
        }
    }
    match arguments.format {
        ListFormat::Json => {
            print::text(&json_lines(&callsites.into_iter().map(|(_, value)| value).collect::<Vec<_>>()))
        }
        ListFormat::Table if callsites.is_empty() => print::text("no callsites\n"),
        ListFormat::Table => print::text(&shown_as_table(callsites.into_iter().map(|(callsite, _)| callsite))),
    }
}

impl Arguments {
    /// The URL and the pattern.
    fn url_and_pattern(&self) -> Result<(Option<&str>, Option<&str>), Error> {
        match (self.url.as_deref(), self.pattern.as_deref()) {
            (Some(first), None) if !first.contains("://") => Ok((None, Some(first))),
            (Some(first), Some(_)) if !first.contains("://") => {
                let advice = "of two arguments the first is the URL: `http://host:port/path`";
                Err(Error::usage(format!("read the URL `{first}`")).advise(advice))
            }
            url_and_pattern => Ok(url_and_pattern),
        }
    }
}

impl Callsite {
    fn contains(&self, pattern: &str) -> bool {
        let pattern = pattern.to_lowercase();
        let texts = [&self.target, &self.name].into_iter().chain(&self.file).chain(&self.fields);
        texts.into_iter().any(|text| text.to_lowercase().contains(&pattern))
    }

    fn location(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{}:{line}", short_path(file)),
            (Some(file), None) => short_path(file).to_owned(),
            _ => "-".to_owned(),
        }
    }
}

/// A file of a dependency by its crate, `hyper-1.6.0/src/client.rs`, without the folder that cargo unpacked it to.
fn short_path(file: &str) -> &str {
    let below = ["registry/src/", r"registry\src\"].iter().find_map(|folder| file.split_once(folder));
    let in_index = below.and_then(|(_, below)| below.split_once(['/', '\\']));
    in_index.map_or(file, |(_, path)| path)
}

fn shown_as_table(callsites: impl Iterator<Item = Callsite>) -> String {
    let rows = callsites.map(|callsite| {
        let location = callsite.location();
        let Callsite { kind, level, target, name, fields, .. } = callsite;
        // An event's name is its source location.
        let name = if kind == "span" { name } else { "-".to_owned() };
        vec![kind, level, target, name, location, fields.join(" ")]
    });
    table(&["kind", "level", "target", "name", "place", "fields"], &[], rows)
}

#[cfg(test)]
mod tests {
    use super::short_path;

    #[test]
    fn a_path_in_the_registry_is_shortened_to_its_crate() {
        for (path, shown) in [
            ("/home/ann/.cargo/registry/src/index-1949cf8c6b5b557f/hyper-1.6.0/src/a.rs", "hyper-1.6.0/src/a.rs"),
            (r"C:\ann\.cargo\registry\src\index-19\hyper-1.6.0\src\a.rs", r"hyper-1.6.0\src\a.rs"),
            ("src/registry/src/hub.rs", "src/registry/src/hub.rs"),
            ("src/hub.rs", "src/hub.rs"),
        ] {
            assert_eq!(short_path(path), shown);
        }
    }
}
