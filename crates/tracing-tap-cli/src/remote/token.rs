//! The token, which is never an argument, because every user of the machine can see arguments.

use crate::error::Error;
use crate::say;
use hyper::header::HeaderValue;
use std::fmt;
use std::fs;
use std::path::Path;

pub(crate) const VARIABLE: &str = "TRACING_TAP_TOKEN";

/// A token, as the header that carries it.
#[derive(Clone)]
pub(crate) struct Token(HeaderValue);

impl Token {
    /// The token of the environment, if it has one.
    pub(crate) fn of_environment() -> Result<Option<Self>, Error> {
        let Some(value) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let text = value.to_str().ok_or_else(|| Error::usage(format!("read {VARIABLE}: it is not UTF-8")))?;
        Self::read(text, VARIABLE).map(Some)
    }

    /// The token in a file; warns if others can read it.
    pub(crate) fn of_file(path: &Path) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|cause| Error::caused_by(cause, format!("read the token file `{shown}`")).into_usage())?;
        warn_if_others_can_read("token", path);
        Self::read(&text, &format!("the token file `{shown}`"))
    }

    fn read(text: &str, place: &str) -> Result<Self, Error> {
        let token = text.trim_end_matches(['\r', '\n']);
        if token.is_empty() {
            return Err(Error::usage(format!("read {place}: it is empty")).advise("it must be the endpoint's token"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem =
                "it has characters that a token cannot have: spaces, line breaks, or characters outside ASCII";
            return Err(Error::usage(format!("read {place}: {problem}")));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|cause| Error::caused_by(cause, format!("read {place}")))?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// The value of the header `Authorization`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(unix)]
pub(crate) fn warn_if_others_can_read(what: &str, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode()).unwrap_or(0);
    if mode & 0o077 != 0 {
        let shown = path.display();
        say::warn(format_args!("others can read the {what} file `{shown}`: `chmod 600 {shown}`"));
    }
}

#[cfg(not(unix))]
pub(crate) fn warn_if_others_can_read(_: &str, _: &Path) {}

/// Does not show the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_line_break_is_not_part_of_a_token() {
        for text in ["abc", "abc\n", "abc\r\n"] {
            assert_eq!(Token::read(text, "it").unwrap().header(), "Bearer abc");
        }
    }

    #[test]
    fn an_invalid_token_is_refused_and_not_shown() {
        for text in ["", "\n", "a b", "a\nb", "é"] {
            let error = Token::read(text, "the file").unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().starts_with("read the file: it "), "{error}");
        }
        assert_eq!(format!("{:?}", Token::read("secret", "it").unwrap()), "Token");
    }
}
