//! The query of a URL: every parameter is known and given once, or the request is refused by its name.

use super::ask::{Ask, invalid};
use super::problem::{Problem, ProblemKind};
use super::url_token::{TOKEN_ADVICE, is_token_name};
use percent_encoding::percent_decode_str;
use std::str::FromStr;
use tracing_tap::escape::escaped;

/// How much of a parameter's name a refusal shows.
const MAX_SHOWN_BYTES: usize = 64;

/// Parameters of which each is known.
#[derive(Debug)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Reads a query that may have these parameters.
    ///
    /// # Errors
    /// Where a parameter is unknown, comes twice, or is no UTF-8.
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
        let read = |text: &str| text.parse().map_err(|_| invalid(name, format!("`{name}` is no number it can be")));
        self.get(name).map(read).transpose()
    }

    /// Whether a parameter that is `1` or absent is there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
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
            name: text("name"),
            capacity: self.number("capacity")?,
        })
    }
}

/// As a browser's `URLSearchParams` writes it: a plus is a space.
fn decode(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned());
    decoded.map_err(|_| {
        Problem::new(ProblemKind::BadRequest, "the query is no UTF-8: encode each byte as `%` and two digits")
    })
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let shown = escaped(name, MAX_SHOWN_BYTES);
    let known_names = known.join("`, `");
    let detail = if is_token_name(name) {
        format!("there is no parameter `{shown}` here: {TOKEN_ADVICE}")
    } else if known.is_empty() {
        format!("there is no parameter `{shown}` here: leave the query out")
    } else {
        format!("there is no parameter `{shown}` here: known are `{known_names}`")
    };
    Problem::new(ProblemKind::UnknownParameter, detail).with("parameter", shown).with("known", known)
}
