//! The field names of a test.

use crate::event::plain_name;

/// The alternative names of one field. A test is true of a field with any of them.
///
/// For services whose parts name the same field differently. Converts from one name or from a list. A leading `r#` is
/// ignored.
///
/// ```
/// use tracing_tap::Predicate;
///
/// let tenant = Predicate::eq(["tenant", "tenant_id"], 7);
/// assert_eq!(tenant, Predicate::eq(vec!["tenant", "tenant_id"], 7));
/// assert_eq!(Predicate::exists("r#type"), Predicate::exists("type"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Box<[Box<str>]>);

impl Keys {
    fn collect<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut keys: Vec<Box<str>> = Vec::new();
        for name in names.into_iter().map(plain_name) {
            if !keys.iter().any(|key| **key == *name) {
                keys.push(name.into());
            }
        }
        Self(keys.into())
    }

    /// The distinct names in their original order.
    pub(crate) fn as_slice(&self) -> &[Box<str>] {
        &self.0
    }

    /// Whether `name` is one of them, written raw or not.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|key| **key == *plain_name(name))
    }
}

impl From<&str> for Keys {
    fn from(name: &str) -> Self {
        Self::collect([name])
    }
}

impl From<&String> for Keys {
    fn from(name: &String) -> Self {
        Self::collect([name.as_str()])
    }
}

impl From<String> for Keys {
    fn from(name: String) -> Self {
        Self::collect([name.as_str()])
    }
}

impl<const N: usize> From<[&str; N]> for Keys {
    fn from(names: [&str; N]) -> Self {
        Self::collect(names)
    }
}

impl From<&[&str]> for Keys {
    fn from(names: &[&str]) -> Self {
        Self::collect(names.iter().copied())
    }
}

impl From<Vec<String>> for Keys {
    fn from(names: Vec<String>) -> Self {
        Self::collect(names.iter().map(String::as_str))
    }
}

impl From<Vec<&str>> for Keys {
    fn from(names: Vec<&str>) -> Self {
        Self::collect(names)
    }
}
