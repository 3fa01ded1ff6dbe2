//! `profile --cpu`: the service samples itself, and sends the file when the time is over.

use super::arguments::Arguments;
use crate::error::Error;
use crate::say;
use crate::watch::{Output, Signals};
use tracing_tap_profile::forms::Form;

pub(super) async fn run(arguments: &Arguments, form: Form) -> Result<u8, Error> {
    let (endpoint, ask) = arguments.cpu_profile(form)?;
    let mut output = Output::file(&arguments.output, false)?;
    let sampled = async {
        let mut signals = Signals::listen()?;
        let profile = endpoint.cpu_profile(&ask).await?;
        if !arguments.quiet {
            let predicate = crate::shown::line(&ask.session.q);
            say::report(format!("Sampling {predicate} at {}; Ctrl-C ends it without a profile.", endpoint.base()));
        }
        tokio::select! {
            bytes = profile.read() => bytes,
            () = signals.next() => Err(Error::new("profile: interrupted, and the service ends the profile")),
        }
    };
    match sampled.await {
        Ok(bytes) if bytes.is_empty() => {
            output.discard();
            say::report("error: no sample was taken in a span in which the session matches, so there is no profile");
            Ok(super::NOTHING_MATCHED)
        }
        Ok(bytes) => output.write(&bytes).map_err(|cause| output.failed(cause)).map(|()| 0),
        Err(error) => {
            output.discard();
            Err(error)
        }
    }
}
