//! Arbitrary bytes as the text of a predicate: what is read is printed as what reads the same.

use tracing_tap::Predicate;

/// Limits that the documentation tells.
const MAX_BYTES: usize = 4096;

/// Reads the text that some bytes are, if they are one.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match text.parse::<Predicate>() {
        Ok(predicate) => check_print(&predicate),
        Err(error) => check_error(text, &error.to_string(), error.line().zip(error.column())),
    }
}

fn check_print(predicate: &Predicate) {
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
