//! The status line on standard error, if that is a terminal: always the last line, and erased before anything else is
//! written.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use tracing_tap::missing::MissingCounts;

/// Goes to the beginning of the line and erases it.
const CLEAR: &str = "\r\x1b[2K";
const USUAL_WIDTH: usize = 80;

/// The contents of the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Status {
    pub(crate) matched: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    /// Events that limits kept back are shown too.
    pub(crate) missing: MissingCounts,
    pub(crate) events_per_second: f64,
    pub(crate) left: Option<Duration>,
}

/// The line.
#[derive(Debug, Default)]
pub(crate) struct StatusLine {
    text: String,
    is_drawn: bool,
}

impl StatusLine {
    pub(crate) fn show(&mut self, status: &Status) {
        self.text = status.to_string();
        // Narrower by one: a full line may move the cursor to the next.
        let width =
            terminal_size::terminal_size_of(io::stderr()).map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0));
        self.text.truncate(width.saturating_sub(1));
        self.draw();
    }

    /// Erases the line, so that something else can be written.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            write_now(CLEAR);
        }
    }

    /// Draws the line again.
    pub(crate) fn draw(&mut self) {
        if !self.text.is_empty() {
            self.is_drawn = true;
            write_now(&format!("{CLEAR}{}", self.text));
        }
    }
}

/// Erases the line of another thread, which has no time to do so itself.
pub(crate) fn wipe() {
    if io::stderr().is_terminal() {
        write_now(CLEAR);
    }
}

/// An error is ignored: the terminal has gone, and its user too.
fn write_now(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// All ASCII: its length is its width.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matched, delivered, lost, missing, events_per_second, left } = self;
        let kept_back = missing.kept_back_words();
        write!(f, "{matched} matched, {delivered} delivered, {lost} lost{kept_back}, {events_per_second:.0}/s")?;
        left.map_or(Ok(()), |left| write!(f, ", {} left", Clock(left)))
    }
}

/// `59:07`, `1:59:07`
struct Clock(Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if hours > 0 { write!(f, "{hours}:{minutes:02}:{seconds:02}") } else { write!(f, "{minutes}:{seconds:02}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_tap::missing::{Missing, MissingReason};

    #[test]
    fn it_shows_the_counts_and_the_time_left() {
        let left = Some(Duration::from_secs(899));
        let missing = MissingCounts::default();
        let status = Status { matched: 13, delivered: 10, lost: 3, missing, events_per_second: 2.4, left };
        assert_eq!(status.to_string(), "13 matched, 10 delivered, 3 lost, 2/s, 14:59 left");
        assert_eq!(Clock(Duration::from_secs(3661)).to_string(), "1:01:01");
        let missing = [Missing::new(4, MissingReason::RateLimited)].into_iter().collect();
        let limited = Status { matched: 17, missing, ..status };
        assert_eq!(limited.to_string(), "17 matched, 10 delivered, 3 lost, 4 rate-limited, 2/s, 14:59 left");
        let endless = Status { left: None, ..status };
        assert!(endless.to_string().ends_with("2/s"));
    }
}
