//! The subjects of a service. Names are encoded, so that no dot, space or wildcard in a name changes the subject.

use super::message::{MemberId, SessionKey};
use std::fmt::{self, Write};

/// The longest name of a service or an instance, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 128;

/// The subjects of one service.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    prefix: String,
    /// The service's name, plain and encoded.
    name: String,
    service: String,
}

/// The prefix is no subject, or has wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubjectError;

impl Subjects {
    pub(super) fn new(service: &str) -> Self {
        Self { prefix: "tap".to_owned(), name: service.to_owned(), service: encoded(service) }
    }

    /// The subjects of another service, below the same prefix.
    pub(super) fn of_service(&self, service: &str) -> Self {
        Self { prefix: self.prefix.clone(), ..Self::new(service) }
    }

    /// The service's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn set_prefix(&mut self, prefix: &str) -> Result<(), SubjectError> {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_plain);
        if prefix.len() > MAX_NAME_BYTES || !prefix.split('.').all(is_word) {
            return Err(SubjectError);
        }
        self.prefix = prefix.to_owned();
        Ok(())
    }

    /// From watchers to all instances.
    pub(super) fn announcements(&self) -> String {
        format!("{}.{}.announce", self.prefix, self.service)
    }

    /// From watchers to one instance.
    pub(super) fn grants(&self, member: MemberId) -> String {
        format!("{}.{}.grant.{member}", self.prefix, self.service)
    }

    /// From all instances to the watcher of one session.
    pub(super) fn events(&self, session: SessionKey) -> String {
        format!("{}.{}.events.{session}", self.prefix, self.service)
    }
}

fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut encoded, byte| {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a `String` accepts all writes");
        }
        encoded
    })
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected words of letters, digits, `_` and `-` with dots between them, at most {MAX_NAME_BYTES} bytes"
        )
    }
}

impl std::error::Error for SubjectError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_to_another_subject() {
        for (name, subject) in [
            ("chat", "tap.chat.announce"),
            ("chat.>", "tap.chat%2E%3E.announce"),
            ("* \r\n", "tap.%2A%20%0D%0A.announce"),
            ("%2E", "tap.%252E.announce"),
            ("é", "tap.%C3%A9.announce"),
        ] {
            assert_eq!(Subjects::new(name).announcements(), subject);
        }
    }

    #[test]
    fn a_prefix_is_plain_words() {
        for prefix in ["", ".", "a.", ".a", "a..b", "a b", "*", ">", "a.>", "é", &"a".repeat(129)] {
            assert_eq!(Subjects::new("chat").set_prefix(prefix), Err(SubjectError), "{prefix:?}");
        }
        for prefix in ["tap", "a.b-c.d_1"] {
            let mut subjects = Subjects::new("chat");
            assert_eq!(subjects.set_prefix(prefix), Ok(()));
            assert_eq!(subjects.announcements(), format!("{prefix}.chat.announce"));
        }
    }
}
