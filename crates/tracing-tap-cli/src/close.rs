//! `tracing-tap close`: ends a session.

use crate::error::Error;
use crate::print;
use crate::remote::{Access, Client, Endpoint};
use crate::sessions;
use crate::watch::short;

/// Close a session; its reader gets what is left, then the end
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct Arguments {
    /// URL of the HTTP endpoint. Default: see `--profile`
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The session's id, or an unambiguous beginning of it; `tracing-tap sessions` lists them
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    access: Access,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<(), Error> {
    let endpoint = Endpoint::new(Client::new(arguments.access.target(arguments.url.as_deref())?)?);
    let id = find(&endpoint, &arguments.id).await?;
    endpoint.close(&id).await?;
    print::text(&format!("closed {}\n", short(&id)))
}

/// The only session whose id begins with this.
async fn find(endpoint: &Endpoint, beginning: &str) -> Result<String, Error> {
    if beginning.is_empty() || !beginning.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let advice = "`tracing-tap sessions` lists the ids";
        return Err(Error::usage(format!("close `{beginning}`: an id has hexadecimal digits only")).advise(advice));
    }
    let beginning = beginning.to_ascii_lowercase();
    let sessions = endpoint.sessions().await?.iter().map(sessions::read).collect::<Result<Vec<_>, _>>()?;
    let mut found = sessions.into_iter().filter(|session| session.id.starts_with(&beginning)).map(|session| session.id);
    match (found.next(), found.count()) {
        (Some(id), 0) => Ok(id),
        (Some(_), others) => {
            let count = others + 1;
            Err(Error::usage(format!("close `{beginning}`: {count} ids begin with this"))
                .advise("give more digits of the id"))
        }
        (None, _) => {
            let advice = "`tracing-tap sessions` lists your open sessions";
            Err(Error::refused(format!("close `{beginning}`: no session of yours has such an id")).advise(advice))
        }
    }
}
