//! `profile --cpu`: the service samples itself, and sends the file when the time is over.

use super::arguments::Arguments;
use crate::error::Error;
use crate::remote::{CpuAnswer, Endpoint};
use crate::say;
use crate::watch::{Output, Signals};
use bytes::Bytes;
use tracing_tap_profile::forms::Form;

pub(super) async fn run(arguments: &Arguments, form: Form) -> Result<u8, Error> {
    let (endpoint, ask) = arguments.cpu_profile(form)?;
    let mut output = Output::file(&arguments.output, false)?;
    let sampled = async {
        let mut signals = Signals::listen()?;
        let profile = tokio::select! {
            begun = endpoint.cpu_profile(&ask) => begun?,
            () = signals.next() => return Err(Error::new("profile: interrupted before the service began")),
        };
        if !arguments.quiet {
            let predicate = crate::shown::line(&ask.session.q);
            say::report(format!("Sampling {predicate} at {}; Ctrl-C ends it and writes the profile.", endpoint.base()));
        }
        read(profile, &endpoint, &mut signals).await
    };
    match sampled.await {
        Ok(bytes) if form == Form::Folded && paths(&bytes).next().is_none() => {
            output.discard();
            say::report("error: no sample was taken in a span in which the session matches, so there is no profile");
            Ok(super::NOTHING_MATCHED)
        }
        Ok(bytes) => {
            if form == Form::Folded {
                notes(&bytes).for_each(|note| say::report(crate::shown::line(&note)));
            }
            output.write(&bytes).map_err(|cause| output.failed(cause)).map(|()| 0)
        }
        Err(error) => {
            output.discard();
            Err(error)
        }
    }
}

/// Waits for the file. The first signal ends the profile early; the second one leaves it.
async fn read(profile: CpuAnswer, endpoint: &Endpoint, signals: &mut Signals) -> Result<Bytes, Error> {
    let interrupted = || Error::new("profile: interrupted, and the service ends the profile");
    let session = profile.session.clone();
    let mut file = Box::pin(profile.read());
    tokio::select! {
        bytes = &mut file => return bytes,
        () = signals.next() => {}
    }
    let Some(session) = session else { return Err(interrupted()) };
    let ended = async {
        match endpoint.close(&session).await {
            // It has ended by itself, and its file is on the way.
            Err(error) if error.status() != Some(404) => Err(error),
            _ => file.await,
        }
    };
    tokio::select! {
        bytes = ended => bytes,
        () = signals.next() => Err(interrupted()),
    }
}

const NOTE: &str = "# ";

/// The paths of folded stacks.
fn paths(folded: &[u8]) -> impl Iterator<Item = &[u8]> {
    folded.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(NOTE.as_bytes()))
}

/// What folded stacks say of themselves.
fn notes(folded: &[u8]) -> impl Iterator<Item = String> {
    let lines = folded.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    lines.filter_map(|line| line.strip_prefix(NOTE).map(str::to_owned)).collect::<Vec<_>>().into_iter()
}
