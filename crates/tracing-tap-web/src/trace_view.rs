//! The address of a trace in another tool, as a template that the page fills in.

use std::error::Error;
use std::fmt;

/// Where the id goes.
const PLACE: &str = "{trace_id}";
/// What a URL has besides letters and digits, and the page puts into a link as it is.
const OTHER_CHARACTERS: &str = "-._~:/?#[]@!$&'()*+,;=%";

/// An address with [`PLACE`] in it once, behind the host.
#[derive(Clone, Debug)]
pub(super) struct TraceView(String);

/// A template of [`Endpoint::trace_view`](super::Endpoint::trace_view) that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceViewError(Mistake);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    Scheme,
    Place,
    Host,
    Character(char),
}

impl TraceView {
    /// # Errors
    /// If it is no address of `http` or `https` with one [`PLACE`] behind its host, and nothing else to be filled in.
    pub(super) fn new(template: &str) -> Result<Self, TraceViewError> {
        Self::check(template).map_err(TraceViewError)?;
        Ok(Self(template.to_owned()))
    }

    fn check(template: &str) -> Result<(), Mistake> {
        let (scheme, rest) = template.split_once("://").ok_or(Mistake::Scheme)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(Mistake::Scheme);
        }
        let (before, after) = rest.split_once(PLACE).ok_or(Mistake::Place)?;
        if after.contains(PLACE) {
            return Err(Mistake::Place);
        }
        let is_allowed = |character: &char| character.is_ascii_alphanumeric() || OTHER_CHARACTERS.contains(*character);
        if let Some(character) = before.chars().chain(after.chars()).find(|character| !is_allowed(character)) {
            return Err(Mistake::Character(character));
        }
        // With a name in front of the host, the reader of the link may take that for the host.
        let (host, _) = before.split_once(['/', '?', '#']).ok_or(Mistake::Host)?;
        if host.is_empty() || host.contains('@') { Err(Mistake::Host) } else { Ok(()) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address of a trace: ")?;
        match self.0 {
            Mistake::Scheme => f.write_str("it must begin with `http://` or `https://`"),
            Mistake::Place => write!(f, "it must have `{PLACE}` in it once"),
            Mistake::Host => write!(f, "it must have a host, without a user name, and `{PLACE}` behind it"),
            Mistake::Character(character) => write!(f, "{character:?} must be written in percent-encoding"),
        }
    }
}

impl Error for TraceViewError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: Result<(), Mistake>) {
        assert_eq!(TraceView::check(template), expected, "{template}");
    }

    #[test]
    fn only_web_addresses_with_one_place_are_accepted() {
        check("https://jaeger.example/trace/{trace_id}", Ok(()));
        check("HTTP://[::1]:16686/trace/{trace_id}?uiEmbed=v0#top", Ok(()));
        check("https://grafana.example/explore?left=%7B%22query%22:%22{trace_id}%22%7D", Ok(()));
        check("javascript:alert(1)//{trace_id}", Err(Mistake::Scheme));
        check("javascript://x/{trace_id}", Err(Mistake::Scheme));
        check(" https://jaeger.example/{trace_id}", Err(Mistake::Scheme));
        check("/trace/{trace_id}", Err(Mistake::Scheme));
        check("https://jaeger.example/trace", Err(Mistake::Place));
        check("https://jaeger.example/{trace_id}/{trace_id}", Err(Mistake::Place));
        check("https://jaeger.example/{trace_id}/{span_id}", Err(Mistake::Character('{')));
        check("https://jaeger.example/{trace_id}\n", Err(Mistake::Character('\n')));
        check("https://jaeger.example/\"{trace_id}", Err(Mistake::Character('"')));
        check("https://{trace_id}.example/", Err(Mistake::Host));
        check("https:///{trace_id}", Err(Mistake::Host));
        check("https://jaeger.example@evil.example/{trace_id}", Err(Mistake::Host));
    }
}
