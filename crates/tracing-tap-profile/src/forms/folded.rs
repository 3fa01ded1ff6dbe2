//! Folded stacks: a line for each path, its names joined by semicolons, and its own time in microseconds.
//!
//! Notes come first, as comments. The form has none of its own, so tools skip them as lines that do not end with a number.

use super::profile::{Line, Profile, on_one_line};
use std::fmt::Write;

pub(super) fn write(profile: &Profile) -> String {
    let mut out = String::new();
    for note in &profile.about.notes {
        writeln!(out, "# {}.", on_one_line(note)).expect("a string takes what is written to it");
    }
    out + &lines(profile)
}

/// The paths alone.
pub(super) fn lines(profile: &Profile) -> String {
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

    const PATHS: &str = "clean up, now 7\nrequest 1400\nrequest;query 600\n";

    #[test]
    fn a_folded_line_has_the_path_and_its_own_time() {
        let mut complete = example();
        complete.about.notes.clear();
        assert_eq!(super::write(&complete), PATHS);
    }

    #[test]
    fn folded_stacks_say_what_is_missing() {
        let mut example = example();
        example.about.notes.push("a note of 2\nlines 7".to_owned());
        let written = super::write(&example);
        assert_eq!(written, format!("# 3 closed spans are missing.\n# a note of 2\\nlines 7.\n{PATHS}"));
    }

    #[cfg(feature = "flamegraph")]
    #[test]
    fn flame_graph_tools_skip_the_notes() {
        let graph = |folded: &str| {
            let mut options = inferno::flamegraph::Options::default();
            options.deterministic = true;
            let mut svg = Vec::new();
            inferno::flamegraph::from_lines(&mut options, folded.lines(), &mut svg).unwrap();
            svg
        };
        assert_eq!(graph(&super::write(&example())), graph(PATHS));
    }
}
