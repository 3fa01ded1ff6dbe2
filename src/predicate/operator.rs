//! The operators between a field and a value: the one list that the lexer, the parser, the printer, the hints and the
//! page's completion share.

use super::{Check, Relation};

/// What compares a field with a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    StartsWith,
    EndsWith,
    Contains,
    Matches,
    MatchesNot,
}

/// An operator between a field and a value, with its texts for people.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OperatorInfo {
    /// Its sign: `^=`.
    pub sign: &'static str,
    /// Its meaning, worded to follow the name of a field: `starts with`.
    pub meaning: &'static str,
    pub(super) operator: Operator,
    /// Other signs that are read as it.
    pub(super) also: &'static [&'static str],
    /// Signs of other languages that stand for it, and slips.
    pub(super) mistaken: &'static [&'static str],
    /// Words of other languages that stand for it.
    pub(super) words: &'static [&'static str],
}

/// All operators that take one value, in the order of a completion list.
///
/// The tests `in (..)` and `exists` are not among them: they do not take one value.
///
/// ```
/// use tracing_tap::predicate::OPERATORS;
///
/// let prefix = OPERATORS.iter().find(|operator| operator.sign == "^=").expect("it is one");
/// assert_eq!(prefix.meaning, "starts with");
/// ```
pub const OPERATORS: &[OperatorInfo] = &[
    OperatorInfo { also: &["=="], ..entry(Operator::Equal, "=", "equals", &["==="], &["is", "eq", "equals"]) },
    entry(Operator::NotEqual, "!=", "does not equal", &["!==", "=!", "<>", "≠"], &["ne"]),
    entry(Operator::Less, "<", "is less than", &[], &["lt"]),
    entry(Operator::LessOrEqual, "<=", "is at most", &["=<", "≤"], &["le"]),
    entry(Operator::Greater, ">", "is greater than", &[], &["gt"]),
    entry(Operator::GreaterOrEqual, ">=", "is at least", &["=>", "≥"], &["ge"]),
    entry(Operator::StartsWith, "^=", "starts with", &["=^", "^"], &["startswith"]),
    entry(Operator::EndsWith, "$=", "ends with", &["=$"], &["endswith"]),
    entry(Operator::Contains, "*=", "contains", &[], &["like", "contains", "includes", "has"]),
    entry(Operator::Matches, "~", "matches", &["=~", "~="], &["matches"]),
    entry(Operator::MatchesNot, "!~", "does not match", &[], &[]),
];

const fn entry(
    operator: Operator,
    sign: &'static str,
    meaning: &'static str,
    mistaken: &'static [&'static str],
    words: &'static [&'static str],
) -> OperatorInfo {
    OperatorInfo { sign, meaning, operator, also: &[], mistaken, words }
}

impl Operator {
    /// The operator of a check with one value, if it is that.
    pub(super) fn of(check: &Check) -> Option<Self> {
        Some(match check {
            Check::Exists => return None,
            Check::Equals(texts) if texts.len() != 1 => return None,
            Check::Equals(_) => Self::Equal,
            Check::StartsWith(_) => Self::StartsWith,
            Check::EndsWith(_) => Self::EndsWith,
            Check::Contains(_) => Self::Contains,
            Check::Matches(_) => Self::Matches,
            Check::Ordered(Relation::Less, _) => Self::Less,
            Check::Ordered(Relation::LessOrEqual, _) => Self::LessOrEqual,
            Check::Ordered(Relation::Greater, _) => Self::Greater,
            Check::Ordered(Relation::GreaterOrEqual, _) => Self::GreaterOrEqual,
        })
    }

    /// The operator that is true where this one is not, if there is one for the same values.
    pub(super) fn negated(self) -> Option<Self> {
        match self {
            Self::Equal => Some(Self::NotEqual),
            Self::Matches => Some(Self::MatchesNot),
            _ => None,
        }
    }

    pub(super) fn sign(self) -> &'static str {
        OPERATORS.iter().find(|entry| entry.operator == self).map_or("", |entry| entry.sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predicate::Predicate;
    use std::collections::BTreeSet;

    #[test]
    fn every_operator_reads_and_prints_by_its_sign() {
        for OperatorInfo { sign, .. } in OPERATORS {
            let text = format!("field {sign} 7");
            let read: Predicate = text.parse().expect("it is a predicate");
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn every_mistaken_sign_is_refused_with_the_operator() {
        for OperatorInfo { sign, mistaken, .. } in OPERATORS {
            for slip in *mistaken {
                let error = format!("field {slip} 7").parse::<Predicate>().expect_err("it is no operator");
                assert!(error.hint().is_some_and(|hint| hint.contains(sign)), "{slip}: {error}");
            }
        }
    }

    #[test]
    fn no_sign_and_no_word_stands_for_two() {
        let of = |entry: &OperatorInfo| [entry.also, entry.mistaken, entry.words, &[entry.sign]].concat();
        let signs = OPERATORS.iter().flat_map(of);
        let (all, distinct) = (signs.clone().count(), signs.collect::<BTreeSet<_>>().len());
        assert_eq!(all, distinct);
    }
}
