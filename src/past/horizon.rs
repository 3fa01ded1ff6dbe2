//! How far a session's past reaches back, and what is not in it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How far the past of a session reaches back. The first item of a session that
/// [looks back](crate::SessionOptions::look_back).
///
/// In a session that is [confined](crate::SessionOptions::confined_to) the threads and the counts are left out: they are
/// about the events of everybody.
///
/// ```
/// use tracing_tap::past::Horizon;
///
/// let line = r#"{"asked_ms":30000,"reaches_ms":12000,"overwritten":7,"unresolved":0,"unkept":0,"threads":[]}"#;
/// let horizon: Horizon = serde_json::from_str(line)?;
/// assert_eq!(horizon.to_string(), "the past reaches back 12s of 30s; 7 older events were overwritten");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Horizon {
    /// The time that was asked for, in milliseconds.
    pub asked_ms: u64,
    /// The time for which nothing is missing on any thread, in milliseconds; at most what was asked for.
    pub reaches_ms: u64,
    /// Events that were overwritten on all threads within the time asked for or before, since their rings were taken.
    pub overwritten: u64,
    /// Events that are still there and may have matched, but of whose spans too much was overwritten or found no room, or of
    /// which a field that is tested found none.
    pub unresolved: u64,
    /// Events of threads that got no ring so far, if the last of them was within that time; and those that a thread was writing
    /// and did not finish within a second.
    pub unkept: u64,
    /// The threads on which something was overwritten.
    pub threads: Vec<ThreadHorizon>,
}

/// How far the past of one thread reaches back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ThreadHorizon {
    /// The thread's name, or `ThreadId(7)` of one without; empty if unknown.
    pub thread: String,
    /// The time for which all its events are there, in milliseconds.
    pub reaches_ms: u64,
    /// The number of its older events that were overwritten.
    pub overwritten: u64,
}

impl Horizon {
    /// Whether the past is whole: as far back as was asked for, with nothing left out.
    pub fn is_whole(&self) -> bool {
        self.reaches_ms >= self.asked_ms && self.unresolved == 0 && self.unkept == 0
    }
}

/// `the past reaches back 12s of 30s; 7 older events were overwritten`
impl fmt::Display for Horizon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked_ms, reaches_ms, overwritten, unresolved, unkept, .. } = self;
        write!(f, "the past reaches back {}", Seconds(*reaches_ms))?;
        if reaches_ms < asked_ms {
            write!(f, " of {}", Seconds(*asked_ms))?;
        }
        if *overwritten > 0 {
            write!(f, "; {overwritten} older events were overwritten")?;
        }
        if *unresolved > 0 {
            write!(
                f,
                "; {unresolved} events that may have matched are left out: part of them or of their spans is gone"
            )?;
        }
        if *unkept > 0 {
            write!(f, "; {unkept} events were on threads that got no ring, or were not written in time")?;
        }
        Ok(())
    }
}

struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_millis(self.0)).and(Ok(()))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[track_caller]
    fn check(horizon: &Horizon, is_whole: bool, text: &str) {
        assert_eq!((horizon.is_whole(), &*horizon.to_string()), (is_whole, text));
    }

    #[test]
    fn a_horizon_says_how_far_it_reaches_and_what_is_missing() {
        let reaching = |reaches_ms| Horizon { asked_ms: 30_000, reaches_ms, ..Horizon::default() };
        check(&reaching(30_000), true, "the past reaches back 30s");
        check(&reaching(31_500), true, "the past reaches back 31.5s");
        check(&reaching(29_999), false, "the past reaches back 29.999s of 30s");
        let overwritten = Horizon { overwritten: 7, ..reaching(12_000) };
        check(&overwritten, false, "the past reaches back 12s of 30s; 7 older events were overwritten");
        let unresolved = "the past reaches back 30s; 1 events that may have matched are left out: part of them or of their spans is gone";
        check(&Horizon { unresolved: 1, ..reaching(30_000) }, false, unresolved);
        let unkept =
            "the past reaches back 30s; 2 events were on threads that got no ring, or were not written in time";
        check(&Horizon { unkept: 2, ..reaching(30_000) }, false, unkept);
    }
}
