//! `tracing-tap profile`: where the matching requests spent their time, by the times of their spans.
//!
//! `gather` reads a session that shows the times of spans and nothing else; `tree` adds them up; `tracing-tap-profile`
//! writes the sum.

mod arguments;
mod gather;
mod tree;

pub(crate) use arguments::Arguments;

use crate::error::Error;
use crate::say;
use crate::watch::{Output, Signals};
use gather::gather;

/// Exit code if nothing matched.
const NOTHING_MATCHED: u8 = 4;

/// Profiles to the end. Returns the exit code.
pub(crate) async fn run(arguments: Arguments) -> Result<u8, Error> {
    let form = arguments.form()?;
    let opening = arguments.opening()?;
    let mut output = Output::file(&arguments.output, false)?;
    let gathered = async {
        let mut signals = Signals::listen()?;
        gather(opening, &mut signals, arguments.quiet).await
    };
    let gathered = match gathered.await {
        Ok(gathered) => gathered,
        Err(error) => {
            output.discard();
            return Err(error);
        }
    };
    say::report(gathered.words());
    if gathered.tree.is_empty() {
        output.discard();
        say::report("error: no span has closed in which the session matches, so there is no profile");
        return Ok(NOTHING_MATCHED);
    }
    let written = form.write(&gathered.profile()).map_err(|cause| Error::caused_by(cause, "write the profile"))?;
    output.write(&written).map_err(|cause| output.failed(cause))?;
    Ok(0)
}
