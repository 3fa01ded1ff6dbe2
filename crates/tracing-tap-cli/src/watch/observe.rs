//! Watches the session while it is read: the status line, and reports about silence.

use super::counts::Counts;
use super::printer::Job;
use super::reports;
use super::source::{Handle, PATIENCE};
use super::status::Status;
use crate::remote::Coverage;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tokio::time::{MissedTickBehavior, timeout};

const TICK: Duration = Duration::from_millis(500);
/// Over how many ticks the rate is taken.
const RATE_TICKS: usize = 4;
/// Every how many ticks the service is asked for the events that wait there.
const WAITING_TICKS: u64 = 4;
/// After how long a silence is reported; the last is repeated, at growing intervals.
const SILENCES: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(300)];

/// What is observed.
pub(crate) struct Observer {
    pub(crate) handle: Handle,
    pub(crate) counts: Arc<Counts>,
    pub(crate) jobs: Sender<Job>,
    pub(crate) coverage: Coverage,
    pub(crate) shows_status: bool,
}

/// How long nothing has arrived.
struct Silence {
    since: Instant,
    matched: u64,
    reported: usize,
}

impl Observer {
    /// Runs until it is dropped.
    pub(crate) async fn observe(mut self) -> Infallible {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silence = Silence { since: Instant::now(), matched: 0, reported: 0 };
        let mut past = VecDeque::with_capacity(RATE_TICKS);
        let mut waiting = 0;
        let mut tick = 0_u64;
        loop {
            ticks.tick().await;
            if self.shows_status {
                if tick.is_multiple_of(WAITING_TICKS) {
                    let asked = timeout(PATIENCE, self.handle.waiting()).await;
                    waiting = asked.ok().and_then(Result::ok).unwrap_or(0);
                }
                self.show(&mut past, waiting);
            }
            if silence.is_due(self.counts.matched()) {
                self.report(silence.since.elapsed()).await;
            }
            tick += 1;
        }
    }

    fn show(&self, past: &mut VecDeque<(Instant, u64)>, waiting: u64) {
        let delivered = self.counts.delivered();
        let (then, before) = past.front().copied().unwrap_or((Instant::now(), delivered));
        let events_per_second = (delivered - before) as f64 / then.elapsed().as_secs_f64().max(TICK.as_secs_f64());
        past.push_back((Instant::now(), delivered));
        past.drain(..past.len().saturating_sub(RATE_TICKS));
        let left = self.handle.ends_at().map(|end| end.saturating_duration_since(Instant::now()));
        let matched = self.counts.matched().saturating_add(waiting);
        let (lost, missing) = (self.counts.lost(), self.counts.missing());
        let status = Status { matched, delivered, lost, missing, events_per_second, left };
        // If the printer is busy, it draws the line itself, and the next status follows soon.
        let _ = self.jobs.try_send(Job::Show(status));
    }

    /// Reports the coverage: in short, or in full if it has changed or hides events.
    async fn report(&mut self, silent_for: Duration) {
        // The reader reports an endpoint that cannot be reached.
        let Ok(Ok(coverage)) = timeout(PATIENCE, self.handle.coverage()).await else { return };
        let text = reports::silence(silent_for, self.counts.matched(), &coverage, &self.coverage);
        self.coverage = coverage;
        let _ = self.jobs.send(Job::Say(text)).await;
    }
}

impl Silence {
    fn is_due(&mut self, matched: u64) -> bool {
        if matched != self.matched {
            *self = Self { since: Instant::now(), matched, reported: 0 };
        }
        let is_due = self.since.elapsed() >= self.next();
        self.reported += usize::from(is_due);
        is_due
    }

    fn next(&self) -> Duration {
        let more = u32::try_from((self.reported + 2).saturating_sub(SILENCES.len())).unwrap_or(u32::MAX);
        SILENCES[self.reported.min(SILENCES.len() - 1)].saturating_mul(more.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_reported_ever_more_rarely() {
        let after = |reported| Silence { since: Instant::now(), matched: 0, reported }.next().as_secs();
        assert_eq!([0, 1, 2, 3, 4].map(after), [5, 30, 300, 600, 900]);
    }
}
