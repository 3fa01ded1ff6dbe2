//! Arbitrary bytes as the text of a predicate: what is read is printed as what reads the same.

use tracing_tap::Predicate;

/// Limits that the documentation tells.
const MAX_BYTES: usize = 4096;
const MAX_NANOS: u64 = 50_000;

/// What a regular expression stands behind: one is compiled as its text is read, which takes a hundred times as long as all
/// the rest.
const MATCHES: char = '~';

/// Reads the text that some bytes are, if they are one without regular expressions.
pub(crate) fn check(bytes: &[u8]) {
    check_if(bytes, |text| !text.contains(MATCHES));
}

/// The same for texts with regular expressions.
pub(crate) fn check_expressions(bytes: &[u8]) {
    check_if(bytes, |text| text.contains(MATCHES));
}

fn check_if(bytes: &[u8], is_for_this: impl Fn(&str) -> bool) {
    let Some(text) = str::from_utf8(bytes).ok().filter(|text| is_for_this(text)) else { return };
    match text.parse::<Predicate>() {
        Ok(predicate) => check_print(&predicate),
        Err(error) => check_error(text, &error.to_string(), error.line().zip(error.column())),
    }
}

fn check_print(predicate: &Predicate) {
    assert!(predicate.cost() <= MAX_NANOS, "a text that is read costs a producer no more than is allowed");
    let printed = predicate.to_string();
    assert!(printed.len() <= MAX_BYTES);
    assert!(is_plain(&printed), "{printed:?}");
    assert_eq!(&printed.parse::<Predicate>().expect("what is printed can be read"), predicate, "{printed}");
}

fn check_error(text: &str, shown: &str, place: Option<(usize, usize)>) {
    assert!(shown.split('\n').all(is_plain), "{shown:?}");
    assert!(shown.len() < 2 * MAX_BYTES, "it is an excerpt");
    if let Some((line, column)) = place {
        let line = text.split('\n').nth(line - 1).expect("the line is one of the text");
        assert!(column <= line.chars().count() + 1, "{column} of {line:?}");
    }
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(|character| {
        character.is_control() || matches!(character, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}')
    })
}
