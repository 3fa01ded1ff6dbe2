//! Room for both ends of every connection among the process's file descriptors.

use crate::error::Error;

/// Both ends of a connection are here.
const PER_CONNECTION: u64 = 2;
/// For the standard streams, the listener and what the runtime needs.
const RESERVE: u64 = 64;

/// Raises the process's own limit where it is too low for so many connections.
///
/// # Errors
/// Where the system's limit for the process is too low.
pub(crate) fn allow_for(connections: u64) -> Result<(), Error> {
    let needed = connections * PER_CONNECTION + RESERVE;
    let allowed = rlimit::increase_nofile_limit(needed)
        .map_err(|cause| Error::caused_by(cause, format!("raise the limit of open files to {needed}")))?;
    if allowed >= needed {
        return Ok(());
    }
    let possible = allowed.saturating_sub(RESERVE) / PER_CONNECTION;
    Err(Error::new(format!(
        "open {connections} connections: they need {needed} file descriptors, and this process may have {allowed}; \
         raise its hard limit (`ulimit -Hn`), or ask for at most `--connections {possible}`"
    )))
}
