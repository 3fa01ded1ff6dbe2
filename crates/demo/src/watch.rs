//! Opens and closes the session by turns, and measures the service.

use super::count::Counts;
use super::log::OPENER;
use super::plan::Plan;
use super::print::{Printed, Printer};
use crate::error::Error;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};
use tracing_tap::{Predicate, SessionOptions, TapRouter};

/// How long after the end events that wait may still be printed.
const GRACE: Duration = Duration::from_millis(500);

/// Why the demo ends early.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Interrupted,
    OutputFailed,
}

/// What was measured with the session closed and with it open.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) closed: Slices,
    pub(crate) open: Slices,
}

/// The slices of time in which the session was in one state.
#[derive(Debug, Default)]
pub(crate) struct Slices {
    pub(crate) elapsed: Duration,
    pub(crate) events: u64,
    /// Messages per second in each slice that was not cut short.
    rates: Vec<f64>,
}

/// Where a slice began.
#[derive(Debug)]
struct Start {
    at: Instant,
    counts: Counts,
}

/// Watches the user as planned; each time the session is opened, its stream goes to the printer.
pub(crate) fn watch(router: &TapRouter, plan: &Plan) -> Result<(Measured, Printed), Error> {
    let (stop, stopped) = mpsc::channel();
    let stop_on_failure = stop.clone();
    let printer = Printer::start(io::stdout(), move || send(&stop_on_failure, Stop::OutputFailed))?;
    // From here on there is something to summarise.
    ctrlc::set_handler(move || send(&stop, Stop::Interrupted))
        .map_err(|cause| Error::caused_by(cause, "listen for Ctrl-C"))?;
    let measured = alternate(router, plan, &printer, &stopped);
    Ok((measured, printer.finish(GRACE)?))
}

/// Nobody receives if the demo is ending already.
fn send(stop: &Sender<Stop>, reason: Stop) {
    let _ = stop.send(reason);
}

/// Opening the session counts as time it is open.
fn alternate(router: &TapRouter, plan: &Plan, printer: &Printer, stopped: &Receiver<Stop>) -> Measured {
    let mut measured = Measured::default();
    for _ in 0..plan.rounds() {
        let start = Start::now();
        let stop = stopped.recv_timeout(plan.slice()).ok();
        measured.closed.add(&start, stop);
        if stop.is_some() {
            break;
        }

        let start = Start::now();
        let stream = router.watch(SessionOptions::new(Predicate::eq("user", plan.user)).opened_by(OPENER));
        let session = stream.id();
        printer.print(stream);
        let stop = stopped.recv_timeout(plan.slice()).ok();
        router.close(session);
        measured.open.add(&start, stop);
        if stop.is_some() {
            break;
        }
    }
    measured
}

impl Start {
    fn now() -> Self {
        Self { at: Instant::now(), counts: Counts::now() }
    }
}

impl Slices {
    fn add(&mut self, start: &Start, stop: Option<Stop>) {
        let (elapsed, counts) = (start.at.elapsed(), Counts::now() - start.counts);
        self.elapsed += elapsed;
        self.events += counts.events;
        if stop.is_none() {
            self.rates.push(counts.messages as f64 / elapsed.as_secs_f64());
        }
    }

    /// How many slices were not cut short.
    pub(crate) fn count(&self) -> usize {
        self.rates.len()
    }

    /// The median of messages per second; `None` if no slice was finished.
    pub(crate) fn median_rate(&self) -> Option<f64> {
        median(self.rates.clone())
    }
}

impl Measured {
    /// The median of how fast the service was with the session open, compared with the slice just before. Neighbours
    /// are compared since a machine's speed drifts.
    pub(crate) fn median_ratio(&self) -> Option<f64> {
        median(self.open.rates.iter().zip(&self.closed.rates).map(|(open, closed)| open / closed).collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((below + above) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_or_half_way_between_both() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }
}
