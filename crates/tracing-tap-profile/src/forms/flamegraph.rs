//! A flame graph, as SVG.

use super::folded;
use super::profile::Profile;
use inferno::flamegraph::{Options, from_lines};
use std::io;

pub(super) fn write(profile: &Profile) -> io::Result<Vec<u8>> {
    let mut folded = folded::lines(profile);
    if folded.is_empty() {
        // A graph of nothing is an error to the library.
        folded.push_str("nothing was measured 1\n");
    }
    let mut options = Options::default();
    options.title = profile.title();
    options.subtitle = Some(profile.about.notes.join("; ")).filter(|notes| !notes.is_empty());
    options.count_name = "µs".to_owned();
    options.name_type = format!("{}:", profile.measure.part);
    // The same profile is the same file.
    options.deterministic = true;
    let mut svg = Vec::new();
    from_lines(&mut options, folded.lines(), &mut svg)?;
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::super::profile::example;

    #[test]
    fn a_flame_graph_of_nothing_says_so() {
        let nothing = super::Profile { lines: Vec::new(), ..example() };
        assert!(String::from_utf8(super::write(&nothing).unwrap()).unwrap().contains("nothing was measured"));
    }

    #[test]
    fn a_flame_graph_shows_each_path_and_what_is_missing() {
        let svg = String::from_utf8(super::write(&example()).unwrap()).unwrap();
        for part in
            ["<svg", "Busy time of user = 42", "query (600 µs", "request (2,000 µs", "3 closed spans are missing"]
        {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
    }
}
