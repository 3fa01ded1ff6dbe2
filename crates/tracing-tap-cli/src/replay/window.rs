//! The time around which a recording is shown.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::Offset;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing_tap::wire::{TimeText, read_time};

const DAY_MICROS: u64 = 24 * 60 * 60 * 1_000_000;
/// The length of `2026-11-20T08:15:02.123456Z`, as every event has its time unless the clock was far off.
const USUAL_LENGTH: usize = 27;

/// A time that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// On every day, in microseconds from midnight.
    OfDay(u64),
    Exact(SystemTime),
}

/// A time, and how long before and after it.
#[derive(Clone, Debug)]
pub(super) enum Window {
    OfDay { micros: u64, within_micros: u64 },
    Exact { from: TimeText, to: TimeText },
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "write `12:03`, `12:03:07` or `2026-11-30T12:03:07Z`".to_owned();
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::Exact(time.into()));
        }
        let utc = text.strip_suffix(['Z', 'z']).unwrap_or(text);
        if utc.contains('-') {
            let date: DateTime = utc.parse().map_err(|_| expected())?;
            let time = Offset::UTC.to_timestamp(date).map_err(|_| expected())?;
            return Ok(Self::Exact(time.into()));
        }
        let time: Time = utc.parse().map_err(|_| expected())?;
        let since = time.duration_since(Time::midnight());
        u64::try_from(since.as_micros()).map(Self::OfDay).map_err(|_| expected())
    }
}

impl Window {
    pub(super) fn new(around: Moment, within: Duration) -> Self {
        match around {
            Moment::OfDay(micros) => {
                Self::OfDay { micros, within_micros: u64::try_from(within.as_micros()).unwrap_or(u64::MAX) }
            }
            Moment::Exact(time) => Self::Exact {
                from: TimeText::new(time.checked_sub(within).unwrap_or(UNIX_EPOCH)),
                to: TimeText::new(time.checked_add(within).unwrap_or(time)),
            },
        }
    }

    /// Whether the time of an event is in it; `None` if the text is not a time.
    pub(super) fn contains(&self, time: &str) -> Option<bool> {
        match self {
            Self::OfDay { micros, within_micros } => {
                let apart = micros_of_day(time)?.abs_diff(*micros);
                // Midnight may be between the two.
                Some(apart.min(DAY_MICROS - apart) <= *within_micros)
            }
            Self::Exact { from, to } => {
                let (from, to) = (from.as_str(), to.as_str());
                let are_usual = [from, to, time].iter().all(|text| is_usual(text));
                if are_usual {
                    return Some((from..=to).contains(&time));
                }
                let time = read_time(time).ok()?;
                Some(read_time(from).ok()? <= time && time <= read_time(to).ok()?)
            }
        }
    }
}

/// Whether a time has the form in which texts are in the order of the times.
fn is_usual(time: &str) -> bool {
    time.len() == USUAL_LENGTH
        && time.bytes().zip("0000-00-00T00:00:00.000000Z".bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            sign => byte == sign,
        })
}

fn micros_of_day(time: &str) -> Option<u64> {
    if is_usual(time) {
        let number = |from: usize, length: usize| time[from..from + length].parse::<u64>().ok();
        let seconds = (number(11, 2)? * 60 + number(14, 2)?) * 60 + number(17, 2)?;
        return Some(seconds * 1_000_000 + number(20, 6)?);
    }
    let micros = match read_time(time).ok()?.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_micros()).ok()?,
        Err(before) => -i128::try_from(before.duration().as_micros()).ok()?,
    };
    u64::try_from(micros.rem_euclid(i128::from(DAY_MICROS))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(around: &str, seconds: u64, inside: &[&str], outside: &[&str]) {
        let window = Window::new(around.parse().unwrap(), Duration::from_secs(seconds));
        for time in inside {
            assert_eq!(window.contains(time), Some(true), "{time} is around {around}");
        }
        for time in outside {
            assert_eq!(window.contains(time), Some(false), "{time} is not around {around}");
        }
    }

    #[test]
    fn a_time_of_day_is_on_every_day() {
        let inside = ["2026-11-30T12:03:02.000000Z", "1999-01-01T12:03:12.000000Z", "2026-11-30T13:03:07+01:00"];
        check("12:03:07", 5, &inside, &["2026-11-30T12:03:12.000001Z", "2026-11-30T00:03:07.000000Z"]);
        check("12:03", 60, &["2026-11-30T12:02:00.000000Z"], &["2026-11-30T12:01:59.999999Z"]);
        check("12:03:07.5Z", 0, &["2026-11-30T12:03:07.500000Z"], &["2026-11-30T12:03:07.500001Z"]);
    }

    #[test]
    fn midnight_may_be_in_the_window() {
        check(
            "00:00",
            2,
            &["2026-11-30T23:59:58.000000Z", "2026-12-01T00:00:02.000000Z"],
            &["2026-12-01T00:00:03.000000Z"],
        );
        check("23:59:59", 2, &["2026-12-01T00:00:01.000000Z", "@-1.000000000"], &["2026-12-01T00:00:02.000000Z"]);
        check("12:00", 43_200, &["2026-12-01T00:00:00.000000Z"], &[]);
    }

    #[test]
    fn an_exact_time_is_on_its_day() {
        let inside = ["2026-11-30T12:03:02.000000Z", "2026-11-30T12:03:12Z", "2026-11-30T14:03:12+02:00"];
        let outside = ["2026-12-01T12:03:07.000000Z", "2026-11-30T12:03:12.000001Z", "@-62135596801.000000000"];
        for around in
            ["2026-11-30T12:03:07Z", "2026-11-30T13:03:07+01:00", "2026-11-30T12:03:07", "2026-11-30 12:03:07"]
        {
            check(around, 5, &inside, &outside);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "noon", "25:00", "12:60", "2026-13-30T12:03:07Z", "2026-11-30T12:03:07+"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        let window = Window::new("12:00".parse().unwrap(), Duration::ZERO);
        assert_eq!(window.contains("yesterday"), None);
    }
}
