//! Raises the limit of file descriptors to what all connections need.

use crate::error::Error;

/// Both ends of a connection are in this process.
const PER_CONNECTION: u64 = 2;
/// For the standard streams, the listener and the runtime.
const RESERVE: u64 = 64;

/// Raises the process's limit if it is too low for this many connections.
///
/// # Errors
/// If the system's limit for the process is too low.
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
