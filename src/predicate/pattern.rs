//! Regular expressions, as tables that are made with the predicate.
//!
//! Matching reads one cell of the table for each byte, whatever the expression is, and allocates nothing: what a predicate
//! costs a producer is known when it is opened. The price is paid there, in time and in the size of the table, both
//! bounded. The crate `regex` would make its tables while it matches, on the producer's thread, and keep them for each
//! thread.

use super::PredicateError;

/// A regular expression; two are equal if they are written the same.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    #[cfg(feature = "regex")]
    table: std::sync::Arc<table::Table>,
}

impl Pattern {
    /// # Errors
    /// If `text` is not a regular expression, or its table takes more than 1 MiB.
    #[cfg(feature = "regex")]
    pub(super) fn new(text: &str) -> Result<Self, PredicateError> {
        Ok(Self { text: text.into(), table: std::sync::Arc::new(table::of(text)?) })
    }

    /// # Errors
    /// Always: this build has no regular expressions.
    #[cfg(not(feature = "regex"))]
    pub(super) fn new(text: &str) -> Result<Self, PredicateError> {
        Err(PredicateError::no_regex(text))
    }

    /// The expression as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a part of `text` matches.
    #[cfg(feature = "regex")]
    pub(super) fn is_match(&self, text: &str) -> bool {
        table::is_match(&self.table, text)
    }

    #[cfg(not(feature = "regex"))]
    pub(super) fn is_match(&self, _: &str) -> bool {
        false
    }

    /// How many bytes the table takes.
    #[cfg(feature = "regex")]
    pub(super) fn held_bytes(&self) -> usize {
        self.table.memory_usage()
    }

    #[cfg(not(feature = "regex"))]
    pub(super) fn held_bytes(&self) -> usize {
        0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// A text as the expression that matches it and nothing else.
#[cfg(feature = "regex")]
pub(super) fn escape(text: &str) -> String {
    regex_syntax::escape(text)
}

#[cfg(not(feature = "regex"))]
pub(super) fn escape(text: &str) -> String {
    text.to_owned()
}

#[cfg(feature = "regex")]
mod table {
    use super::super::PredicateError;
    use regex_automata::dfa::{Automaton, StartKind, dense};
    use regex_automata::nfa::thompson::{self, WhichCaptures};
    use regex_automata::{Anchored, Input, util::syntax};

    pub(super) type Table = dense::DFA<Vec<u32>>;

    /// A table stays below this, as does the expression before it is one.
    const MAX_BYTES: usize = 1 << 20;
    /// What making a table may take, in steps: each set of states of the expression that becomes a row of the table is
    /// gone through for each class of bytes. Some 5 ns each, 60 ms in all. The sets are bounded by the bytes that they take.
    const MAX_STEPS: usize = 12 << 20;

    pub(super) fn of(text: &str) -> Result<Table, PredicateError> {
        let invalid = |reason: &dyn std::fmt::Display| PredicateError::invalid_regex(text, &reason.to_string());
        let parsed = syntax::parse(text).map_err(|error| invalid(&error))?;
        let states = thompson::Config::new().which_captures(WhichCaptures::None).nfa_size_limit(Some(MAX_BYTES));
        let automaton = thompson::Compiler::new().configure(states).build_from_hir(&parsed);
        let automaton = automaton.map_err(|error| match error.size_limit() {
            Some(_) => PredicateError::large_regex(text),
            None => invalid(&error),
        })?;
        if automaton.look_set_any().contains_word_unicode() {
            return Err(PredicateError::word_boundary(text));
        }
        let classes = automaton.byte_classes().alphabet_len();
        let table = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(MAX_BYTES))
            .determinize_size_limit(Some(MAX_STEPS / classes));
        let built = dense::Builder::new().configure(table).build_from_nfa(&automaton);
        built.map_err(|error| match error.is_size_limit_exceeded() {
            true => PredicateError::large_regex(text),
            false => invalid(&error),
        })
    }

    pub(super) fn is_match(table: &Table, text: &str) -> bool {
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        // It fails only at configured quit bytes, and there are none.
        table.try_search_fwd(&input).is_ok_and(|found| found.is_some())
    }
}

#[cfg(all(test, feature = "regex"))]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Pattern::new(pattern).expect("it is an expression").is_match(text), expected, "{pattern} {text:?}");
    }

    #[test]
    fn a_part_of_the_text_is_enough_unless_anchored() {
        check("b+", "abbc", true);
        check("^b", "abbc", false);
        check("c$", "abbc", true);
        check("^$", "", true);
        check("(?i)STRASSE|straße", "Die STRASSE", true);
        check(r"^\p{Greek}+$", "αβγ", true);
        check(r"^\d+$", "٣٤", true);
        check(r"(?-u:\b)ops(?-u:\b)", "/ops/", true);
        check(r"(?-u:\b)ops(?-u:\b)", "/opsy/", false);
        check("(?m)^b$", "a\nb\nc", true);
    }

    #[test]
    fn an_expression_that_would_cost_too_much_is_refused() {
        let large = [r"\w{1000}{100}", "^(?:[ -~]?){3000}(?:[ -~]?){3000}[0-9]$", r"(?:\pL\pN?){60}x"];
        // Their tables are small, but took a second to make, or to be refused.
        let slow = ["[^b]*(a{30}){30}", "((a{30}){30}){30}|[^b]*k"];
        for pattern in large.into_iter().chain(slow) {
            let error = Pattern::new(pattern).expect_err("it is refused");
            assert!(error.is_too_large() && error.is_regex(), "{error}");
        }
        let error = Pattern::new(r"\bops\b").expect_err("it is refused");
        assert!(!error.is_too_large() && error.to_string().contains(r"(?-u:\b)"), "{error}");
    }

    #[test]
    fn expressions_of_unicode_classes_are_accepted() {
        for pattern in [r"\w+@\w+\.com", r"[\w.-]+@[\w.-]+", r"\p{L}+ \p{L}+", r"^.{0,100}$", "(a|b)*a(a|b){10}"] {
            assert!(Pattern::new(pattern).is_ok(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_table_says_what_the_crate_regex_says(
            pattern in r"(?:[ab.]|\(a\|b\)|\[ab\]|a\*|b\+|[ab]\?|\^|\$|é|\\d){0,8}", text in "[abéx1\n]{0,12}",
        ) {
            if let Ok(regex) = regex::Regex::new(&pattern) {
                let table = Pattern::new(&pattern).expect("it is an expression");
                prop_assert_eq!(table.is_match(&text), regex.is_match(&text), "{} {:?}", pattern, text);
            }
        }
    }
}
