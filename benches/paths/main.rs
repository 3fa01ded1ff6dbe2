//! What a producer pays on every path, compared with the same without the router and with what others would take.
//!
//! `cargo bench --bench paths [-- PART OF A NAME]` prints times, `-- --quickly` those of three rounds. They depend on the
//! machine and its mood; instructions do not: `cargo bench --bench paths -- --instructions [PART OF A NAME]` counts those
//! under valgrind and fails past a bound. `-- --bounds` does the same without the programs that no bound needs, and
//! `-- --record` takes today's counts for the bounds of tomorrow. docs/performance.md describes the method.

mod across;
mod bounds;
mod busy;
mod callgrind;
mod callsites;
#[cfg(a_tree)]
mod expressions;
mod forms;
mod fresh;
mod instructions;
mod measure;
mod operations;
mod past;
mod paths;
mod peers;
mod service;
mod sessions;
mod table;
mod tests;
mod threads;

use instructions::Beside;
use std::process::ExitCode;
use table::Table;

/// Odd, so that there is a middle one.
const ROUNDS: usize = 7;
const FEW_ROUNDS: usize = 3;

const TABLES: &[Table] = &[
    Table { title: "path", unit: "ns/op", rows: paths::PATHS },
    Table { title: "two cores", unit: "events/µs", rows: threads::THREADS },
    Table { title: "tests", unit: "ns/op", rows: tests::TESTS },
    Table { title: "looking back", unit: "ns/op", rows: past::PAST },
    Table { title: "others", unit: "ns/op", rows: peers::PEERS },
    #[cfg(a_tree)]
    Table { title: "expressions", unit: "ns/op", rows: expressions::EXPRESSIONS },
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--child", name, variant] => table::measure(TABLES, name, variant),
        ["--instructions"] => return instructions::check("", Beside::All),
        ["--instructions", part] => return instructions::check(part, Beside::All),
        ["--bounds"] => return instructions::check("", Beside::Bounds),
        ["--record"] => instructions::record(),
        ["--quickly"] => table::print(TABLES, "", FEW_ROUNDS),
        [] => table::print(TABLES, "", ROUNDS),
        [name, ..] => table::print(TABLES, name, ROUNDS),
    }
    ExitCode::SUCCESS
}
