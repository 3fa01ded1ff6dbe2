//! What arrives: at a pace, and the fastest pace at which nothing is lost.

use crate::clients::{self, Form, Program};
use crate::service::Service;
use crate::table::median;
use crate::trial::{Audience, Outcome, Readers};
use std::process::Command;
use std::time::Duration;

/// What must arrive without loss.
const GOAL: f64 = 50_000.0;
const FOR: Duration = Duration::from_secs(1);

/// Where the search for the fastest pace begins, and how often it halves what it does not know.
const SLOWEST: f64 = 25_000.0;
const HALVINGS: usize = 3;
const TRIED_FOR: Duration = Duration::from_millis(300);
/// One interruption of the machine does not decide.
const TRIES: usize = 2;
/// Readers that are further behind did not keep up, even if what is between held all.
const MOST_BEHIND: Duration = Duration::from_millis(150);
/// A producer that emits less of what it was asked for is what limits.
const LEAST_OFFERED: f64 = 0.97;

/// Odd, so that there is a middle one.
const ROUNDS: usize = 3;

/// What a child measures, and prints in this order.
const NUMBERS: usize = 5;

struct Row {
    name: &'static str,
    readers: Readers,
    how: How,
}

enum How {
    /// At the pace of the goal.
    Paced,
    /// At twice that, which is the goal of the command line.
    PacedTwice,
    /// At the fastest pace that is found.
    Fastest,
}

const fn row(name: &'static str, count: usize, program: Program, form: Form, audience: Audience, how: How) -> Row {
    Row { name, readers: Readers { count, program, form, audience }, how }
}

use Audience::{All, One};
use Form::{Events, Lines};
use How::{Fastest, Paced, PacedTwice};
use Program::{Curl, Sockets, TracingTap};

const ROWS: &[Row] = &[
    row("paced: 1 curl, lines", 1, Curl, Lines, One, Paced),
    row("paced: 1 curl, server-sent events", 1, Curl, Events, One, Paced),
    row("paced: 50 curls of a user each", 50, Curl, Lines, One, Paced),
    row("paced: 50 curls of the same user", 50, Curl, Lines, All, Paced),
    row("paced: 50 sockets of a user each", 50, Sockets, Lines, One, Paced),
    row("paced: 50 sockets of the same user", 50, Sockets, Lines, All, Paced),
    row("paced twice: 1 tracing-tap into a file", 1, TracingTap, Events, One, PacedTwice),
    row("fastest: 1 tracing-tap into a file", 1, TracingTap, Events, One, Fastest),
    row("fastest: 1 curl, lines", 1, Curl, Lines, One, Fastest),
    row("fastest: 1 curl, server-sent events", 1, Curl, Events, One, Fastest),
    row("fastest: 50 curls of a user each", 50, Curl, Lines, One, Fastest),
    row("fastest: 50 sockets of a user each", 50, Sockets, Lines, One, Fastest),
    row("fastest: 50 sockets of the same user", 50, Sockets, Lines, All, Fastest),
];

/// Prints the rows whose name contains `part`; whether there are any.
pub(crate) fn print(part: &str) -> bool {
    let can_run = |row: &&Row| row.readers.program != TracingTap || clients::TRACING_TAP.is_some();
    let rows: Vec<_> = ROWS.iter().filter(|row| row.name.contains(part)).filter(can_run).collect();
    if rows.is_empty() {
        return false;
    }
    println!("\n| {:<38} | items/s | lost | behind, ms | endpoint, µs/item | readers, µs/item |", "delivered");
    println!("|{:-<40}|--------:|-----:|-----------:|--------------:|-----------------:|", "");
    let rounds: Vec<Vec<_>> = (0..ROUNDS).map(|_| rows.iter().map(|row| child(row.name)).collect()).collect();
    for (index, row) in rows.iter().enumerate() {
        let of_row: Vec<_> = rounds.iter().map(|round| round[index]).collect();
        println!("{}", line(row, &of_row));
    }
    true
}

/// The medians, but of what was lost the most.
fn line(row: &Row, rounds: &[[f64; NUMBERS]]) -> String {
    let all = |number: usize| rounds.iter().map(move |round| round[number]);
    let middle = |number| median(all(number).collect());
    let (items, behind, endpoint, readers) = (middle(0), middle(2), middle(3), middle(4));
    let lost = all(1).fold(0.0, f64::max);
    format!("| {:<38} | {items:>7.0} | {lost:>4.0} | {behind:>10.0} | {endpoint:>13.2} | {readers:>16.2} |", row.name)
}

fn child(name: &str) -> [f64; NUMBERS] {
    let executable = std::env::current_exe().expect("a bench is a file");
    let output = Command::new(executable).args(["--child", name]).output().expect("a bench can start itself");
    assert!(output.status.success(), "{name} {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<_> = text.split_whitespace().map(|number| number.parse().expect("it prints numbers")).collect();
    numbers.try_into().expect("it prints as many numbers")
}

/// What a child does: measures a row and prints its numbers.
pub(crate) fn measure(name: &str) {
    let Row { readers, how, .. } = ROWS.iter().find(|row| row.name == name).expect("the parent names rows that exist");
    let service = Service::start();
    let outcome = match how {
        Paced => readers.read(&service, GOAL, FOR),
        PacedTwice => readers.read(&service, 2.0 * GOAL, FOR),
        Fastest => fastest(readers, &service),
    };
    println!("{}", outcome.numbers().map(|number| number.to_string()).join(" "));
}

/// Doubles the pace until it is too fast, and then closes in on the fastest that is not.
fn fastest(readers: &Readers, service: &Service) -> Outcome {
    let sustained = |pace: f64| {
        let mut tries = (0..TRIES).map(|_| readers.read(service, pace, TRIED_FOR));
        tries.find(|outcome| outcome.keeps_up_with(pace))
    };
    let mut slow = SLOWEST;
    let mut best = sustained(slow).expect("the slowest pace is sustained");
    while let Some(outcome) = sustained(2.0 * slow) {
        (slow, best) = (2.0 * slow, outcome);
    }
    let mut fast = 2.0 * slow;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(slow, fast);
        match sustained(middle) {
            Some(outcome) => (slow, best) = (middle, outcome),
            None => fast = middle,
        }
    }
    best
}

impl Outcome {
    fn keeps_up_with(&self, pace: f64) -> bool {
        self.lost == 0.0 && self.behind <= MOST_BEHIND && self.offered_per_second >= LEAST_OFFERED * pace
    }

    fn numbers(&self) -> [f64; NUMBERS] {
        let behind_ms = self.behind.as_secs_f64() * 1e3;
        [self.offered_per_second, self.lost, behind_ms, self.endpoint_us_per_item, self.readers_us_per_item]
    }
}
