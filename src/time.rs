//! Points in time as text, and back.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first second of year 1: earlier years are none in RFC 3339, and YAML 1.1 parsers choke on year 0.
const YEAR_ONE: i64 = -62_135_596_800;

/// The text of a time: RFC 3339 in UTC with microseconds, rounded down, as in `2026-11-20T08:15:02.123456Z`.
///
/// A clock may be set to any time. A time before year 1, or after 30 December 9999, is written as exact seconds since 1970
/// in the notation of `date --date`: `@-62135596801.000000000`. Does not allocate.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tracing_tap::wire::{TimeText, read_time};
///
/// let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000);
/// assert_eq!(TimeText::new(time).as_str(), "1970-01-01T00:00:01.500000Z");
/// assert_eq!(read_time("1970-01-01T00:00:01.5Z"), Ok(time));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TimeText {
    /// Long enough for `@`, a sign, the digits of an `i64`, a dot and nine more digits.
    bytes: [u8; 32],
    length: usize,
}

impl TimeText {
    /// Formats a time.
    pub fn new(time: SystemTime) -> Self {
        match Timestamp::try_from(time) {
            Ok(timestamp) if timestamp.as_second() >= YEAR_ONE => Self::of_date(Offset::UTC.to_datetime(timestamp)),
            _ => Self::of_seconds(time),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).expect("a time is written in ASCII")
    }

    /// The time of day to the millisecond, `08:15:02.123`; the whole text if that is not a date.
    pub(crate) fn of_day(&self) -> &str {
        if self.is_of_calendar() { &self.as_str()[11..23] } else { self.as_str() }
    }

    /// Whether the text is RFC 3339.
    pub(crate) fn is_of_calendar(&self) -> bool {
        self.bytes[0] != b'@'
    }

    fn of_date(date: DateTime) -> Self {
        let mut bytes = [0; 32];
        bytes[..27].copy_from_slice(b"0000-00-00T00:00:00.000000Z");
        let microseconds = date.subsec_nanosecond().unsigned_abs() / 1000;
        put_digits(&mut bytes[0..4], date.year().unsigned_abs().into());
        put_digits(&mut bytes[5..7], date.month().unsigned_abs().into());
        put_digits(&mut bytes[8..10], date.day().unsigned_abs().into());
        put_digits(&mut bytes[11..13], date.hour().unsigned_abs().into());
        put_digits(&mut bytes[14..16], date.minute().unsigned_abs().into());
        put_digits(&mut bytes[17..19], date.second().unsigned_abs().into());
        put_digits(&mut bytes[20..26], microseconds);
        Self { bytes, length: 27 }
    }

    #[cold]
    fn of_seconds(time: SystemTime) -> Self {
        let (sign, distance) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => ("", after),
            Err(error) => ("-", error.duration()),
        };
        let mut bytes = [0; 32];
        let mut left = bytes.as_mut_slice();
        write!(left, "@{sign}{}.{:09}", distance.as_secs(), distance.subsec_nanos()).expect("32 bytes are enough");
        let length = 32 - left.len();
        Self { bytes, length }
    }
}

/// Reads the text of a [`TimeText`], or any other time in RFC 3339.
///
/// # Errors
/// If the text has neither form, or is a time that this system's clock cannot represent. The error is what was expected.
pub fn read_time(text: &str) -> Result<SystemTime, &'static str> {
    match text.strip_prefix('@') {
        Some(seconds) => read_seconds(seconds).ok_or("expected `@` and seconds since 1970 with nine decimals"),
        None => text.parse::<Timestamp>().map(SystemTime::from).map_err(|_| "expected a time in RFC 3339"),
    }
}

fn read_seconds(text: &str) -> Option<SystemTime> {
    let (seconds, nanoseconds) = text.split_once('.')?;
    let (is_before, seconds) = seconds.strip_prefix('-').map_or((false, seconds), |seconds| (true, seconds));
    if nanoseconds.len() != 9 || !seconds.bytes().chain(nanoseconds.bytes()).all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let distance = Duration::new(seconds.parse().ok()?, nanoseconds.parse().ok()?);
    if is_before { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

/// Fills `place` with the last digits of `number`.
fn put_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(time: SystemTime) -> String {
        TimeText::new(time).as_str().to_owned()
    }

    fn after(seconds: u64, nanoseconds: u32) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds)).unwrap()
    }

    fn before(seconds: u64, nanoseconds: u32) -> SystemTime {
        UNIX_EPOCH.checked_sub(Duration::new(seconds, nanoseconds)).unwrap()
    }

    #[test]
    fn a_time_has_six_digits_rounded_down_on_both_sides_of_1970() {
        assert_eq!(written(UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
        assert_eq!(written(after(0, 999_999_999)), "1970-01-01T00:00:00.999999Z");
        assert_eq!(written(before(0, 1)), "1969-12-31T23:59:59.999999Z");
        assert_eq!(written(before(62_135_596_800, 0)), "0001-01-01T00:00:00.000000Z");
        assert_eq!(written(after(253_402_207_200, 0)), "9999-12-30T22:00:00.000000Z");
    }

    #[test]
    fn a_time_past_year_9999_is_seconds_since_1970() {
        assert_eq!(written(before(62_135_596_801, 0)), "@-62135596801.000000000");
        assert_eq!(written(before(377_705_116_800, 5)), "@-377705116800.000000005");
        assert_eq!(written(after(253_402_300_800, 70)), "@253402300800.000000070");
    }

    #[test]
    #[cfg(unix)]
    fn the_first_and_last_times_a_clock_can_hold_are_written() {
        assert_eq!(written(after(i64::MAX as u64, 999_999_999)), "@9223372036854775807.999999999");
        assert_eq!(written(before(1 << 63, 0)), "@-9223372036854775808.000000000");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "now", "@", "@1", "@1.5", "@1.+00000005", "@-.000000000", "@99999999999999999999.000000000"] {
            assert!(read_time(text).is_err(), "{text:?}");
        }
        assert!(read_time("2026-11-20T08:15:02").is_err(), "a time without an offset is not a point in time");
        assert_eq!(read_time("1970-01-01T01:00:00.000001+01:00"), Ok(after(0, 1_000)));
    }

    proptest! {
        #[test]
        fn every_time_reads_back_to_the_microsecond(
            seconds in prop_oneof![any::<i64>(), -99_999_999_999..300_000_000_000_i64],
            nanoseconds in 0_u32..1_000_000_000,
        ) {
            let distance = Duration::new(seconds.unsigned_abs(), nanoseconds);
            let time = if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
            if let Some(time) = time {
                let read = read_time(&written(time)).unwrap();
                let rounded_off = time.duration_since(read).unwrap();
                prop_assert!(rounded_off < Duration::from_micros(1), "{:?} {:?}", time, read);
                prop_assert_eq!(written(read), written(time));
            }
        }

        #[test]
        fn a_time_in_the_calendar_is_what_the_library_prints(
            seconds in YEAR_ONE..253_402_207_200, nanoseconds in 0_u32..1_000_000_000,
        ) {
            let distance = Duration::new(seconds.unsigned_abs(), nanoseconds);
            let time = if seconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance };
            if let Some(timestamp) = Timestamp::try_from(time).ok().filter(|time| time.as_second() >= YEAR_ONE) {
                prop_assert_eq!(written(time), format!("{timestamp:.6}"));
            }
        }
    }
}
