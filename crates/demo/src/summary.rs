//! The summary of the demo: what happened, how much of it was printed, and at what cost.

use super::plan::Plan;
use super::print::Account;
use super::watch::{Measured, Slices};
use std::fmt;

/// The arguments and the results of the demo.
#[derive(Debug)]
pub(crate) struct Summary<'run> {
    pub(crate) plan: &'run Plan,
    pub(crate) measured: Measured,
    pub(crate) account: Account,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_title(f, &self.measured)?;
        self.write_account(f)?;
        write_speed(f, &self.measured)
    }
}

impl Summary<'_> {
    fn write_account(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, measured: Measured { closed, open }, account } = self;
        let (user, watched) = (plan.user, plan.watched_connections());
        let connections = format!("each a span older than any session; user {user} has {watched}");
        row(f, "connections", plan.connections, &connections)?;
        row(f, "events that happened", closed.events + open.events, "in the service, at INFO, DEBUG and TRACE")?;
        row(f, "with the session open", open.events, "of those; and of these,")?;
        row(f, "matched", account.matched, &format!("were of user {user};"))?;
        row(f, "delivered", account.delivered, "of them were printed above")?;
        row(f, "lost", account.lost, "were not, since printing was too slow")
    }
}

fn write_title(f: &mut fmt::Formatter<'_>, Measured { closed, open }: &Measured) -> fmt::Result {
    let (closed, open) = (closed.elapsed.as_secs_f64(), open.elapsed.as_secs_f64());
    let total = closed + open;
    writeln!(f, "Summary of {total:.1} s: the session was closed for {closed:.1} s and open for {open:.1} s, in turn")
}

fn write_speed(f: &mut fmt::Formatter<'_>, measured: &Measured) -> fmt::Result {
    let Measured { closed, open } = measured;
    let rates = closed.median_rate().zip(open.median_rate()).zip(measured.median_ratio());
    let Some(((rate_closed, rate_open), ratio)) = rates else {
        return writeln!(f, "  The demo ended too soon to compare the service's speed.");
    };
    let meaning = |slices: &Slices| format!("handled by the service; median of {} slices", slices.count());
    row(f, "messages/s, closed", rate_closed.round() as u64, &meaning(closed))?;
    row(f, "messages/s, open", rate_open.round() as u64, &meaning(open))?;
    writeln!(f, "  {:<24}{ratio:>12.3}  median over pairs of neighbouring slices", "open to closed")
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, number: u64, meaning: &str) -> fmt::Result {
    writeln!(f, "  {name:<24}{:>12}  {meaning}", grouped(number))
}

/// A number with its thousands set apart: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_set_apart() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (123_456, "123,456"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), expected);
        }
    }
}
