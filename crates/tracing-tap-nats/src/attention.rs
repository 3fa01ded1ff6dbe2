//! The lease, the grants and the end of a session at an instance, which it notices during all its work.

use super::message::{CloseReason, LeaveReason};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// A message to a session at an instance.
#[derive(Clone, Copy, Debug)]
pub(super) enum Control {
    Renewed,
    Granted(Granted),
    Close(CloseReason),
    /// The instance leaves the fleet.
    Leave,
}

/// How many of the events asked for may be sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Granted {
    pub(super) asked: u64,
    pub(super) granted: u64,
    /// Whether no more will be granted.
    pub(super) is_last: bool,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) reason: LeaveReason,
    /// Whether waiting events are sent first.
    pub(super) sends_rest: bool,
}

/// The lease of a session, and the messages about it.
#[derive(Debug)]
pub(super) struct Attention {
    controls: mpsc::Receiver<Control>,
    every: Duration,
    deadline: Instant,
    /// Renewals received.
    pub(super) renewals: u64,
    /// Events asked for. A grant of more is not an answer to it.
    asked: u64,
    granted: Granted,
    end: Option<End>,
    /// Whether the session has ended, and only waiting events are sent.
    is_finishing: bool,
}

/// How long a lease lasts without a renewal: three missed ones, and a quarter for their travel.
pub(super) fn lease(every: Duration) -> Duration {
    every * 13 / 4
}

impl Attention {
    /// A lease from now on, by the monotonic clock of this instance.
    pub(super) fn new(controls: mpsc::Receiver<Control>, every: Duration) -> Self {
        let deadline = Instant::now() + lease(every);
        Self {
            controls,
            every,
            deadline,
            renewals: 0,
            asked: 0,
            granted: Granted::default(),
            end: None,
            is_finishing: false,
        }
    }

    /// Waits for the next message, or the end of the lease. Cancel safe.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            biased;
            Some(control) = self.controls.recv() => self.handle(control),
            () = sleep_until(self.deadline), if !self.is_finishing => self.end_by(LeaveReason::Unrenewed, false),
            else => std::future::pending().await,
        }
    }

    /// Does work until it is done or the session ends.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        loop {
            if let Some(end) = self.end {
                return Err(end);
            }
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = self.next() => {}
            }
        }
    }

    /// The end of the session, once there is one.
    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    /// Accepts grants only from here on: the session is over.
    pub(super) fn finish(&mut self) {
        self.is_finishing = true;
        self.end = None;
    }

    /// Sets how many events are asked for, before the message that asks.
    pub(super) fn ask(&mut self, asked: u64) {
        self.asked = asked;
    }

    /// Waits for the answer to a number of events asked for. Cancel safe.
    pub(super) async fn grant(&mut self, asked: u64) -> Result<Granted, End> {
        loop {
            if let Some(end) = self.end {
                return Err(end);
            }
            if self.granted.asked >= asked {
                return Ok(self.granted);
            }
            self.next().await;
        }
    }

    fn handle(&mut self, control: Control) {
        match control {
            Control::Renewed => {
                self.renewals += 1;
                self.deadline = Instant::now() + lease(self.every);
            }
            Control::Granted(granted) => self.take_grant(granted),
            Control::Close(CloseReason::Closed) => self.end_by(LeaveReason::Closed, true),
            Control::Close(CloseReason::MaxEvents) => self.end_by(LeaveReason::Closed, false),
            Control::Leave => self.end_by(LeaveReason::Shutdown, true),
        }
    }

    fn take_grant(&mut self, granted: Granted) {
        if granted.asked > self.granted.asked && granted.asked <= self.asked {
            self.granted = granted;
        }
    }

    /// The first reason counts.
    fn end_by(&mut self, reason: LeaveReason, sends_rest: bool) {
        if !self.is_finishing {
            self.end.get_or_insert(End { reason, sends_rest });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(2);

    fn attention() -> (mpsc::Sender<Control>, Attention) {
        let (say, controls) = mpsc::channel(8);
        (say, Attention::new(controls, EVERY))
    }

    async fn end(attention: &mut Attention) -> End {
        attention.during(std::future::pending::<()>()).await.expect_err("nothing else is done")
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_six_and_a_half_seconds_after_the_last_renewal() {
        let (say, mut attention) = attention();
        let started = Instant::now();
        for second in 1..=5 {
            let wait = tokio::time::sleep_until(started + Duration::from_secs(second * 6));
            attention.during(wait).await.expect("the lease is renewed in time");
            say.try_send(Control::Renewed).expect("there is room");
        }
        assert_eq!(end(&mut attention).await, End { reason: LeaveReason::Unrenewed, sends_rest: false });
        assert_eq!(started.elapsed(), Duration::from_millis(36_500));
        assert_eq!(attention.renewals, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_reason_to_end_counts() {
        let (say, mut attention) = attention();
        for control in [Control::Close(CloseReason::MaxEvents), Control::Leave] {
            say.try_send(control).expect("there is room");
        }
        assert_eq!(end(&mut attention).await, End { reason: LeaveReason::Closed, sends_rest: false });
        attention.next().await;
        assert_eq!(attention.end(), Some(End { reason: LeaveReason::Closed, sends_rest: false }));
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_session_accepts_grants_only() {
        let (say, mut attention) = attention();
        attention.finish();
        attention.ask(7);
        let granted = Granted { asked: 7, granted: 3, is_last: false };
        for control in [Control::Leave, Control::Granted(granted)] {
            say.try_send(control).expect("there is room");
        }
        assert_eq!(attention.grant(7).await.map(|granted| granted.granted), Ok(3));
        drop(say);
        let day = Duration::from_secs(86_400);
        assert_eq!(attention.during(tokio::time::sleep(day)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_or_unasked_grant_changes_nothing() {
        let (say, mut attention) = attention();
        attention.ask(5);
        for (asked, granted) in [(5, 5), (3, 0), (5, 0), (6, 0), (u64::MAX, 0)] {
            say.try_send(Control::Granted(Granted { asked, granted, is_last: false })).expect("there is room");
            attention.next().await;
        }
        assert_eq!(attention.grant(5).await.map(|granted| granted.granted), Ok(5));
    }
}
