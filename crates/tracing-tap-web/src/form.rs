//! The formats of a stream, and how one is chosen.

use super::answer::json_text;
use super::feed::Position;
use super::hub::PublicId;
use super::problem::{Problem, ProblemKind};
use super::query::Query;
use super::source::SourceItem;
use axum::http::{HeaderMap, header};
use serde_json::Value;
use std::io::Write;
use tracing_tap::render::{Format, FormatOptions, Severity, write_notice};

/// Milliseconds after which a browser reconnects: within a second after the service is back.
const RETRY_MS: u32 = 750;

/// The form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `text/event-stream`, for `EventSource`: of lines of JSON.
    Events(FormatOptions),
    /// `application/x-ndjson`, or text.
    Lines(FormatOptions),
}

/// The parameters that [`Form::of`] reads.
pub(super) const PARAMETERS: [&str; 3] = ["format", "max_line_bytes", "large_integers_as_strings"];

/// A message of the endpoint itself, between the session's items.
#[derive(Debug)]
pub(super) struct Notice {
    /// The event's name and the `type` of its JSON.
    pub(super) name: &'static str,
    /// The members behind `type`.
    pub(super) members: Value,
    /// The same for people.
    pub(super) words: String,
}

impl Form {
    /// The form asked for by a query and headers.
    pub(super) fn of(query: &Query, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut form = Self::choose(query.get("format"), headers)?;
        let (Self::Events(options) | Self::Lines(options)) = &mut form;
        if let Some(bytes) = query.number("max_line_bytes")? {
            *options = options.max_line_bytes(line_bytes(bytes)?);
        }
        if query.flag("large_integers_as_strings")? {
            *options = options.large_integers_as_strings();
        }
        Ok(form)
    }

    /// The form asked for by the parameter `format`, else by the header `Accept`; lines of JSON where neither says.
    fn choose(format: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        match format {
            Some("sse") => Ok(Self::events()),
            Some(name) => name.parse().map(Self::lines).map_err(|_| {
                let detail = "`format` is none of `json`, `sse`, `human`, `compact` and `github`";
                Problem::new(ProblemKind::InvalidParameter, detail).with("parameter", "format")
            }),
            None => Self::accepted(headers).ok_or_else(|| {
                let detail =
                    "the header `Accept` has none of `text/event-stream`, `application/x-ndjson` and `text/plain`";
                Problem::new(ProblemKind::NotAcceptable, detail)
            }),
        }
    }

    /// The acceptable form of the highest quality; the first of several.
    fn accepted(headers: &HeaderMap) -> Option<Self> {
        // One that is no text names no form, which is not the same as naming none.
        let accepts = headers.get_all(header::ACCEPT).iter().map(|value| value.to_str().unwrap_or_default());
        let ranges: Vec<_> = accepts.flat_map(|accept| accept.split(',')).collect();
        if ranges.is_empty() {
            return Some(Self::lines(Format::Json));
        }
        let forms = ranges.iter().filter_map(|range| Some((quality(range), Self::of_range(range)?)));
        let best = forms
            .filter(|(quality, _)| *quality > 0.0)
            .reduce(|best, other| if other.0 > best.0 { other } else { best });
        best.map(|(_, form)| form)
    }

    fn of_range(range: &str) -> Option<Self> {
        match range.split(';').next()?.trim().to_ascii_lowercase().as_str() {
            "text/event-stream" => Some(Self::events()),
            "*/*" | "application/*" | "application/x-ndjson" | "application/jsonl" | "application/json" => {
                Some(Self::lines(Format::Json))
            }
            "text/*" | "text/plain" => Some(Self::lines(Format::Human)),
            _ => None,
        }
    }

    fn events() -> Self {
        Self::Events(FormatOptions::new(Format::Json))
    }

    fn lines(format: Format) -> Self {
        Self::Lines(FormatOptions::new(format))
    }

    pub(super) fn is_events(self) -> bool {
        matches!(self, Self::Events(_))
    }

    pub(super) fn is_lines_of_json(self) -> bool {
        matches!(self, Self::Lines(options) if options.format() == Format::Json)
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Events(_) => "text/event-stream",
            Self::Lines(_) if self.is_lines_of_json() => "application/x-ndjson",
            Self::Lines(_) => "text/plain; charset=utf-8",
        }
    }

    /// Appends the beginning of a stream.
    pub(super) fn write_beginning(self, out: &mut Vec<u8>) {
        if self.is_events() {
            writeln!(out, "retry: {RETRY_MS}\n").expect("memory takes what is written to it");
        }
    }

    /// Appends an item with its position in the session.
    pub(super) fn write(self, out: &mut Vec<u8>, id: &PublicId, position: Position, item: &SourceItem) {
        let (Self::Events(options) | Self::Lines(options)) = self;
        if self.is_events() {
            let written = match item.name() {
                Some(name) => write!(out, "event: {name}\nid: {id}:{position}\ndata: "),
                None => write!(out, "id: {id}:{position}\ndata: "),
            };
            written.expect("memory takes what is written to it");
        }
        item.write(out, options);
        if self.is_events() {
            out.push(b'\n');
        }
    }

    /// Appends a message of the endpoint.
    pub(super) fn write_notice(self, out: &mut Vec<u8>, notice: &Notice) {
        if self.is_events() {
            out.extend_from_slice(b"event: ");
            out.extend_from_slice(notice.name.as_bytes());
            out.extend_from_slice(b"\ndata: ");
        }
        let (Self::Events(options) | Self::Lines(options)) = self;
        match options.format() {
            Format::Json => out.extend_from_slice(notice.json().as_bytes()),
            format => write_notice(out, Severity::Notice, &notice.words, format),
        }
        if self.is_events() {
            out.push(b'\n');
        }
    }

    /// Appends a comment that keeps a silent connection alive, if the form has comments.
    pub(super) fn write_heartbeat(self, out: &mut Vec<u8>) {
        if self.is_events() {
            out.extend_from_slice(b":\n\n");
        }
    }

    /// Appends the shortest text without a meaning: only sending shows whether a half-closed peer is still there.
    pub(super) fn write_sign(self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.is_events() { b":\n\n" } else { b"\n" });
    }
}

fn line_bytes(bytes: usize) -> Result<usize, Problem> {
    let least = FormatOptions::MIN_LINE_BYTES;
    if bytes >= least {
        return Ok(bytes);
    }
    let detail = format!("`max_line_bytes` is less than {least}, the minimum");
    Err(Problem::new(ProblemKind::InvalidParameter, detail).with("parameter", "max_line_bytes").with("limit", least))
}

/// The quality of a range of media types, from 0 to 1.
fn quality(range: &str) -> f32 {
    let parameters = range.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
    let given = parameters.filter(|(name, _)| name.eq_ignore_ascii_case("q")).last();
    given.map_or(1.0, |(_, value)| value.trim().parse().unwrap_or(0.0))
}

impl Notice {
    /// In one line.
    fn json(&self) -> String {
        let mut document = serde_json::Map::new();
        document.insert("type".to_owned(), self.name.into());
        if let Value::Object(members) = &self.members {
            document.extend(members.clone());
        }
        json_text(&Value::Object(document))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[track_caller]
    fn check(accept: Option<&'static str>, expected: Option<Form>) {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        assert_eq!(Form::choose(None, &headers).ok(), expected, "{accept:?}");
    }

    #[test]
    fn the_form_of_highest_quality_is_used_json_lines_by_default() {
        let (json, human) = (Form::lines(Format::Json), Form::lines(Format::Human));
        check(None, Some(json));
        check(Some("*/*"), Some(json));
        check(Some("text/event-stream"), Some(Form::events()));
        check(Some("text/html, TEXT/EVENT-STREAM ;q=0.5, */*;q=0.1"), Some(Form::events()));
        check(Some("text/plain"), Some(human));
        check(Some("text/event-stream;q=0, */*;q=0.3"), Some(json));
        check(Some("image/png"), None);
        check(Some("text/event-stream;q=none"), None);
    }
}
