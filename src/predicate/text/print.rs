//! From a predicate to its text: what is needed to read an equal one, in the shortest usual form.

use super::levels::{LEVELS, more_severe};
use super::quote::{with_raw_mark, write_name, write_value};
use crate::predicate::operator::Operator;
use crate::predicate::{Check, FieldTest, Node, Predicate, Test};
use std::fmt;
use tracing_core::Level;

/// A predicate as a tree that is walked without recursion: it may be deeper than any stack.
pub(super) struct Printer<'a> {
    /// Operands before their operators; the last is the whole.
    nodes: Vec<Node<'a, usize>>,
}

/// What needs no parentheses anywhere.
enum Atom<'a> {
    Everything,
    Test(&'a Test),
    /// A test that has an operator for its negation.
    Negated(&'a Test),
    /// This level and no other.
    Exactly(Level),
    NotExactly(Level),
}

/// What remains to be written.
enum Piece {
    Node(usize),
    Text(&'static str),
}

impl<'a> Printer<'a> {
    pub(super) fn new(predicate: &'a Predicate) -> Self {
        let mut nodes = Vec::new();
        predicate.fold(|node| {
            nodes.push(node);
            nodes.len() - 1
        });
        Self { nodes }
    }

    /// How deep parentheses and `not`s are within each other.
    pub(super) fn depth(&self) -> usize {
        let mut depths: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for index in 0..self.nodes.len() {
            let depth = self
                .operands(index)
                .into_iter()
                .flatten()
                .map(|(operand, in_parentheses)| depths[operand] + usize::from(in_parentheses));
            let own = matches!(self.nodes[index], Node::Not(_)) && self.atom(index).is_none();
            depths.push(depth.max().unwrap_or(0) + usize::from(own));
        }
        depths.last().copied().unwrap_or(0)
    }

    /// The operands that are printed, and whether in parentheses: a chain of one operator is read from the left.
    fn operands(&self, index: usize) -> [Option<(usize, bool)>; 2] {
        match (self.atom(index), &self.nodes[index]) {
            (None, Node::Not(operand)) => [Some((*operand, self.is_or(*operand) || self.is_and(*operand))), None],
            (None, Node::And(left, right)) => {
                [Some((*left, self.is_or(*left))), Some((*right, self.is_or(*right) || self.is_and(*right)))]
            }
            (None, Node::Or(left, right)) => [Some((*left, false)), Some((*right, self.is_or(*right)))],
            _ => [None, None],
        }
    }

    fn is_or(&self, index: usize) -> bool {
        matches!(self.nodes[index], Node::Or(..))
    }

    fn is_and(&self, index: usize) -> bool {
        matches!(self.nodes[index], Node::And(..)) && self.atom(index).is_none()
    }

    fn atom(&self, index: usize) -> Option<Atom<'a>> {
        match &self.nodes[index] {
            Node::True => Some(Atom::Everything),
            Node::Test(test) => Some(Atom::Test(test)),
            Node::And(..) => self.exact_level(index).map(Atom::Exactly),
            Node::Not(operand) => match &self.nodes[*operand] {
                Node::Test(test) if has_negation(test) => Some(Atom::Negated(test)),
                _ => self.exact_level(*operand).map(Atom::NotExactly),
            },
            Node::Or(..) => None,
        }
    }

    /// Which level `@level >= debug and not @level >= info` is.
    fn exact_level(&self, index: usize) -> Option<Level> {
        let Node::And(left, right) = &self.nodes[index] else { return None };
        let Node::Not(above) = &self.nodes[*right] else { return None };
        let (level, above) = (self.level(*left)?, self.level(*above)?);
        (more_severe(level) == Some(above)).then_some(level)
    }

    fn level(&self, index: usize) -> Option<Level> {
        match &self.nodes[index] {
            Node::Test(Test::Level(level)) => Some(*level),
            _ => None,
        }
    }

    /// The pieces of what is no atom, in order.
    fn pieces(&self, index: usize) -> Vec<Piece> {
        let operator = match &self.nodes[index] {
            Node::Not(_) => "not ",
            Node::And(..) => " and ",
            _ => " or ",
        };
        let [left, right] = self.operands(index).map(|operand| operand.map(in_parentheses));
        match (left, right) {
            (left, Some(right)) => left.into_iter().flatten().chain([Piece::Text(operator)]).chain(right).collect(),
            (operand, None) => [Piece::Text(operator)].into_iter().chain(operand.into_iter().flatten()).collect(),
        }
    }
}

fn in_parentheses((operand, is_needed): (usize, bool)) -> Vec<Piece> {
    match is_needed {
        true => vec![Piece::Text("("), Piece::Node(operand), Piece::Text(")")],
        false => vec![Piece::Node(operand)],
    }
}

impl fmt::Display for Printer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = vec![Piece::Node(self.nodes.len() - 1)];
        while let Some(piece) = rest.pop() {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Node(index) => match self.atom(index) {
                    Some(atom) => atom.write(f)?,
                    None => rest.extend(self.pieces(index).into_iter().rev()),
                },
            }
        }
        Ok(())
    }
}

impl Atom<'_> {
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::Test(test) => write_test(f, test),
            Self::Negated(test) => write_negated(f, test),
            Self::Exactly(level) => write!(f, "@level = {}", level_name(level)),
            Self::NotExactly(level) => write!(f, "@level != {}", level_name(level)),
        }
    }
}

fn has_negation(test: &Test) -> bool {
    match test {
        Test::Field(test) => Operator::of(test.check()).is_some_and(|operator| operator.negated().is_some()),
        // No level is less severe.
        Test::Level(level) => *level != Level::TRACE,
        Test::Target(_) | Test::Span(_) | Test::EventName(_) | Test::File(_) => true,
    }
}

fn write_test(f: &mut fmt::Formatter<'_>, test: &Test) -> fmt::Result {
    match test {
        Test::Field(test) => {
            write_names(f, test)?;
            write_check(f, test.check())
        }
        Test::Level(level) => write!(f, "@level >= {}", level_name(*level)),
        _ => write_metadata(f, test, "="),
    }
}

fn write_negated(f: &mut fmt::Formatter<'_>, test: &Test) -> fmt::Result {
    match test {
        Test::Field(test) => {
            write_names(f, test)?;
            let negated = Operator::of(test.check()).and_then(Operator::negated);
            write!(f, " {} ", negated.map_or("", Operator::sign))?;
            write_compared(f, test.check())
        }
        Test::Level(level) => write!(f, "@level < {}", level_name(*level)),
        _ => write_metadata(f, test, "!="),
    }
}

fn write_metadata(f: &mut fmt::Formatter<'_>, test: &Test, sign: &str) -> fmt::Result {
    let (name, text) = match test {
        Test::Target(prefix) => ("target", prefix.to_string()),
        Test::Span(name) => ("span", with_raw_mark(name)),
        Test::EventName(name) => ("name", name.to_string()),
        Test::File(path) => ("file", path.to_string()),
        Test::Field(_) | Test::Level(_) => return Ok(()),
    };
    write!(f, "@{name} {sign} ")?;
    write_value(f, &text)
}

fn write_names(f: &mut fmt::Formatter<'_>, test: &FieldTest) -> fmt::Result {
    for (index, name) in test.keys().iter().enumerate() {
        f.write_str(if index == 0 { "" } else { "|" })?;
        write_name(f, name)?;
    }
    f.write_str(if test.keys().is_empty() { "()" } else { "" })
}

fn write_check(f: &mut fmt::Formatter<'_>, check: &Check) -> fmt::Result {
    match (Operator::of(check), check) {
        (Some(operator), _) => write!(f, " {} ", operator.sign())?,
        (None, Check::Exists) => f.write_str(" exists")?,
        (None, _) => f.write_str(" in ")?,
    }
    write_compared(f, check)
}

fn write_compared(f: &mut fmt::Formatter<'_>, check: &Check) -> fmt::Result {
    match check {
        Check::Exists => Ok(()),
        Check::Equals(texts) => write_values(f, texts),
        Check::StartsWith(text) | Check::EndsWith(text) | Check::Contains(text) => write_value(f, text),
        Check::Matches(pattern) => write_value(f, pattern.as_str()),
        Check::Ordered(_, bound) => write_value(f, bound.as_str()),
    }
}

fn write_values(f: &mut fmt::Formatter<'_>, texts: &[Box<str>]) -> fmt::Result {
    if let [text] = texts {
        return write_value(f, text);
    }
    f.write_str("(")?;
    for (index, text) in texts.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        write_value(f, text)?;
    }
    f.write_str(")")
}

fn level_name(level: Level) -> &'static str {
    LEVELS.iter().find(|(_, other)| *other == level).map_or("trace", |(name, _)| name)
}
