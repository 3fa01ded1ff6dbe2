//! Folded stacks: a line for each path, its names joined by semicolons, and its own time in microseconds.

use super::profile::{Line, Profile, on_one_line};
use std::fmt::Write;

pub(super) fn write(profile: &Profile) -> String {
    let mut out = String::new();
    for line in &profile.lines {
        let micros = line.own.as_nanos().div_ceil(1000);
        if micros > 0 {
            writeln!(out, "{} {micros}", names(line)).expect("a string takes what is written to it");
        }
    }
    out
}

/// The path, with what would end a name or the line replaced.
fn names(line: &Line) -> String {
    let name = |name: &String| on_one_line(name).replace(';', ",");
    line.path.iter().map(name).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::super::profile::example;

    #[test]
    fn a_folded_line_has_the_path_and_its_own_time() {
        assert_eq!(super::write(&example()), "clean up, now 7\nrequest 1400\nrequest;query 600\n");
    }
}
