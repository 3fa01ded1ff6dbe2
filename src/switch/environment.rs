//! A session from an environment variable.

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

/// How much of a name or of a text that is not Unicode an error shows.
const MAX_SHOWN_BYTES: usize = 128;

/// Why [`TapRouter::watch_env`] opened no session.
///
/// `Display` names the variable; what is wrong with its text is the [`source`](Error::source).
#[derive(Debug)]
pub struct WatchEnvError {
    variable: String,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Name,
    Unicode { text: String },
    Predicate(PredicateError),
    Refused(WatchError),
    Forward(io::Error),
}

impl TapRouter {
    /// Opens a session on the predicate that an environment variable holds in its text form, and forwards it to `writer`
    /// as [`forward_to`](crate::EventStream::forward_to) does. Nothing where the variable is not set or is blank.
    ///
    /// The session is opened as [`try_watch`](Self::try_watch) opens it, by `environment variable` and the name.
    ///
    /// # Errors
    /// Where the text is no predicate or not Unicode, where `try_watch` refuses the session, where the name is not one
    /// that a variable can have, and where the system refuses a thread. No session is open then.
    ///
    /// ```
    /// use tracing_tap::{Format, TapRouter};
    ///
    /// // `TRACING_TAP='user = 42' my-service`; this one was started without it.
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
            let stream = self.try_watch(session).map_err(Problem::Refused)?;
            stream.forward_to(writer, form).map(Some).map_err(Problem::Forward)
        };
        open().map_err(|problem| WatchEnvError { variable: name.clone(), problem })
    }
}

fn predicate_of(variable: &OsStr) -> Result<Option<Predicate>, Problem> {
    let name = variable.as_encoded_bytes();
    // The system would say that no such variable is set.
    if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
        return Err(Problem::Name);
    }
    let Some(text) = std::env::var_os(variable) else { return Ok(None) };
    let unicode = || Problem::Unicode { text: escaped_expression(format_args!("{text:?}"), MAX_SHOWN_BYTES) };
    let text = text.to_str().ok_or_else(unicode)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(Problem::Predicate)
}

impl WatchEnvError {
    /// The name of the variable, escaped and cut.
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// Whether the text is no predicate.
    pub fn is_bad_predicate(&self) -> bool {
        matches!(self.problem, Problem::Predicate(_))
    }

    /// Whether the text is not Unicode.
    pub fn is_bad_unicode(&self) -> bool {
        matches!(self.problem, Problem::Unicode { .. })
    }

    /// Whether the router refused the session.
    pub fn is_refused(&self) -> bool {
        matches!(self.problem, Problem::Refused(_))
    }
}

impl fmt::Display for WatchEnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "open a session from the environment variable `{}`", self.variable)?;
        match &self.problem {
            Problem::Name => f.write_str(": no variable can have this name"),
            Problem::Unicode { text } => write!(f, ": its text is not Unicode: {text}"),
            Problem::Predicate(_) | Problem::Refused(_) | Problem::Forward(_) => Ok(()),
        }
    }
}

impl Error for WatchEnvError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Problem::Name | Problem::Unicode { .. } => None,
            Problem::Predicate(error) => Some(error),
            Problem::Refused(error) => Some(error),
            Problem::Forward(error) => Some(error),
        }
    }
}
