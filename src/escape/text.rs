//! Untrusted texts in logs and errors: on one line, escaped, and cut.

use super::character::write_escape;
use super::hidden::is_hidden;
use std::fmt::{self, Write};

/// Ends a text that was cut.
pub(crate) const CUT_MARK: &str = "…[cut]";

/// Escapes [hidden](super::is_hidden) characters and backslashes, and cuts the result at `max_bytes`.
///
/// A cut text ends with `…[cut]`, which is not counted. The result has one line. Two different texts look the same only if
/// both are cut. Stops reading at the cut.
pub fn escaped(name: &str, max_bytes: usize) -> String {
    shown(name, max_bytes, |character| is_hidden(character) || character == '\\')
}

/// Escapes the hidden characters of an expression alone: it has quotes and backslashes of its own.
pub(crate) fn escaped_expression(expression: impl fmt::Display, max_bytes: usize) -> String {
    shown(expression, max_bytes, is_hidden)
}

fn shown(text: impl fmt::Display, max_bytes: usize, is_escaped: fn(char) -> bool) -> String {
    let mut shown = Shown { text: String::new(), max_bytes, is_escaped };
    // The error only stops the writing at the cut.
    let _ = write!(shown, "{text}");
    shown.text
}

struct Shown {
    text: String,
    max_bytes: usize,
    is_escaped: fn(char) -> bool,
}

impl fmt::Write for Shown {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        let kept = self.text.len();
        if (self.is_escaped)(character) {
            write_escape(&mut self.text, character)?;
        } else {
            self.text.push(character);
        }
        if self.text.len() > self.max_bytes {
            self.text.truncate(kept);
            self.text.push_str(CUT_MARK);
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_or_hides_is_left_as_it_is() {
        let name = "ann\r\n\u{1B}[31m\u{202E}\u{200B}\\n \"x\" é";
        assert_eq!(escaped(name, 512), r#"ann\r\n\x1B[31m\u202E\u200B\\n "x" é"#);
        assert_eq!(escaped_expression("path ~ \"\\\\d\u{202E}\"", 512), r#"path ~ "\\d\u202E""#);
    }

    #[test]
    fn a_text_is_cut_before_the_character_that_does_not_fit_whole() {
        assert_eq!(escaped("abc", 3), "abc");
        assert_eq!(escaped("abcd", 3), "abc…[cut]");
        assert_eq!(escaped("abé", 3), "ab…[cut]");
        assert_eq!(escaped("ab\u{202E}", 7), "ab…[cut]");
        assert_eq!(escaped("x", 0), "…[cut]");
    }

    #[test]
    fn what_is_cut_is_not_written_first() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("and so on ")?;
                }
            }
        }
        assert_eq!(escaped_expression(Endless, 6), "and so…[cut]");
    }
}
