//! `tracing-tap sessions`: the sessions that are open at an HTTP endpoint.

use crate::error::Error;
use crate::print;
use crate::remote::{Access, Client, Endpoint, SessionInfo};
use crate::table::{json_lines, table};
use crate::watch::short;
use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

/// List your sessions at an HTTP endpoint, or all sessions if you are an admin there
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// URL of the HTTP endpoint. Default: see `--profile`
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The format of the list
    #[arg(long, default_value = "table")]
    format: ListFormat,
    #[command(flatten)]
    access: Access,
}

/// A format of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// A table, for reading
    Table,
    /// A line of JSON for each, with all details, for programs
    Json,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<(), Error> {
    let endpoint = Endpoint::new(Client::new(arguments.access.target(arguments.url.as_deref())?)?);
    let sessions = endpoint.sessions().await?;
    match arguments.format {
        ListFormat::Json => print::text(&json_lines(&sessions)),
        ListFormat::Table => print::text(&shown_as_table(&sessions)?),
    }
}

fn shown_as_table(sessions: &[Value]) -> Result<String, Error> {
    let sessions = sessions.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if sessions.is_empty() {
        return Ok("no sessions\n".to_owned());
    }
    let headers = [
        "id",
        "name",
        "opened by",
        "predicate",
        "level",
        "spans",
        "state",
        "left",
        "matched",
        "delivered",
        "lost",
        "kept back",
        "waiting",
    ];
    Ok(table(&headers, &[8, 9, 10, 11, 12], sessions.into_iter().map(row)))
}

/// Reads a session in the endpoint's answer.
pub(crate) fn read(session: &Value) -> Result<SessionInfo, Error> {
    let read = serde_json::from_value(session.clone());
    read.map_err(|cause| Error::caused_by(cause, "read a session in the endpoint's answer"))
}

fn row(session: SessionInfo) -> Vec<String> {
    let SessionInfo { id, name, opened_by, predicate, level, spans, is_read, has_ended, stats, expires_at, .. } =
        session;
    let state = match (has_ended, is_read) {
        (true, _) => "ended",
        (false, true) => "read",
        (false, false) => "unread",
    };
    let numbers = [stats.matched, stats.delivered, stats.lost, stats.missing.kept_back(), stats.buffered];
    let [name, level, spans] = [name, level, spans].map(|text| text.unwrap_or_else(|| "-".to_owned()));
    let texts = [short(&id), name, opened_by, predicate, level, spans, state.to_owned(), left(expires_at)];
    texts.into_iter().chain(numbers.map(|number| number.to_string())).collect()
}

/// The time left, by this machine's clock.
fn left(expires_at: Option<Timestamp>) -> String {
    let Some(end) = expires_at else { return "-".to_owned() };
    let seconds = end.duration_since(Timestamp::now()).as_secs().max(0);
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
