//! From tokens to a predicate: `or`, `and`, `not`, parentheses.

use super::foreign;
use super::hint::{self, Hint};
use super::lexer::tokens;
use super::token::{Token, TokenKind};
use super::{MAX_DEPTH, MAX_REGEXES, MAX_TESTS};
use crate::predicate::excerpt::shown;
use crate::predicate::{Predicate, PredicateError};
use std::ops::Range;

pub(super) type Result<T> = std::result::Result<T, PredicateError>;

/// Reads tokens from left to right, and looks one ahead.
///
/// It calls itself only within parentheses and behind `not`, and counts how deep that goes.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    text: &'a str,
    /// Ends with what nothing can follow.
    tokens: Vec<Token<'a>>,
    position: usize,
    depth: usize,
    tests: usize,
    regexes: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, tokens: tokens(text), position: 0, depth: 0, tests: 0, regexes: 0 }
    }

    pub(super) fn parse(mut self) -> Result<Predicate> {
        let predicate = self.disjunction()?;
        match self.kind() {
            TokenKind::End => Ok(predicate),
            TokenKind::Close => {
                Err(self.error(self.span(), "expected `and`, `or` or the end, found `)` that closes nothing"))
            }
            _ => Err(self.expected("`and`, `or` or the end", hint::after_test(self.before(), self.kind()))),
        }
    }

    fn disjunction(&mut self) -> Result<Predicate> {
        let mut left = self.conjunction()?;
        while self.accept(TokenKind::Or).is_some() {
            left = left.or(self.conjunction()?);
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Predicate> {
        let mut left = self.negation()?;
        while self.accept(TokenKind::And).is_some() {
            left = left.and(self.negation()?);
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Predicate> {
        match self.accept(TokenKind::Not) {
            Some(span) => Ok(self.nested(span, Self::negation)?.not()),
            None => self.operand(),
        }
    }

    fn operand(&mut self) -> Result<Predicate> {
        match self.kind() {
            TokenKind::Open => self.group(),
            TokenKind::Star => {
                let span = self.advance();
                self.count_tests(1, &span)?;
                Ok(Predicate::everything())
            }
            TokenKind::Word(word) if word.starts_with('@') => self.metadata_test(word),
            TokenKind::Word(_) | TokenKind::Backticked(_) => self.field_test(),
            TokenKind::End if self.position == 0 => Err(self.expected("a test", Some("`*` is true of everything"))),
            TokenKind::Exists if self.following() == TokenKind::Open => {
                let meant = foreign::call(self.written(), &self.rest()[1..]);
                Err(self.expected("a test", self.did_you_mean(meant, self.span().start)))
            }
            kind => Err(self.expected("a test", hint::instead_of_test(kind, self.following()))),
        }
    }

    /// What is in parentheses; before an operator, nothing in parentheses is no name at all.
    fn group(&mut self) -> Result<Predicate> {
        let open = self.advance();
        if let Some(close) = self.accept(TokenKind::Close) {
            return self.test_of(Vec::new(), open.start..close.end);
        }
        let inner = self.nested(open.clone(), Self::disjunction)?;
        self.close(open, "`and`, `or` or `)`", hint::after_test)?;
        Ok(inner)
    }

    /// Steps over the parenthesis that closes the one at `open`.
    pub(super) fn close(&mut self, open: Range<usize>, expected: &str, hint: Hint) -> Result<()> {
        match self.kind() {
            TokenKind::Close => {
                self.advance();
                Ok(())
            }
            TokenKind::End => Err(self.error(open, "the parenthesis `(` is not closed")),
            kind => Err(self.expected(expected, hint(self.before(), kind))),
        }
    }

    fn nested(&mut self, span: Range<usize>, read: fn(&mut Self) -> Result<Predicate>) -> Result<Predicate> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep");
            return Err(PredicateError::limit(message).at(self.text, span));
        }
        let inner = read(self);
        self.depth -= 1;
        inner
    }
}

/// Limits.
impl Parser<'_> {
    pub(super) fn count_tests(&mut self, count: usize, span: &Range<usize>) -> Result<()> {
        self.tests += count;
        self.check_count(self.tests, MAX_TESTS, "tests", span)
    }

    pub(super) fn count_regex(&mut self, span: &Range<usize>) -> Result<()> {
        self.regexes += 1;
        self.check_count(self.regexes, MAX_REGEXES, "regular expressions", span)
    }

    fn check_count(&self, count: usize, allowed: usize, what: &str, span: &Range<usize>) -> Result<()> {
        if count <= allowed {
            return Ok(());
        }
        let message = format!("more than the {allowed} {what} allowed");
        Err(PredicateError::limit(message).at(self.text, span.clone()))
    }
}

/// Tokens, and what is said of them.
impl<'a> Parser<'a> {
    pub(super) fn kind(&self) -> TokenKind<'a> {
        self.tokens[self.position].kind
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.tokens[self.position].span.clone()
    }

    /// The current token as it is written.
    pub(super) fn written(&self) -> &'a str {
        &self.text[self.span()]
    }

    /// The tokens from the current one on.
    pub(super) fn rest(&self) -> &[Token<'a>] {
        &self.tokens[self.position..]
    }

    /// The tokens before the current one.
    pub(super) fn read(&self) -> &[Token<'a>] {
        &self.tokens[..self.position]
    }

    /// The text, for an error's place.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Steps over a token, unless nothing can follow it.
    pub(super) fn advance(&mut self) -> Range<usize> {
        let span = self.span();
        self.position = (self.position + 1).min(self.tokens.len() - 1);
        span
    }

    pub(super) fn accept(&mut self, kind: TokenKind<'_>) -> Option<Range<usize>> {
        (self.kind() == kind).then(|| self.advance())
    }

    fn following(&self) -> TokenKind<'a> {
        self.tokens.get(self.position + 1).map_or(TokenKind::End, |token| token.kind)
    }

    fn before(&self) -> TokenKind<'a> {
        self.position.checked_sub(1).map_or(TokenKind::End, |before| self.tokens[before].kind)
    }

    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) -> PredicateError {
        PredicateError::syntax(message).at(self.text, span)
    }

    /// The current token is not what was expected.
    pub(super) fn expected(&self, what: &str, hint: Option<impl Into<String>>) -> PredicateError {
        if let TokenKind::Broken(broken) = self.kind() {
            let (message, hint) = hint::of_broken(broken, self.written());
            let (span, hint) = match self.broken_run(broken) {
                Some((span, meant)) => (span, Some(meant)),
                None => (self.span(), hint),
            };
            return self.error(span, message).with_hint(hint);
        }
        let message = match self.kind() {
            TokenKind::End => format!("expected {what}, found the end"),
            _ => format!("expected {what}, found `{}`", shown(self.written())),
        };
        let hint = self.value_run().or_else(|| hint::of_sign(self.kind())).or(hint.map(Into::into));
        self.error(self.span(), message).with_hint(hint)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_behind_the_end() {
        let mut parser = Parser::new("user");
        for _ in 0..3 {
            parser.advance();
        }
        assert_eq!((parser.kind(), parser.rest().len()), (TokenKind::End, 1));
    }

    #[test]
    fn groups_beside_each_other_are_not_nested() {
        let text = vec!["(user = 42)"; MAX_DEPTH + 9].join(" or ");
        assert!(Parser::new(&text).parse().is_ok());
        let nested = format!("{}user = 42{}", "(".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1));
        assert!(Parser::new(&nested).parse().is_err());
    }
}
