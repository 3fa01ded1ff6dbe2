//! What a predicate means, written to be obviously right: it keeps everything, shares no code with the crate and
//! does nothing early. Histories and the fuzz target are held against it.

use std::cmp::Ordering;
use tracing::Level;
use tracing_tap::Predicate;

/// A value as the traced code has it.
#[derive(Clone, Debug)]
pub(crate) enum Val {
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    Bool(bool),
    Str(String),
    /// `%value`, printing this.
    Display(String),
    /// `?value`, of this string.
    Debug(String),
    Error(String),
    Bytes(Vec<u8>),
    /// Declared and never given a value.
    Absent,
    /// Given a value that nobody may see.
    Redacted,
}

/// One test or a combination; what it tests is in public terms alone.
#[derive(Clone, Debug)]
pub(crate) enum Pred {
    Everything,
    AnyOf(Vec<&'static str>, Vec<Val>),
    Ne(Vec<&'static str>, Val),
    Exists(Vec<&'static str>),
    Text(Vec<&'static str>, Part, Val),
    Order(Vec<&'static str>, Relation, Val),
    Level(Level),
    Target(&'static str),
    Span(&'static str),
    And(Box<Pred>, Box<Pred>),
    Or(Box<Pred>, Box<Pred>),
    Not(Box<Pred>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Starts,
    Ends,
    Contains,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// An event with everything that could matter to it, as it was when it happened.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) fields: Fields,
    /// Root first.
    pub(crate) spans: Vec<Around>,
}

/// A span around an event.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) fields: Fields,
}

pub(crate) type Fields = Vec<(&'static str, Val)>;

impl Pred {
    /// Whether a session with this predicate is about the event.
    pub(crate) fn matches(&self, event: &Happened) -> bool {
        match self {
            Self::Everything => true,
            Self::AnyOf(keys, wanted) => some_field(event, keys, |value| wanted.iter().any(|one| equal(value, one))),
            Self::Ne(keys, wanted) => !some_field(event, keys, |value| equal(value, wanted)),
            Self::Exists(keys) => some_field(event, keys, |_| true),
            Self::Text(keys, part, wanted) => some_field(event, keys, |value| part.is_in(value, wanted)),
            Self::Order(keys, relation, bound) => some_field(event, keys, |value| relation.holds(value, bound)),
            Self::Level(least_severe) => verbosity(event.level) <= verbosity(*least_severe),
            Self::Target(prefix) => event.target == *prefix || event.target.starts_with(&format!("{prefix}::")),
            Self::Span(name) => event.spans.iter().any(|span| span.name == *name),
            Self::And(left, right) => left.matches(event) && right.matches(event),
            Self::Or(left, right) => left.matches(event) || right.matches(event),
            Self::Not(operand) => !operand.matches(event),
        }
    }

    /// The same in the crate's words.
    pub(crate) fn to_predicate(&self) -> Predicate {
        match self {
            Self::Everything => Predicate::everything(),
            Self::AnyOf(keys, wanted) => match &**wanted {
                [one] => Predicate::eq(keys.clone(), one.to_value()),
                many => Predicate::any_of(keys.clone(), many.iter().map(Val::to_value)),
            },
            Self::Ne(keys, wanted) => Predicate::ne(keys.clone(), wanted.to_value()),
            Self::Exists(keys) => Predicate::exists(keys.clone()),
            Self::Text(keys, part, wanted) => {
                let of = match part {
                    Part::Starts => Predicate::starts_with,
                    Part::Ends => Predicate::ends_with,
                    Part::Contains => Predicate::contains,
                };
                of(keys.clone(), wanted.to_value())
            }
            Self::Order(keys, relation, bound) => {
                let of = match relation {
                    Relation::Less => Predicate::lt,
                    Relation::LessOrEqual => Predicate::le,
                    Relation::Greater => Predicate::gt,
                    Relation::GreaterOrEqual => Predicate::ge,
                };
                of(keys.clone(), bound.to_value())
            }
            Self::Level(level) => Predicate::level(*level),
            Self::Target(prefix) => Predicate::target(prefix),
            Self::Span(name) => Predicate::span(name),
            Self::And(left, right) => left.to_predicate().and(right.to_predicate()),
            Self::Or(left, right) => left.to_predicate().or(right.to_predicate()),
            Self::Not(operand) => operand.to_predicate().not(),
        }
    }
}

/// 1 for ERROR to 5 for TRACE.
pub(crate) fn verbosity(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// The event itself or any span around it has such a field.
fn some_field(event: &Happened, keys: &[&str], passes: impl Fn(&Val) -> bool) -> bool {
    let around = event.spans.iter().flat_map(|span| &span.fields);
    event.fields.iter().chain(around).any(|(name, value)| {
        !matches!(value, Val::Absent | Val::Redacted)
            && keys.iter().any(|key| plain(key) == plain(name))
            && passes(value)
    })
}

/// Raw identifiers lose their `r#`.
pub(crate) fn plain(name: &str) -> &str {
    name.trim_start_matches("r#")
}

/// Values are equal if they say the same, whole. NaN says nothing that could be equal.
fn equal(value: &Val, wanted: &Val) -> bool {
    !value.is_nan() && !wanted.is_nan() && value.says() == wanted.says()
}

impl Part {
    fn is_in(self, value: &Val, wanted: &Val) -> bool {
        if wanted.is_nan() {
            return false;
        }
        let (text, wanted) = (value.says(), wanted.says());
        match self {
            Self::Starts => text.starts_with(&wanted),
            Self::Ends => text.ends_with(&wanted),
            Self::Contains => text.contains(&wanted),
        }
    }
}

impl Relation {
    fn holds(self, value: &Val, bound: &Val) -> bool {
        let (Some(value), Some(bound)) = (value.number(), bound.number()) else { return false };
        let Exact::Finite { .. } = bound else { return false };
        let ordering = value.compare(&bound);
        match self {
            Self::Less => ordering == Ordering::Less,
            Self::LessOrEqual => ordering != Ordering::Greater,
            Self::Greater => ordering == Ordering::Greater,
            Self::GreaterOrEqual => ordering != Ordering::Less,
        }
    }
}

impl Val {
    pub(crate) fn is_nan(&self) -> bool {
        matches!(self, Self::F64(value) if value.is_nan())
    }

    pub(crate) fn is_finite_number(&self) -> bool {
        matches!(self.number(), Some(Exact::Finite { .. }))
    }

    /// What `{}` prints; of a quoted string, its content.
    fn says(&self) -> String {
        match self {
            Self::Display(_) | Self::Debug(_) => content_of_quoted(&self.prints()).unwrap_or_else(|| self.prints()),
            _ => self.prints(),
        }
    }

    /// What the visitor's value prints with `{}`.
    pub(crate) fn prints(&self) -> String {
        match self {
            Self::I64(value) => value.to_string(),
            Self::U64(value) => value.to_string(),
            Self::I128(value) => value.to_string(),
            Self::U128(value) => value.to_string(),
            Self::F64(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Str(text) | Self::Display(text) | Self::Error(text) => text.clone(),
            Self::Debug(text) => format!("{text:?}"),
            Self::Bytes(bytes) => {
                format!("[{}]", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
            }
            Self::Redacted => "<redacted>".to_owned(),
            Self::Absent => unreachable!("nobody looks at what is absent"),
        }
    }

    fn number(&self) -> Option<Exact> {
        match self {
            Self::F64(value) => Exact::of_float(*value),
            Self::I64(_) | Self::U64(_) | Self::I128(_) | Self::U128(_) => Some(Exact::of_decimal(&self.prints())),
            Self::Str(_) | Self::Display(_) | Self::Debug(_) | Self::Error(_) => {
                let text = self.says();
                if is_too_long_for_a_number(&text) {
                    return None;
                }
                if text.parse::<i128>().is_ok() || text.parse::<u128>().is_ok() {
                    return Some(Exact::of_decimal(text.trim_start_matches('+')));
                }
                text.parse::<f64>().ok().filter(|value| value.is_finite()).and_then(Exact::of_float)
            }
            Self::Bool(_) | Self::Bytes(_) | Self::Absent | Self::Redacted => None,
        }
    }

    fn to_value(&self) -> tracing_tap::Value {
        match self {
            Self::I64(value) => (*value).into(),
            Self::U64(value) => (*value).into(),
            Self::I128(value) => (*value).into(),
            Self::U128(value) => (*value).into(),
            Self::F64(value) => (*value).into(),
            Self::Bool(value) => (*value).into(),
            Self::Str(text) => text.into(),
            _ => unreachable!("predicates compare with plain values"),
        }
    }
}

/// A number by its decimal digits, every one of them.
#[derive(Debug)]
enum Exact {
    Finite { negative: bool, integer: String, fraction: String },
    Infinite { negative: bool },
}

impl Exact {
    fn of_float(value: f64) -> Option<Self> {
        if value.is_nan() {
            return None;
        }
        if value.is_infinite() {
            return Some(Self::Infinite { negative: value < 0.0 });
        }
        // No finite float has more than 1074 digits behind the point, and Rust prints as many as it is asked for.
        Some(Self::of_decimal(&format!("{value:.1100}")))
    }

    fn of_decimal(text: &str) -> Self {
        let digits = text.trim_start_matches('-');
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let integer = integer.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let is_zero = integer.is_empty() && fraction.is_empty();
        Self::Finite { negative: text.starts_with('-') && !is_zero, integer, fraction }
    }

    fn is_negative(&self) -> bool {
        matches!(self, Self::Finite { negative: true, .. } | Self::Infinite { negative: true })
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.is_negative(), other.is_negative()) {
            (false, false) => self.compare_magnitudes(other),
            (true, true) => other.compare_magnitudes(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }

    fn compare_magnitudes(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Infinite { .. }, Self::Infinite { .. }) => Ordering::Equal,
            (Self::Infinite { .. }, _) => Ordering::Greater,
            (_, Self::Infinite { .. }) => Ordering::Less,
            (Self::Finite { integer: a, fraction: b, .. }, Self::Finite { integer: c, fraction: d, .. }) => {
                a.len().cmp(&c.len()).then_with(|| a.cmp(c)).then_with(|| b.cmp(d))
            }
        }
    }
}

/// What is over the bounds of `syntax`: 400 bytes, and 40 digits apart from the zeros at both ends.
fn is_too_long_for_a_number(text: &str) -> bool {
    let digits: String = text.chars().take_while(|c| !matches!(c, 'e' | 'E')).filter(char::is_ascii_digit).collect();
    text.len() > 400 || digits.trim_matches('0').len() > 40
}

/// What the one string literal that `text` is contains.
fn content_of_quoted(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut content = String::new();
    while let Some(first) = rest.chars().next() {
        let (character, length) = match first {
            '"' => return None,
            '\\' => escaped(rest)?,
            other => (other, other.len_utf8()),
        };
        content.push(character);
        rest = &rest[length..];
    }
    Some(content)
}

/// The character that an escape at the beginning of `text` stands for, and how long the escape is.
fn escaped(text: &str) -> Option<(char, usize)> {
    for (escape, character) in
        [("\\n", '\n'), ("\\r", '\r'), ("\\t", '\t'), ("\\0", '\0'), ("\\\\", '\\'), ("\\\"", '"')]
    {
        if text.starts_with(escape) {
            return Some((character, escape.len()));
        }
    }
    let (digits, _) = text.strip_prefix("\\u{")?.split_once('}')?;
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    let code_point = u32::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
    Some((char::from_u32(code_point)?, "\\u{}".len() + digits.len()))
}
