//! Files that are something other than a recording in JSON lines.

use super::line;
use crate::error::Error;
use crate::shown;
use serde::Deserialize;

/// How much of a line is shown.
const MAX_CHARS: usize = 60;

/// The first line of a file that has no line of a recording.
#[derive(Debug)]
pub(super) struct Stranger {
    number: u64,
    /// Its beginning.
    text: Vec<u8>,
    why: String,
    /// Whether the next line begins the block of an event in the human format.
    precedes_block: bool,
}

impl Stranger {
    pub(super) fn new(number: u64, line: &[u8], why: String) -> Self {
        Self { number, text: line[..line.len().min(4 << 10)].to_vec(), why, precedes_block: false }
    }

    /// Takes the line behind it into account.
    pub(super) fn followed_by(self, next: &[u8]) -> Self {
        Self { precedes_block: next.starts_with(b"  time: ") || next.starts_with(b"  level: "), ..self }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn why(&self) -> &str {
        &self.why
    }

    pub(super) fn error(&self, file: &str) -> Error {
        let begins = match str::from_utf8(&self.text) {
            Ok(text) => format!("`{}`", shown::line(&text.chars().take(MAX_CHARS).collect::<String>())),
            Err(_) => "bytes that are not text".to_owned(),
        };
        let number = self.number;
        let expected = "expected a line of JSON with a `type`, as `tracing-tap watch --output` writes it";
        Error::usage(format!("replay {file}: line {number}: {expected}, found {begins}")).advise(self.advice())
    }

    fn advice(&self) -> String {
        let only_json = "only JSON lines can be replayed, which `watch --format json` writes";
        let written_with = |format: &str| format!("it looks like `watch --format {format}`; {only_json}");
        let text = String::from_utf8_lossy(&self.text);
        match &*self.text {
            [0x1f, 0x8b, ..] => "it is compressed: `gzip -dc FILE | tracing-tap replay -`".to_owned(),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed: `zstd -dc FILE | tracing-tap replay -`".to_owned(),
            _ if self.precedes_block || text.starts_with("  -- ") => written_with("human"),
            _ if text.starts_with("-- ") || begins_with_time(&text) => written_with("compact"),
            _ if ["::debug", "::notice", "::warning", "::error"].iter().any(|word| text.starts_with(word)) => {
                written_with("github")
            }
            _ if ["data:", "event:", "id:", "retry:", ": "].iter().any(|word| text.starts_with(word)) => {
                "it looks like server-sent events; record with `Accept: application/x-ndjson`".to_owned()
            }
            line if is_log(line) => "it looks like a log of `fmt().json()`, which is not a recording".to_owned(),
            _ => format!("{only_json}; the text of the parser: {}", self.why),
        }
    }
}

/// Whether it begins as a line of the compact format: `08:15:02.123Z DEBUG`.
fn begins_with_time(text: &str) -> bool {
    let text = text.split_once("] ").filter(|(instance, _)| instance.starts_with('[')).map_or(text, |(_, text)| text);
    let form = "00:00:00.000Z ";
    text.len() > form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            sign => byte == sign,
        })
}

fn is_log(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "that it is there is the test")]
    struct Log {
        timestamp: serde::de::IgnoredAny,
        level: serde::de::IgnoredAny,
    }
    serde_json::from_slice::<Log>(line).is_ok()
}

/// What is known of the lines of a file so far.
#[derive(Debug, Default)]
pub(super) enum Known {
    /// Nothing yet.
    #[default]
    Nothing,
    /// The first line could not be read: it may be the rest of one, or the file something else.
    Suspect(Stranger),
    /// It is a recording.
    Recording,
}

impl Known {
    /// Whether a rest without a line break, in a file of which nothing else is known, may be a recording cut short.
    pub(super) fn may_be_cut(&self, rest: &[u8]) -> bool {
        matches!(self, Self::Recording) || line::may_begin_line(rest)
    }
}
