//! What the sources must not have: another way to a terminal than those that escape.

use std::fs;
use std::path::{Path, PathBuf};

/// What writes, or gives something to write to.
const WRITES: [&str; 9] =
    ["stdout()", "stderr()", "print!(", "println!(", "eprint", "dbg!(", "print::own(", "\"/dev/", "from_raw_fd"];

/// Where each may be: what goes through there is escaped, or was never a server's.
const ALLOWED: [(&str, &str); 10] = [
    // The page of the manual, and the scripts of shells.
    ("completions.rs", "print::own("),
    ("manual.rs", "print::own("),
    // They escape.
    ("print.rs", "stdout()"),
    ("say.rs", "stderr()"),
    // They ask whether it is a terminal.
    ("replay/arguments.rs", "stdout()"),
    ("terminal.rs", "stdout()"),
    ("terminal.rs", "stderr()"),
    // What `watch/writer.rs` has written, which escapes, or copies a line that has nothing to escape.
    ("replay/player.rs", "stdout()"),
    ("watch/output.rs", "stdout()"),
    // Numbers.
    ("watch/status.rs", "stderr()"),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// Not as the end of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

#[test]
fn nothing_is_written_but_through_what_escapes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for path in sources(&root) {
        let text = fs::read_to_string(&path).expect("a source is text");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let name = path.strip_prefix(&root).expect("it is below").to_str().expect("it is text").replace('\\', "/");
        let lines: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let writes = WRITES.iter().filter(|word| lines.iter().any(|line| has_word(line, word)));
        found.extend(writes.map(|word| (name.clone(), (*word).to_owned())));
    }
    let mut allowed = ALLOWED.map(|(name, word)| (name.to_owned(), word.to_owned())).to_vec();
    found.sort();
    allowed.sort();
    assert_eq!(found, allowed);
}
