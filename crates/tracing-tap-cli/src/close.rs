//! `tracing-tap close`: ends a session.

use crate::error::Error;
use crate::print;
use crate::remote::{Access, Client, Endpoint};
use crate::sessions;
use crate::watch::short;

/// Closes a session; whoever reads it gets what is left, and the end
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct Arguments {
    /// Where the door is; where it is left out, see `--profile`
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The session's id, or as much of its beginning as no other has; `tracing-tap sessions` lists them
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    access: Access,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<(), Error> {
    let door = Endpoint::new(Client::new(arguments.access.target(arguments.url.as_deref())?)?);
    let id = find(&door, &arguments.id).await?;
    door.close(&id).await?;
    print::text(&format!("closed {}\n", short(&id)))
}

/// The one session whose id begins so.
async fn find(door: &Endpoint, beginning: &str) -> Result<String, Error> {
    if beginning.is_empty() || !beginning.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let advice = "`tracing-tap sessions` lists the ids";
        return Err(Error::usage(format!("close `{beginning}`: that is no session's id")).advise(advice));
    }
    let beginning = beginning.to_ascii_lowercase();
    let sessions = door.sessions().await?.iter().map(sessions::read).collect::<Result<Vec<_>, _>>()?;
    let mut found = sessions.into_iter().filter(|session| session.id.starts_with(&beginning)).map(|session| session.id);
    match (found.next(), found.count()) {
        (Some(id), 0) => Ok(id),
        (Some(_), others) => {
            let count = others + 1;
            Err(Error::usage(format!("close `{beginning}`: {count} sessions begin so")).advise("give more of the id"))
        }
        (None, _) => {
            let advice = "`tracing-tap sessions` lists yours; one that is over is not among them";
            Err(Error::refused(format!("close `{beginning}`: no session of yours begins so")).advise(advice))
        }
    }
}
