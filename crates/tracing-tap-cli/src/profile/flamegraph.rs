//! A flame graph, as SVG.

use super::about::About;
use super::folded;
use super::tree::Tree;
use inferno::flamegraph::{Options, from_lines};
use std::io;

pub(crate) fn write(tree: &Tree, about: &About) -> io::Result<Vec<u8>> {
    let folded = folded::write(tree);
    let mut options = Options::default();
    options.title = about.title();
    options.subtitle = Some(about.notes.join("; ")).filter(|notes| !notes.is_empty());
    options.count_name = "µs".to_owned();
    options.name_type = "Span:".to_owned();
    // The same profile is the same file.
    options.deterministic = true;
    let mut svg = Vec::new();
    from_lines(&mut options, folded.lines(), &mut svg)?;
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::super::about::example_about;
    use super::super::tree::tests::example;

    #[test]
    fn a_flame_graph_shows_each_path_and_what_is_missing() {
        let svg = String::from_utf8(super::write(&example(), &example_about()).unwrap()).unwrap();
        for part in
            ["<svg", "Busy time of user = 42", "query (600 µs", "request (2,000 µs", "3 closed spans are missing"]
        {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
    }
}
