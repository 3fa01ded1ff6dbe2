//! Filters the lines of a recording, and prints them.

use super::arguments::Arguments;
use super::line::{self, Timestamps};
use super::notices::Other;
use super::strangers::{Known, Stranger};
use super::summary::{Kind, Summary};
use super::window::Window;
use crate::error::Error;
use crate::shown;
use crate::watch::{Update, Writer};
use std::io::{self, Write};
use tracing_tap::Format;
use tracing_tap::render::{Severity, write_notice};
use tracing_tap::wire::LineFilter;

/// How much is written at once.
const WRITE_BYTES: usize = 64 << 10;
/// How much may wait for the next event before it is shown anyway.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// How the playing ended.
#[derive(Debug)]
pub(super) enum Played {
    All(Summary),
    /// The reader of the output has gone.
    ReaderGone,
}

/// Where an event is in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Inside,
    Outside,
    Unknown,
}

/// Takes lines in order.
#[derive(Debug)]
pub(super) struct Player {
    filter: LineFilter,
    timestamps: Timestamps,
    window: Option<Window>,
    writer: Writer,
    known: Known,
    out: Vec<u8>,
    /// Whether the last event was in the window. What has no time of its own is shown next to an event that is.
    is_inside: bool,
    /// What came since an event outside the window, in the output format.
    waiting: Vec<u8>,
    times: (Vec<u8>, Vec<u8>),
    summary: Summary,
}

impl Player {
    pub(super) fn new(arguments: &Arguments) -> Result<Self, Error> {
        let (writer, window) = (arguments.writer(), arguments.window());
        let summary = Summary {
            is_filtered: window.is_some() || arguments.has_predicate(),
            shows_unknown: writer.format == Format::Json,
            ..Summary::default()
        };
        Ok(Self {
            filter: arguments.filter()?,
            timestamps: Timestamps::default(),
            is_inside: window.is_none(),
            window,
            writer,
            known: Known::default(),
            out: Vec::new(),
            waiting: Vec::new(),
            times: (Vec::new(), Vec::new()),
            summary,
        })
    }

    /// Takes a whole line.
    ///
    /// # Errors
    /// The first line, if neither it nor this one is of a recording.
    #[inline]
    pub(super) fn take(&mut self, line: &[u8]) -> Result<(), Stranger> {
        self.summary.lines += 1;
        if line::begins_as_event(line) && matches!(self.known, Known::Recording) {
            self.take_numbered(line, Kind::Event);
            return Ok(());
        }
        self.take_other(line)
    }

    /// Takes what is behind the last line break.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn take_rest(&mut self, rest: &[u8]) -> Result<(), Stranger> {
        let is_empty = rest.iter().all(u8::is_ascii_whitespace);
        if !is_empty && line::type_of(rest).is_err() && self.known.may_be_cut(rest) {
            self.summary.cut = Some((self.summary.lines + 1, rest.len()));
        } else if !is_empty {
            self.take(rest)?;
        }
        match std::mem::take(&mut self.known) {
            Known::Suspect(stranger) if self.summary.cut.is_none() => Err(stranger),
            Known::Suspect(stranger) => {
                self.write_unreadable(stranger.number(), stranger.why());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn has_full_buffer(&self) -> bool {
        self.out.len() >= WRITE_BYTES
    }

    /// Writes what there is; `false` if nobody reads it.
    pub(super) fn write(&mut self) -> Result<bool, Error> {
        if self.out.is_empty() {
            return Ok(true);
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.out).and_then(|()| stdout.flush());
        self.out.clear();
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::caused_by(error, "write to standard output")),
        }
    }

    pub(super) fn into_summary(mut self) -> Summary {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !self.times.0.is_empty() {
            self.summary.times = Some((text(&self.times.0), text(&self.times.1)));
        }
        self.summary
    }

    #[inline]
    fn take_numbered(&mut self, line: &[u8], kind: Kind) {
        let may_be_shown = match self.place(line) {
            Place::Outside => false,
            Place::Inside => self.filter.may_match(line),
            Place::Unknown => return self.write_unreadable(self.summary.lines, "its `timestamp` is not a time"),
        };
        if !may_be_shown && line::looks_whole(line) {
            self.summary.of(kind).there += 1;
            return;
        }
        match self.filter.is_match(line) {
            Ok(true) if self.is_inside => self.write_numbered(line, kind),
            Ok(_) => self.summary.of(kind).there += 1,
            Err(error) => self.write_unreadable(self.summary.lines, &error.to_string()),
        }
    }

    /// Notes the time of an event.
    #[inline]
    fn place(&mut self, line: &[u8]) -> Place {
        let Some(time) = self.timestamps.of(line) else {
            return if self.window.is_some() { Place::Unknown } else { Place::Inside };
        };
        if self.times.0.is_empty() {
            self.times.0.extend_from_slice(time.as_bytes());
        }
        self.times.1.clear();
        self.times.1.extend_from_slice(time.as_bytes());
        let Some(window) = &self.window else { return Place::Inside };
        let Some(is_inside) = window.contains(&time) else { return Place::Unknown };
        self.is_inside = is_inside;
        if is_inside {
            self.out.append(&mut self.waiting);
            return Place::Inside;
        }
        self.waiting.clear();
        Place::Outside
    }

    fn write_numbered(&mut self, line: &[u8], kind: Kind) {
        if self.writer.copies(line) {
            self.out.extend_from_slice(line);
            self.out.push(b'\n');
        } else if let Err(error) = self.writer.write_event(&mut self.out, line) {
            return self.write_unreadable(self.summary.lines, &error.to_string());
        }
        let count = self.summary.of(kind);
        count.there += 1;
        count.shown += 1;
    }

    /// Takes a line that does not begin as an event, or is the first one.
    #[cold]
    fn take_other(&mut self, line: &[u8]) -> Result<(), Stranger> {
        let number = self.summary.lines;
        // A mark of the byte order, as PowerShell writes it; an endpoint's stream has empty lines.
        let line = if number == 1 { line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line) } else { line };
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let kind = match line::type_of(line) {
            Ok(kind) => kind,
            Err(why) => return self.take_unreadable(number, line, why),
        };
        if let Known::Suspect(stranger) = std::mem::replace(&mut self.known, Known::Recording) {
            self.write_unreadable(stranger.number(), stranger.why());
        }
        match &*kind {
            "event" => self.take_numbered(line, Kind::Event),
            "timing" => self.take_numbered(line, Kind::Timing),
            _ => self.take_notice(&kind, line),
        }
        Ok(())
    }

    fn take_unreadable(&mut self, number: u64, line: &[u8], why: String) -> Result<(), Stranger> {
        match std::mem::take(&mut self.known) {
            Known::Recording => {
                self.known = Known::Recording;
                self.write_unreadable(number, &why);
                Ok(())
            }
            Known::Nothing => {
                self.known = Known::Suspect(Stranger::new(number, line, why));
                Ok(())
            }
            Known::Suspect(stranger) => Err(stranger.followed_by(line)),
        }
    }

    fn write_unreadable(&mut self, number: u64, why: &str) {
        self.summary.unreadable += 1;
        let update = Update::Unreadable(format!("line {number} of the recording: {why}"));
        self.writer.write(&mut self.out, &update);
    }

    /// Takes what the recording says of itself.
    fn take_notice(&mut self, kind: &str, line: &[u8]) {
        let mut text = Vec::new();
        match Other::of(kind, line) {
            Other::Unknown => self.summary.count_unknown(kind),
            Other::Words(severity, words) => {
                self.summary.gaps += u64::from(kind == "gap");
                write_notice(&mut text, severity, shown::line(&words), self.writer.format);
            }
            Other::Missing(count, words) => {
                self.summary.count_lost(count);
                write_notice(&mut text, Severity::Warning, shown::line(&words), self.writer.format);
            }
            Other::Update(update) => {
                let counted = self.writer.write(&mut text, &update);
                self.summary.count(&update, &counted);
            }
        }
        if self.writer.format == Format::Json {
            text.clear();
            // It is JSON, or it would have no type.
            let _ = self.writer.pass_on(&mut text, line);
        }
        if self.is_inside {
            self.out.append(&mut text);
        } else {
            self.wait_for_event(&mut text);
        }
    }

    /// Keeps what may be next to an event in the window.
    fn wait_for_event(&mut self, text: &mut Vec<u8>) {
        self.waiting.append(text);
        if self.waiting.len() > MAX_WAITING_BYTES {
            self.out.append(&mut self.waiting);
        }
    }
}
