//! Points in time, as text that YAML leaves alone.

use jiff::Timestamp;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// The first second of year 1: earlier years are none in RFC 3339, and YAML 1.1 parsers choke on year 0.
const YEAR_ONE: i64 = -62_135_596_800;

/// Writes RFC 3339 in UTC with microseconds, rounded down: `2026-11-20T08:15:02.123456Z`.
///
/// A clock may be set to anything. A time before year 1, or after 30 December 9999, is written as exact seconds since
/// 1970 in the notation of `date --date`, quoted because YAML reserves the `@`: `"@-62135596801.000000000"`.
pub(super) fn write_time(out: &mut impl fmt::Write, time: SystemTime) -> fmt::Result {
    match Timestamp::try_from(time) {
        Ok(timestamp) if timestamp.as_second() >= YEAR_ONE => write!(out, "{timestamp:.6}"),
        _ => write_seconds(out, time),
    }
}

fn write_seconds(out: &mut impl fmt::Write, time: SystemTime) -> fmt::Result {
    let (sign, distance) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => ("", after),
        Err(error) => ("-", error.duration()),
    };
    write!(out, "\"@{sign}{}.{:09}\"", distance.as_secs(), distance.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn written(time: SystemTime) -> String {
        let mut out = String::new();
        write_time(&mut out, time).unwrap();
        out
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
    fn a_time_no_calendar_of_four_digits_holds_is_seconds_since_1970() {
        assert_eq!(written(before(62_135_596_801, 0)), "\"@-62135596801.000000000\"");
        assert_eq!(written(before(377_705_116_800, 5)), "\"@-377705116800.000000005\"");
        assert_eq!(written(after(253_402_300_800, 70)), "\"@253402300800.000000070\"");
    }

    #[test]
    #[cfg(unix)]
    fn the_first_and_last_times_a_clock_can_hold_are_written() {
        assert_eq!(written(after(i64::MAX as u64, 999_999_999)), "\"@9223372036854775807.999999999\"");
        assert_eq!(written(before(1 << 63, 0)), "\"@-9223372036854775808.000000000\"");
    }

    proptest! {
        #[test]
        fn every_time_is_written(seconds: i64, nanoseconds in 0_u32..1_000_000_000) {
            let distance = Duration::new(seconds.unsigned_abs(), nanoseconds);
            let time = if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
            if let Some(time) = time {
                prop_assert!(!written(time).is_empty());
            }
        }
    }
}
