//! What the HTTP endpoint delivers, to one reader and to fifty, and what its slow readers cost a producer.
//!
//! `cargo bench -p tracing-tap-web --bench endpoint [-- PART OF A NAME]`; needs `curl`. With the feature `cli` also what the command
//! line reads, and how long it takes to start. Each measurement is a process of its own,
//! and its readers are others. docs/performance.md documents the method.

mod clients;
mod delivery;
#[expect(dead_code, reason = "of the clock of another bench, what counts is not for this one")]
#[path = "../../../../benches/paths/measure.rs"]
mod measure;
mod processor;
mod producer;
mod schedstat;
mod service;
mod slow;
mod start;
#[path = "../../../../benches/paths/table.rs"]
mod table;
mod trial;

use table::Table;

/// Odd, so that there is a middle one.
const ROUNDS: usize = 5;

const COSTS: &[Table] = &[Table { title: "what a producer pays", unit: "ns/op", rows: slow::SLOW_READERS }];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--read", address, ref paths @ ..] => clients::read_all(address, paths),
        ["--child", name] => delivery::measure(name),
        ["--child", name, variant] => table::measure(COSTS, name, variant),
        [] => print(""),
        [part, ..] => print(part),
    }
}

/// Prints the rows whose name contains this.
fn print(part: &str) {
    let delivers = delivery::print(part) | start::print(part);
    let has_costs = slow::SLOW_READERS.iter().any(|path| path.name.contains(part));
    if has_costs || !delivers {
        table::print(COSTS, part, ROUNDS);
    }
}
