//! Tables of measurements, each made by a process of its own: `tracing`'s state is the process's.

use std::process::Command;

/// Rows that are measured in the same unit.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) rows: &'static [Path],
}

/// One path with the router, and what it is held against.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    pub(crate) tap: fn() -> f64,
    pub(crate) bare: fn() -> f64,
    pub(crate) beside: &'static str,
}

pub(crate) const fn path(name: &'static str, tap: fn() -> f64, bare: fn() -> f64, beside: &'static str) -> Path {
    Path { name, tap, bare, beside }
}

/// Which of a path's two programs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Tap,
    Bare,
}

impl Variant {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::Bare => "bare",
        }
    }
}

/// Prints the rows whose name contains `filter`; the medians of so many rounds, in which both variants alternate.
pub(crate) fn print(tables: &[Table], filter: &str, rounds: usize) {
    let mut is_empty = true;
    for table in tables {
        let rows: Vec<_> = table.rows.iter().filter(|path| path.name.contains(filter)).collect();
        if !rows.is_empty() {
            is_empty = false;
            println!("\n| {:<47} | {:>12} | {:>12} | {:>7} | beside |", table.title, table.unit, "beside", "ratio");
            println!("|{:-<49}|{:->13}:|{:->13}:|{:->8}:|--------|", "", "", "", "");
            rows.iter().for_each(|path| println!("{}", line(path, rounds)));
        }
    }
    assert!(!is_empty, "no path is called {filter:?}");
}

/// What a child does: measures one variant of one path and prints the number.
pub(crate) fn measure(tables: &[Table], name: &str, variant: &str) {
    let mut rows = tables.iter().flat_map(|table| table.rows);
    let path = rows.find(|path| path.name == name).expect("the parent names paths that exist");
    let run = if variant == Variant::Tap.name() { path.tap } else { path.bare };
    println!("{}", run());
}

fn line(path: &Path, rounds: usize) -> String {
    let rounds: Vec<_> = (0..rounds).map(|_| (child(path, Variant::Tap), child(path, Variant::Bare))).collect();
    let tap = median(rounds.iter().map(|round| round.0).collect());
    let bare = median(rounds.iter().map(|round| round.1).collect());
    let ratio = median(rounds.iter().map(|round| round.0 / round.1).collect());
    format!("| {:<47} | {tap:>12.2} | {bare:>12.2} | {ratio:>7.3} | {} |", path.name, path.beside)
}

fn child(path: &Path, variant: Variant) -> f64 {
    let executable = std::env::current_exe().expect("a bench is a file");
    let arguments = ["--child", path.name, variant.name()];
    let output = Command::new(executable).args(arguments).output().expect("a bench can start itself");
    assert!(output.status.success(), "{} {}", path.name, String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a child prints one number")
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
