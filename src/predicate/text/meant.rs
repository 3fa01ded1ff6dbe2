//! What was probably meant at a place of the text that is not what was expected there.

use super::foreign;
use super::hint;
use super::parse::Parser;
use super::token::{Broken, Token, TokenKind, is_of_word};
use crate::predicate::Predicate;
use crate::predicate::operator::Operator;
use std::ops::Range;

/// Marks that other languages have around a text, and those that close it.
const QUOTES: [(char, &[char]); 6] =
    [('\'', &['\'']), ('“', &['”', '“']), ('„', &['“', '”']), ('‘', &['’', '‘']), ('’', &['’']), ('«', &['»'])];

impl Parser<'_> {
    /// A test that was meant by one that begins at `start`.
    pub(super) fn did_you_mean(&self, meant: Option<Predicate>, start: usize) -> Option<String> {
        let before = self.read().iter().rfind(|token| token.span.end <= start);
        hint::did_you_mean_test(&meant?, before.is_some_and(|before| before.kind == TokenKind::Not))
    }

    /// Where a word is no name.
    pub(super) fn instead_of_name(&self) -> Option<String> {
        let start = self.span().start;
        if let Some(meant) = foreign::colon(self.text(), self.rest()) {
            let hint = self.did_you_mean(Some(meant), start)?;
            let is_quoted = self.rest().get(1).is_some_and(|next| matches!(next.kind, TokenKind::Quoted(_)));
            return Some(if is_quoted { format!("{hint} `*=` tests what it contains") } else { hint });
        }
        self.did_you_mean(foreign::directive(&self.text()[self.run(start)]), start)
    }

    /// `@target ^= hyper`: what is below a target is of it anyway.
    pub(super) fn target_below(&self) -> Option<String> {
        let TokenKind::Word(target) = self.rest().get(1)?.kind else { return None };
        let start = self.read().last()?.span.start;
        self.did_you_mean(Some(Predicate::target(target.trim_end_matches(':'))), start)
    }

    /// Where a character is that belongs nowhere: what it is part of, and what was meant.
    pub(super) fn broken_run(&self, broken: Broken) -> Option<(Range<usize>, String)> {
        let Broken::Character(character) = broken else { return None };
        if let Some(pattern) = self.pattern() {
            return Some(pattern);
        }
        let start = self.span().start;
        match character {
            '[' | '{' if !self.expects_value() => {
                let run = self.run(start);
                let directive = foreign::directive(&self.text()[run.clone()]);
                Some((self.span(), self.did_you_mean(directive, run.start)?))
            }
            '$' => self.shell_variable(start),
            _ if self.expects_value() => self.in_other_quotes(character, start),
            _ => None,
        }
    }

    fn expects_value(&self) -> bool {
        match self.read() {
            [.., Token { kind: before, .. }, Token { kind: TokenKind::Open, .. }] => *before == TokenKind::In,
            [.., Token { kind: TokenKind::Operator(_) | TokenKind::In | TokenKind::Comma, .. }] => true,
            _ => false,
        }
    }

    fn in_other_quotes(&self, opening: char, start: usize) -> Option<(Range<usize>, String)> {
        let (_, closing) = QUOTES.iter().find(|(mark, _)| *mark == opening)?;
        let behind = start + opening.len_utf8();
        let rest = self.text()[behind..].lines().next()?;
        let (length, mark) = rest.char_indices().find(|(_, character)| closing.contains(character))?;
        let end = behind + length + mark.len_utf8();
        Some((start..end, hint::did_you_mean_quoted(&rest[..length])))
    }

    fn shell_variable(&self, start: usize) -> Option<(Range<usize>, String)> {
        let rest = &self.text()[start + 1..];
        let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let length = match rest.strip_prefix('{') {
            Some(name) => {
                name.find(|character| !is_of_name(character)).filter(|end| name[*end..].starts_with('}'))? + 2
            }
            None => rest.find(|character| !is_of_name(character)).unwrap_or(rest.len()),
        };
        let span = start..start + 1 + length;
        let why = "a shell fills that in outside of single quotes alone";
        let hint = hint::short_quoted(&self.text()[span.clone()]).map(|meant| format!("{meant} {why}"));
        (length > 0).then(|| (span, hint.unwrap_or_else(|| why.to_owned())))
    }

    /// `user=$USER`, in which two signs are taken for one.
    fn compared_with_shell_variable(&self) -> Option<String> {
        let start = self.span().end - 1;
        let (span, _) = self.shell_variable(start)?;
        let TokenKind::Word(name) = self.read().last()?.kind else { return None };
        self.did_you_mean(Some(Predicate::eq(name, &self.text()[span])), start)
    }

    /// Where a value is not over, or is none: a pattern without quotes, or one with stars.
    pub(super) fn value_run(&self) -> Option<String> {
        if let (TokenKind::Mistaken(_), "=$") = (self.kind(), self.written()) {
            return self.compared_with_shell_variable();
        }
        self.pattern().map(|(_, meant)| meant).or_else(|| self.glob())
    }

    /// A regular expression without quotes: up to the next space.
    fn pattern(&self) -> Option<(Range<usize>, String)> {
        let (name, operator, run) =
            self.run_behind(|operator| matches!(operator, Operator::Matches | Operator::MatchesNot))?;
        let written = &self.text()[run.clone()];
        if written.starts_with('"') {
            return None;
        }
        if Predicate::regex(name, written).is_err() {
            let meant = foreign::glob(name, operator == Operator::Matches, written);
            return Some((run.clone(), self.did_you_mean(meant, run.start)?));
        }
        Some((run, hint::did_you_mean_quoted(written)))
    }

    fn glob(&self) -> Option<String> {
        let (name, operator, run) =
            self.run_behind(|operator| matches!(operator, Operator::Equal | Operator::NotEqual))?;
        let written = &self.text()[run.clone()];
        let is_glob =
            written.contains('*') && written.chars().all(|character| is_of_word(character) || character == '*');
        let meant = is_glob.then(|| foreign::glob(name, operator == Operator::Equal, written))?;
        self.did_you_mean(meant, run.start)
    }

    /// The name, the operator and the value up to the next space, where the current token is part of that.
    fn run_behind(&self, is_wanted: impl Fn(Operator) -> bool) -> Option<(&str, Operator, Range<usize>)> {
        let operator = |token: &Token<'_>| match token.kind {
            TokenKind::Operator(operator) => Some(operator),
            _ => None,
        };
        let place = self.read().iter().rposition(|token| operator(token).is_some())?;
        let found = operator(&self.read()[place]).filter(|found| is_wanted(*found))?;
        let TokenKind::Word(name) = self.read()[place.checked_sub(1)?].kind else { return None };
        let behind = self.read()[place].span.end;
        let rest = &self.text()[behind..];
        let start = behind + rest.len() - rest.trim_start().len();
        let run = self.run(start);
        (run.start == start && run.contains(&self.span().start)).then_some((name, found, run))
    }

    /// What is around a place without a space outside of quotes and brackets, and without a parenthesis of the text.
    fn run(&self, place: usize) -> Range<usize> {
        let is_end = |character: char| character.is_whitespace();
        let before =
            self.text()[..place].char_indices().rfind(|(_, character)| is_end(*character) || *character == '(');
        let start = before.map_or(0, |(place, character)| place + character.len_utf8());
        let mut depth = 0_usize;
        let length = foreign::unquoted(&self.text()[start..], |character| {
            let is_over = depth == 0 && (is_end(character) || character == ')');
            match character {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            is_over
        });
        start..length.map_or(self.text().len(), |length| start + length)
    }
}
