//! Nanoseconds per operation on every path of a producer, beside the same without the router.
//!
//! Each measurement is a process of its own, since `tracing`'s state is the process's; the two variants of a path
//! run in alternation, and what is printed are medians over those runs. `cargo bench --bench paths [-- NAME]`.

mod callsites;
mod forms;
mod measure;
mod paths;

use measure::median;
use paths::{PATHS, Path};
use std::process::Command;

const ROUNDS: usize = 7;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--child", name, variant] => {
            let path = PATHS.iter().find(|path| path.name == name).expect("the parent names paths that exist");
            let run = if variant == "tap" { path.tap } else { path.bare };
            println!("{}", run());
        }
        [] => compare("", &PATHS.iter().collect::<Vec<_>>()),
        [name, ..] => compare(name, &PATHS.iter().filter(|path| path.name.contains(name)).collect::<Vec<_>>()),
    }
}

fn compare(filter: &str, paths: &[&Path]) {
    assert!(!paths.is_empty(), "no path is called {filter:?}");
    println!("{:<44} {:>12} {:>12} {:>8}   beside", "path", "ns/op", "beside ns", "ratio");
    for path in paths {
        let rounds: Vec<_> = (0..ROUNDS).map(|_| (child(path.name, "tap"), child(path.name, "bare"))).collect();
        let tap = median(rounds.iter().map(|round| round.0).collect());
        let bare = median(rounds.iter().map(|round| round.1).collect());
        let ratio = median(rounds.iter().map(|round| round.0 / round.1).collect());
        println!("{:<44} {tap:>12.2} {bare:>12.2} {ratio:>8.3}   {}", path.name, path.beside);
    }
}

fn child(name: &str, variant: &str) -> f64 {
    let executable = std::env::current_exe().expect("a bench is a file");
    let output = Command::new(executable).args(["--child", name, variant]).output().expect("a bench can start itself");
    assert!(output.status.success(), "{name} {variant}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a child prints one number")
}
