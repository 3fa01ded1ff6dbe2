//! Opening a session from an environment variable.

use crate::escape::{escaped, escaped_expression};
use crate::forward::Forwarding;
use crate::predicate::{Predicate, PredicateError};
use crate::render::FormatOptions;
use crate::router::{TapRouter, WatchError};
use crate::session::SessionOptions;
use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};

/// Bytes that an error shows of a name, or of a text that is not Unicode.
const MAX_SHOWN_BYTES: usize = 128;

/// The error of [`TapRouter::watch_env`]. `Display` has the variable and the cause, escaped and cut.
#[derive(Debug)]
pub struct WatchEnvError {
    variable: String,
    problem: Cause,
}

#[derive(Debug)]
enum Cause {
    Name,
    Unicode { text: String },
    Predicate(PredicateError),
    Refused(WatchError),
    Forward(io::Error),
}

impl TapRouter {
    /// Opens a session on the predicate in an environment variable, and forwards it to `writer` like
    /// [`forward_to`](crate::EventStream::forward_to). Returns `None` if the variable is unset or blank.
    ///
    /// Opens the session with [`try_watch`](Self::try_watch), so the router's limits apply. Its opener is
    /// `environment variable` followed by the name.
    ///
    /// # Errors
    /// If the text is not Unicode or not a predicate, if `try_watch` refuses the session, if the name is empty or has a `=`
    /// or a NUL, or if the system cannot start a thread. No session is then open.
    ///
    /// ```
    /// use tracing_tap::{Format, TapRouter};
    ///
    /// // Started as `TRACING_TAP='user = 42' my-service`, it would open a session. Here the variable is unset.
    /// let forwarding = TapRouter::new().watch_env("TRACING_TAP", std::io::stderr(), Format::Compact)?;
    /// assert!(forwarding.is_none());
    /// # Ok::<(), tracing_tap::switch::WatchEnvError>(())
    /// ```
    pub fn watch_env(
        &self,
        variable: impl AsRef<OsStr>,
        writer: impl Write + Send + 'static,
        form: impl Into<FormatOptions>,
    ) -> Result<Option<Forwarding>, WatchEnvError> {
        let variable = variable.as_ref();
        let name = escaped(&variable.to_string_lossy(), MAX_SHOWN_BYTES);
        let open = || {
            let Some(predicate) = predicate_of(variable)? else { return Ok(None) };
            let session = SessionOptions::new(predicate).opened_by(format!("environment variable {name}"));
            let stream = self.try_watch(session).map_err(Cause::Refused)?;
            stream.forward_to(writer, form).map(Some).map_err(Cause::Forward)
        };
        open().map_err(|problem| WatchEnvError { variable: name.clone(), problem })
    }
}

fn predicate_of(variable: &OsStr) -> Result<Option<Predicate>, Cause> {
    let name = variable.as_encoded_bytes();
    // The system would report such a variable as unset.
    if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
        return Err(Cause::Name);
    }
    let Some(text) = std::env::var_os(variable) else { return Ok(None) };
    let unicode = || Cause::Unicode { text: escaped_expression(format_args!("{text:?}"), MAX_SHOWN_BYTES) };
    let text = text.to_str().ok_or_else(unicode)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(Cause::Predicate)
}

impl WatchEnvError {
    /// The name of the variable, escaped and cut.
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// Whether the text is not a predicate.
    pub fn is_bad_predicate(&self) -> bool {
        matches!(self.problem, Cause::Predicate(_))
    }

    /// Whether the text is not Unicode.
    pub fn is_bad_unicode(&self) -> bool {
        matches!(self.problem, Cause::Unicode { .. })
    }

    /// Whether the router refused the session.
    pub fn is_refused(&self) -> bool {
        matches!(self.problem, Cause::Refused(_))
    }
}

impl fmt::Display for WatchEnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to open a session from the environment variable `{}`: ", self.variable)?;
        match &self.problem {
            Cause::Name => f.write_str("no variable can have this name"),
            Cause::Unicode { text } => write!(f, "its text is not Unicode: {text}"),
            Cause::Predicate(error) => error.fmt(f),
            Cause::Refused(error) => error.fmt(f),
            Cause::Forward(error) => error.fmt(f),
        }
    }
}

impl Error for WatchEnvError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Cause::Name | Cause::Unicode { .. } => None,
            Cause::Predicate(error) => Some(error),
            Cause::Refused(error) => Some(error),
            Cause::Forward(error) => Some(error),
        }
    }
}
