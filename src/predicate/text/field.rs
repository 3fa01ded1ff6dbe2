//! Tests of fields.

use super::hint;
use super::parse::{Parser, Result};
use super::quote::unescape;
use super::token::{Kind, Operator, is_bare_name};
use crate::predicate::excerpt::shown;
use crate::predicate::{Keys, Predicate};
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
        while self.accept(Kind::Bar).is_some() {
            end = self.span().end;
            names.push(self.name()?);
        }
        self.test_of(names, start.start..end)
    }

    /// The rest of a test, behind the names at `span`.
    pub(super) fn test_of(&mut self, names: Vec<String>, span: Range<usize>) -> Result<Predicate> {
        match self.kind() {
            Kind::Operator(operator) => {
                self.count_tests(1, &span)?;
                let sign = self.written();
                self.advance();
                self.comparison(names, operator, sign)
            }
            Kind::In => {
                self.count_tests(1, &span)?;
                let values = self.list()?.into_iter().map(|value| value.text);
                Ok(Predicate::any_of(names, values))
            }
            Kind::Exists => {
                self.count_tests(1, &span)?;
                self.advance();
                Ok(Predicate::exists(names))
            }
            _ if names.is_empty() => Err(self.error(span, "expected a test, found nothing in parentheses")),
            kind => {
                let names = &self.text()[span];
                Err(self.expected(
                    &format!("an operator after `{}`", shown(names)),
                    hint::instead_of_operator(names, kind, self.written()),
                ))
            }
        }
    }

    fn comparison(&mut self, names: Vec<String>, operator: Operator, sign: &str) -> Result<Predicate> {
        let value = self.value(sign)?;
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

    fn regex(&mut self, names: Vec<String>, pattern: Written) -> Result<Predicate> {
        self.count_regex(&pattern.span)?;
        Predicate::regex(names, pattern.text).map_err(|error| error.at(self.text(), pattern.span))
    }

    /// An ordering with what is not a number would be true of nothing, which nobody asks for.
    fn ordered(&self, names: Vec<String>, sign: &str, bound: &Written) -> Result<Keys> {
        if Number::parse(&bound.text).is_some() {
            return Ok(names.into());
        }
        let message = format!("expected a number after `{sign}`, found `{}`", shown(&bound.text));
        let hint = hint::instead_of_number(&names, &bound.text);
        Err(self.error(bound.span.clone(), message).with_hint(hint))
    }

    fn name(&mut self) -> Result<String> {
        let (kind, written) = (self.kind(), self.written());
        match kind {
            Kind::Backticked(body) => {
                let span = self.advance();
                self.unescaped(body, span)
            }
            Kind::Word(word) if is_bare_name(word) => {
                self.advance();
                Ok(word.to_owned())
            }
            Kind::Word(word) => {
                let message = format!("expected the name of a field, found `{}`", shown(written));
                Err(self.error(self.span(), message).with_hint(hint::instead_of_name(word)))
            }
            _ => Err(self.expected("the name of a field", hint::instead_of_test(kind, Kind::End))),
        }
    }

    /// The value that `sign` compares with.
    pub(super) fn value(&mut self, sign: &str) -> Result<Written> {
        let body = match self.kind() {
            Kind::Word(word) => return Ok(Written { text: word.to_owned(), span: self.advance() }),
            Kind::Quoted(body) => body,
            kind => {
                return Err(
                    self.expected(&format!("a value after `{sign}`"), hint::instead_of_value(kind, self.written()))
                );
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
        if self.accept(Kind::Open).is_none() {
            return Err(
                self.expected(&format!("`(` after `{sign}`"), hint::instead_of_list(self.kind(), self.written()))
            );
        }
        if self.accept(Kind::Close).is_some() {
            return Ok(Vec::new());
        }
        let mut values = vec![self.value("(")?];
        while self.accept(Kind::Comma).is_some() {
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
