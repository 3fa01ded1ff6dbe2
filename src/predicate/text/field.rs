//! Tests of fields.

use super::foreign;
use super::hint;
use super::parse::{Parser, Result};
use super::quote::{is_null, unescape};
use super::token::{TokenKind, is_bare_name};
use crate::predicate::excerpt::shown;
use crate::predicate::operator::Operator;
use crate::predicate::{Keys, Predicate, PredicateError};
use crate::value::Number;
use std::ops::Range;

/// A value, and where it is written.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

impl<'a> Parser<'a> {
    pub(super) fn field_test(&mut self) -> Result<Predicate> {
        let start = self.span();
        let mut names = vec![self.name()?];
        let mut end = start.end;
        while self.accept(TokenKind::Bar).is_some() {
            end = self.span().end;
            names.push(self.name()?);
        }
        self.test_of(names, start.start..end)
    }

    /// The rest of a test, behind the names at `span`.
    pub(super) fn test_of(&mut self, names: Vec<String>, span: Range<usize>) -> Result<Predicate> {
        match self.kind() {
            TokenKind::Operator(operator) => {
                self.count_tests(1, &span)?;
                let sign = self.written();
                self.advance();
                self.comparison(names, operator, sign)
            }
            TokenKind::In => {
                self.count_tests(1, &span)?;
                let values = self.list()?;
                if let Some(null) = values.iter().find(|value| self.is_bare_null(value)) {
                    return Err(self.null_in_list(names, &values, null));
                }
                Ok(Predicate::any_of(names, values.into_iter().map(|value| value.text)))
            }
            TokenKind::Exists => {
                self.count_tests(1, &span)?;
                self.advance();
                Ok(Predicate::exists(names))
            }
            _ if names.is_empty() => Err(self.error(span, "expected a test, found nothing in parentheses")),
            kind => {
                let meant = self.did_you_mean(foreign::behind_names(&names, self.rest()), span.start);
                let names = &self.text()[span];
                let hint = meant.or_else(|| hint::instead_of_operator(names, kind, self.written()));
                Err(self.expected(&format!("an operator after `{}`", shown(names)), hint))
            }
        }
    }

    fn comparison(&mut self, names: Vec<String>, operator: Operator, sign: &str) -> Result<Predicate> {
        let value = self.value(sign)?;
        if matches!(operator, Operator::Equal | Operator::NotEqual) && self.is_bare_null(&value) {
            let exists = Predicate::exists(names);
            let meant = if operator == Operator::Equal { exists.not() } else { exists };
            return Err(self.null(meant, value.span));
        }
        Ok(match operator {
            Operator::Equal => Predicate::eq(names, value.text),
            Operator::NotEqual => Predicate::ne(names, value.text),
            Operator::StartsWith => Predicate::starts_with(names, value.text),
            Operator::EndsWith => Predicate::ends_with(names, value.text),
            Operator::Contains => Predicate::contains(names, value.text),
            Operator::Matches => self.regex(names, value)?,
            Operator::MatchesNot => self.regex(names, value)?.not(),
            Operator::Less => Predicate::lt(self.ordered(names, sign, &value)?, value.text),
            Operator::LessOrEqual => Predicate::le(self.ordered(names, sign, &value)?, value.text),
            Operator::Greater => Predicate::gt(self.ordered(names, sign, &value)?, value.text),
            Operator::GreaterOrEqual => Predicate::ge(self.ordered(names, sign, &value)?, value.text),
        })
    }

    /// A field that says `null` is rare, and a field that is not there is what is meant elsewhere.
    fn is_bare_null(&self, value: &Written) -> bool {
        is_null(&self.text()[value.span.clone()])
    }

    fn null_in_list(&self, names: Vec<String>, values: &[Written], null: &Written) -> PredicateError {
        let others: Vec<_> = values.iter().filter(|value| !self.is_bare_null(value)).map(|value| &value.text).collect();
        let absent = Predicate::exists(names.clone()).not();
        let meant = if others.is_empty() { absent } else { absent.or(Predicate::any_of(names, others)) };
        self.null(meant, null.span.clone())
    }

    fn null(&self, meant: Predicate, span: Range<usize>) -> PredicateError {
        let quoted = "the text goes into double quotes: `\"null\"`";
        let meant = hint::did_you_mean_test(&meant, false);
        let hint = meant.map_or_else(|| quoted.to_owned(), |meant| format!("{meant} {quoted}"));
        self.error(span, "expected a value, found `null`").with_hint(Some(hint))
    }

    fn regex(&mut self, names: Vec<String>, pattern: Written) -> Result<Predicate> {
        self.count_regex(&pattern.span)?;
        let glob = names.first().and_then(|name| foreign::glob(name, true, &pattern.text));
        Predicate::regex(names, pattern.text).map_err(|error| {
            let meant = self.did_you_mean(glob, pattern.span.start);
            error.at(self.text(), pattern.span).with_hint(meant)
        })
    }

    /// An ordering with a text that is not a number would never be true.
    fn ordered(&self, names: Vec<String>, sign: &str, bound: &Written) -> Result<Keys> {
        if Number::parse(&bound.text).is_some() {
            return Ok(names.into());
        }
        let message = format!("expected a number after `{sign}`, found `{}`", shown(&bound.text));
        let hint = hint::instead_of_number(&names, sign, &bound.text);
        Err(self.error(bound.span.clone(), message).with_hint(hint))
    }

    fn name(&mut self) -> Result<String> {
        let (kind, written) = (self.kind(), self.written());
        match kind {
            TokenKind::Backticked(body) => {
                let span = self.advance();
                self.unescaped(body, span)
            }
            TokenKind::Word(word) if is_bare_name(word) => {
                self.advance();
                Ok(word.to_owned())
            }
            TokenKind::Word(word) => {
                let message = format!("expected the name of a field, found `{}`", shown(written));
                let hint = self.instead_of_name().or_else(|| hint::instead_of_name(word));
                Err(self.error(self.span(), message).with_hint(hint))
            }
            _ => Err(self.expected("the name of a field", hint::instead_of_test(kind, TokenKind::End))),
        }
    }

    /// The value that `sign` compares with.
    pub(super) fn value(&mut self, sign: &str) -> Result<Written> {
        let body = match self.kind() {
            TokenKind::Word(word) => return Ok(Written { text: word.to_owned(), span: self.advance() }),
            TokenKind::Quoted(body) => body,
            kind => {
                let hint = hint::instead_of_value(kind, self.written());
                return Err(self.expected(&format!("a value after `{sign}`"), hint));
            }
        };
        let span = self.advance();
        Ok(Written { text: self.unescaped(body, span.clone())?, span })
    }

    /// `in` and what is in parentheses behind it.
    pub(super) fn list(&mut self) -> Result<Vec<Written>> {
        let sign = self.written();
        self.advance();
        let open = self.span();
        if self.accept(TokenKind::Open).is_none() {
            let hint = hint::instead_of_list(self.kind(), self.written());
            return Err(self.expected(&format!("`(` after `{sign}`"), hint));
        }
        if self.accept(TokenKind::Close).is_some() {
            return Ok(Vec::new());
        }
        let mut values = vec![self.value("(")?];
        while self.accept(TokenKind::Comma).is_some() {
            values.push(self.value(",")?);
        }
        self.close(open, "`,` or `)`", hint::within_list)?;
        Ok(values)
    }

    fn unescaped(&self, body: &str, span: Range<usize>) -> Result<String> {
        let half = "`\\u` with half of a character: it takes two from `\\ud800` on";
        unescape(body).ok_or_else(|| self.error(span, half))
    }
}
