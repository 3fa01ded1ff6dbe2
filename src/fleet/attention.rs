//! What an instance's session listens to while it does anything else: its lease, its grants, its end.

use super::message::{CloseReason, LeaveReason};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// What is said to a session at an instance.
#[derive(Clone, Copy, Debug)]
pub(super) enum Control {
    Renewed,
    Granted(Granted),
    Close(CloseReason),
    /// The instance leaves the fleet.
    Leave,
}

/// Of all events that were asked for, so many may be sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Granted {
    pub(super) asked: u64,
    pub(super) granted: u64,
    /// Whether there will be no more.
    pub(super) is_last: bool,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) reason: LeaveReason,
    /// Whether what waits to be sent is sent before.
    pub(super) sends_rest: bool,
}

/// The lease of a session, and what was heard that concerns it.
#[derive(Debug)]
pub(super) struct Attention {
    controls: mpsc::Receiver<Control>,
    every: Duration,
    deadline: Instant,
    /// Renewals that were heard.
    pub(super) renewals: u64,
    granted: Granted,
    end: Option<End>,
    /// Whether the session has ended, and only what waits is sent.
    is_finishing: bool,
}

/// How long a lease lasts without a renewal: three are missed then, and a quarter is for their way.
pub(super) fn lease(every: Duration) -> Duration {
    every * 13 / 4
}

impl Attention {
    /// By the monotonic clock of this instance, whatever the watcher's is.
    pub(super) fn new(controls: mpsc::Receiver<Control>, every: Duration) -> Self {
        let deadline = Instant::now() + lease(every);
        Self { controls, every, deadline, renewals: 0, granted: Granted::default(), end: None, is_finishing: false }
    }

    /// Waits until something concerns the session. Cancel safe.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            biased;
            Some(control) = self.controls.recv() => self.heed(control),
            () = sleep_until(self.deadline), if !self.is_finishing => self.end_by(LeaveReason::Unrenewed, false),
            else => std::future::pending().await,
        }
    }

    /// Does something else meanwhile, until the session is to end.
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

    /// How the session is to end, if it is.
    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    /// From here on only grants matter: the session is over.
    pub(super) fn finish(&mut self) {
        self.is_finishing = true;
        self.end = None;
    }

    /// Waits for a grant of all that were asked for. Cancel safe.
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

    fn heed(&mut self, control: Control) {
        match control {
            Control::Renewed => {
                self.renewals += 1;
                self.deadline = Instant::now() + lease(self.every);
            }
            Control::Granted(granted) if granted.asked > self.granted.asked => self.granted = granted,
            Control::Granted(_) => {}
            Control::Close(CloseReason::Closed) => self.end_by(LeaveReason::Closed, true),
            Control::Close(CloseReason::MaxEvents) => self.end_by(LeaveReason::Closed, false),
            Control::Leave => self.end_by(LeaveReason::Shutdown, true),
        }
    }

    /// The first reason counts.
    fn end_by(&mut self, reason: LeaveReason, sends_rest: bool) {
        if !self.is_finishing {
            self.end.get_or_insert(End { reason, sends_rest });
        }
    }
}
