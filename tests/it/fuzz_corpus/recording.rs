//! Arbitrary bytes as a recording: the first line is a predicate, the others are filtered by it.

use tracing_tap::wire::LineFilter;
use tracing_tap::{Format, Item, Predicate, write_item};

/// Filters the lines that some bytes are, if the first is a predicate.
pub(crate) fn check(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let predicate = lines.next().and_then(|line| str::from_utf8(line).ok()).and_then(|text| text.parse().ok());
    let Some(predicate): Option<Predicate> = predicate else { return };
    let Ok(filter) = LineFilter::new(&predicate) else { return };
    let opposite = LineFilter::new(&!predicate).expect("it tests the same");
    lines.for_each(|line| check_line(&filter, &opposite, line));
}

fn check_line(filter: &LineFilter, opposite: &LineFilter, line: &[u8]) {
    // Of lines of others, only that they are answered in bounds.
    filter.may_match(line);
    let answer = filter.is_match(line).ok();
    assert_eq!(opposite.is_match(line).ok().map(|matches| !matches), answer, "both read the same");
    let Ok(item @ (Item::Event { .. } | Item::Timing { .. })) = serde_json::from_slice::<Item>(line) else { return };
    let mut written = Vec::new();
    write_item(&mut written, &item, Format::Json);
    written.pop();
    let is_match = filter.is_match(&written).expect("what is written can be filtered");
    assert!(!is_match || filter.may_match(&written), "a match was ruled out by its bytes");
    assert!(is_match || opposite.may_match(&written), "a match was ruled out by its bytes");
}
