//! The query of a URL. An unknown or repeated parameter is an error that names it.

use super::ask::{Ask, invalid};
use super::problem::{Problem, ProblemKind};
use super::url_token::{TOKEN_ADVICE, is_token_name};
use percent_encoding::percent_decode_str;
use std::str::FromStr;
use tracing_tap::escape::escaped;

/// Length to which an error shortens a parameter's name.
const MAX_SHOWN_BYTES: usize = 64;

/// Known parameters, each at most once.
#[derive(Debug)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Reads a query that may have these parameters.
    ///
    /// # Errors
    /// If a parameter is unknown, repeated, or not UTF-8.
    pub(super) fn read(query: Option<&str>, known: &[&'static str]) -> Result<Self, Problem> {
        let mut read = Self(Vec::new());
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            let name = known.iter().find(|known| **known == name).ok_or_else(|| unknown(&name, known))?;
            if read.get(name).is_some() {
                let detail = format!("`{name}` is given more than once");
                return Err(Problem::new(ProblemKind::RepeatedParameter, detail).with("parameter", *name));
            }
            read.0.push((name, value));
        }
        Ok(read)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, Problem> {
        let read =
            |text: &str| text.parse().map_err(|_| invalid(name, format!("`{name}` is not a number in its range")));
        self.get(name).map(read).transpose()
    }

    /// Whether a flag is set: `1` and `true` are, `0`, `false` and absent are not.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.flag_if_given(name)?.unwrap_or_default())
    }

    fn flag_if_given(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some("0" | "false") => Ok(Some(false)),
            Some("1" | "true") => Ok(Some(true)),
            Some(_) => Err(invalid(name, format!("`{name}` is neither `0` nor `1`"))),
        }
    }

    /// The session asked for.
    pub(super) fn ask(&self) -> Result<Ask, Problem> {
        let text = |name| self.get(name).map(str::to_owned);
        Ok(Ask {
            q: text("q").unwrap_or_default(),
            level: text("level"),
            duration: text("for"),
            max: self.number("max")?,
            rate: self.number("rate")?,
            sample: self.number("sample")?,
            follow: text("follow"),
            spans: text("spans"),
            timings: self.flag_if_given("timings")?,
            events: self.flag_if_given("events")?,
            look_back: text("look_back"),
            name: text("name"),
            capacity: self.number("capacity")?,
            only_if: text("only_if"),
            slower_than: text("slower_than"),
        })
    }
}

/// Decodes what a browser's `URLSearchParams` writes: a plus is a space.
fn decode(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned());
    decoded.map_err(|_| {
        Problem::new(
            ProblemKind::BadRequest,
            "the query is not UTF-8; each of its bytes is encoded as `%` and two digits",
        )
    })
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let shown = escaped(name, MAX_SHOWN_BYTES);
    let known_names = known.join("`, `");
    let detail = if is_token_name(name) {
        format!("unknown parameter `{shown}`: {TOKEN_ADVICE}")
    } else if known.is_empty() {
        format!("unknown parameter `{shown}`: this path takes no query")
    } else {
        format!("unknown parameter `{shown}`; known are `{known_names}`")
    };
    Problem::new(ProblemKind::UnknownParameter, detail).with("parameter", shown).with("known", known)
}
