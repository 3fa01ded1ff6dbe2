//! The line of a text that an error is about, with a caret under it.

use crate::escape::is_hidden;
use std::fmt;
use std::ops::Range;

/// Characters of a line that are shown on each side of where the caret begins.
const MAX_CONTEXT: usize = 60;

/// Characters of the text that are quoted in a sentence.
const MAX_QUOTED: usize = 40;

const OMISSION: &str = "…";

/// A place in a text: as numbers, and as people are shown it.
#[derive(Clone, Debug)]
pub(super) struct Excerpt {
    /// From 1.
    pub(super) line: usize,
    /// In characters from 1.
    pub(super) column: usize,
    shown: String,
    caret: Range<usize>,
}

impl Excerpt {
    /// The place of these bytes, as far as they are on one line.
    pub(super) fn new(text: &str, span: Range<usize>) -> Self {
        let before = &text[..span.start];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        // A tab would move what follows it away from the caret.
        let line = text[line_start..].lines().next().unwrap_or_default().replace('\t', " ");
        let (left, rest) = line.split_at((span.start - line_start).min(line.len()));
        let (marked, right) = rest.split_at(span.len().min(rest.len()));
        let mut excerpt = Self {
            line: before.matches('\n').count() + 1,
            column: left.chars().count() + 1,
            shown: last_characters(left),
            caret: 0..0,
        };
        excerpt.mark(marked, right);
        excerpt
    }

    fn mark(&mut self, marked: &str, right: &str) {
        let start = self.shown.chars().count();
        let marked = first_characters(marked, MAX_CONTEXT);
        self.caret = start..start + marked.chars().count().max(1);
        self.shown += &marked;
        self.shown += &first_characters(right, MAX_CONTEXT);
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.shown.trim_end())?;
        write!(f, "  {:indent$}{}", "", "^".repeat(self.caret.len()), indent = self.caret.start)
    }
}

/// A piece of a text for within a sentence: short, on one line, without anything hidden.
pub(crate) fn shown(text: &str) -> String {
    first_characters(text, MAX_QUOTED)
}

fn first_characters(text: &str, count: usize) -> String {
    let (kept, omission) = match text.char_indices().nth(count) {
        Some((end, _)) => (&text[..end], OMISSION),
        None => (text, ""),
    };
    visible(kept) + omission
}

fn last_characters(text: &str) -> String {
    let (omission, kept) = match text.char_indices().nth_back(MAX_CONTEXT) {
        Some((end, last)) => (OMISSION, &text[end + last.len_utf8()..]),
        None => ("", text),
    };
    omission.to_owned() + &visible(kept)
}

/// A text in which what is hidden is shown as an escape.
pub(crate) fn visible(text: &str) -> String {
    let escaped =
        |character: char| if is_hidden(character) { character.escape_default().to_string() } else { character.into() };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, span: Range<usize>, expected: (usize, usize, &str)) {
        let excerpt = Excerpt::new(text, span);
        assert_eq!((excerpt.line, excerpt.column, &*excerpt.to_string()), expected);
    }

    #[test]
    fn the_caret_is_under_the_place_on_its_line() {
        check("ab cd ef", 3..5, (1, 4, "  ab cd ef\n     ^^"));
        check("ab\ncd\r\nef", 4..5, (2, 2, "  cd\n   ^"));
        check("äb\tcd", 4..6, (1, 4, "  äb cd\n     ^^"));
    }

    #[test]
    fn the_end_of_a_text_is_a_place() {
        check("", 0..0, (1, 1, "  \n  ^"));
        check("ab", 2..2, (1, 3, "  ab\n    ^"));
        check("ab\n", 3..3, (2, 1, "  \n  ^"));
    }

    #[test]
    fn what_goes_on_over_several_lines_is_marked_on_the_first() {
        check("a (bc\nd)", 2..8, (1, 3, "  a (bc\n    ^^^"));
    }

    #[test]
    fn hidden_characters_are_shown_as_escapes_that_the_caret_counts() {
        check("\u{1b}[2Jx", 4..5, (1, 5, "  \\u{1b}[2Jx\n           ^"));
        check("a\u{202e}b", 1..4, (1, 2, "  a\\u{202e}b\n   ^^^^^^^^"));
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let text = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let (left, right) = ("a".repeat(MAX_CONTEXT), "b".repeat(MAX_CONTEXT));
        let caret = " ".repeat(MAX_CONTEXT + 3);
        check(&text, 500..501, (1, 501, &format!("  …{left}x{right}…\n{caret}^")));
    }
}
