//! Tests of the event's metadata: `@level`, `@target` and the like.

use super::field::Written;
use super::hint;
use super::levels::{LEVELS, more_severe};
use super::parse::{Parser, Result};
use super::token::TokenKind;
use crate::predicate::excerpt::shown;
use crate::predicate::operator::Operator;
use crate::predicate::{Predicate, PredicateError};
use std::ops::Range;
use tracing_core::Level;

/// Names after an `@`, and what is done with a text after each; a level is none.
const METADATA: [(&str, Option<OfText>); 5] = [
    ("@level", None),
    ("@target", Some(|text| Predicate::target(text))),
    ("@span", Some(|text| Predicate::span(text))),
    ("@name", Some(|text| Predicate::event_name(text))),
    ("@file", Some(|text| Predicate::file(text))),
];

type OfText = fn(&str) -> Predicate;

impl Parser<'_> {
    pub(super) fn metadata_test(&mut self, word: &str) -> Result<Predicate> {
        let name = word.to_ascii_lowercase();
        let Some((name, of_text)) = METADATA.iter().find(|(known, _)| *known == name) else {
            return Err(self.unknown_metadata(word));
        };
        let span = self.advance();
        match of_text {
            Some(of_text) => self.text_test(name, *of_text, &span),
            None => self.level_test(&span),
        }
    }

    fn text_test(&mut self, name: &str, of_text: OfText, span: &Range<usize>) -> Result<Predicate> {
        let sign = self.written();
        match self.kind() {
            TokenKind::In => self.any_of(span, |value| Ok(of_text(&value.text)), 1),
            TokenKind::Operator(operator @ (Operator::Equal | Operator::NotEqual)) => {
                self.count_tests(1, span)?;
                self.advance();
                let test = of_text(&self.value(sign)?.text);
                Ok(if operator == Operator::Equal { test } else { test.not() })
            }
            kind => Err(self.wrong_operator(name, "`=`, `!=` or `in`", kind)),
        }
    }

    fn level_test(&mut self, span: &Range<usize>) -> Result<Predicate> {
        let (text, sign) = (self.text(), self.written());
        let level = |value: &Written| level(value).map_err(|error| error.at(text, value.span.clone()));
        match self.kind() {
            TokenKind::In => self.any_of(span, |value| level(value).map(exactly), 2),
            TokenKind::Operator(operator) if is_of_levels(operator) => {
                self.advance();
                let value = self.value(sign)?;
                let test = compared(level(&value)?, operator);
                let test = test.ok_or_else(|| self.error(value.span, beyond(operator)))?;
                self.count_tests(test.tests().count().max(1), span)?;
                Ok(test)
            }
            kind => Err(self.wrong_operator("@level", "`=`, `!=`, `<`, `<=`, `>`, `>=` or `in`", kind)),
        }
    }

    fn any_of(
        &mut self,
        span: &Range<usize>,
        test: impl Fn(&Written) -> Result<Predicate>,
        tests_each: usize,
    ) -> Result<Predicate> {
        let start = self.span().start;
        let values = self.list()?;
        self.count_tests(values.len() * tests_each, span)?;
        let tests: Vec<Predicate> = values.iter().map(test).collect::<Result<_>>()?;
        let nothing = || self.error(start..self.span().start, "expected a value within the parentheses, found none");
        tests.into_iter().reduce(Predicate::or).ok_or_else(nothing)
    }

    fn wrong_operator(&self, name: &str, allowed: &str, kind: TokenKind<'_>) -> PredicateError {
        let hint = match kind {
            TokenKind::Bar => Some("`|` joins names of fields".to_owned()),
            TokenKind::Operator(Operator::StartsWith) if name == "@target" => self.target_below(),
            _ => hint::instead_of_operator(name, kind, self.written()),
        };
        self.expected(&format!("{allowed} after `{name}`"), hint)
    }

    fn unknown_metadata(&self, word: &str) -> PredicateError {
        let message = format!("expected {}, found `{}`", hint::list(METADATA.map(|(name, _)| name)), shown(word));
        let near = hint::nearest(word, METADATA.map(|(name, _)| name));
        let field =
            || format!("a field is written without `@`: did you mean `{}`?", shown(word.trim_start_matches('@')));
        self.error(self.span(), message).with_hint(near.map(hint::did_you_mean).or_else(|| Some(field())))
    }
}

fn is_of_levels(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual
    )
}

fn level(value: &Written) -> Result<Level> {
    let found = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&value.text));
    found.map(|(_, level)| *level).ok_or_else(|| {
        let names = LEVELS.map(|(name, _)| name);
        let message = format!("expected {}, found `{}`", hint::list(names), shown(&value.text));
        PredicateError::syntax(message).with_hint(hint::nearest(&value.text, names).map(hint::did_you_mean))
    })
}

/// By severity, of which ERROR has most; none if no level compares so, as none is less severe than TRACE.
fn compared(level: Level, operator: Operator) -> Option<Predicate> {
    match operator {
        Operator::Equal => Some(exactly(level)),
        Operator::NotEqual => Some(exactly(level).not()),
        Operator::GreaterOrEqual => Some(Predicate::level(level)),
        Operator::Greater => more_severe(level).map(Predicate::level),
        Operator::Less => (level != Level::TRACE).then(|| Predicate::level(level).not()),
        _ => Some(more_severe(level).map_or_else(Predicate::everything, |above| Predicate::level(above).not())),
    }
}

/// Where [`compared`] knows none.
fn beyond(operator: Operator) -> &'static str {
    match operator {
        Operator::Less => "no level is less severe than `trace`",
        _ => "no level is more severe than `error`",
    }
}

fn exactly(level: Level) -> Predicate {
    let at_least = Predicate::level(level);
    match more_severe(level) {
        Some(above) => at_least.and(Predicate::level(above).not()),
        None => at_least,
    }
}
