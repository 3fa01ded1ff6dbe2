//! Names that no callsite has, and what was probably meant.

use super::{Inquiry, nearest};
use crate::coverage::{Finding, Note};
use crate::predicate::{FieldTest, Test, plain_name};
use std::collections::BTreeSet;

/// Tests of metadata, which begin with an `@`; without it they are tests of a field.
const METADATA: [&str; 5] = ["level", "target", "span", "name", "file"];

impl Inquiry<'_> {
    pub(super) fn look_at_names(&mut self) {
        let declared = self.declared_fields();
        for test in self.predicate.tests().filter_map(Test::field) {
            self.look_at_field(test, &declared);
        }
        for test in self.predicate.wanted_tests() {
            if let Test::Target(target) = test
                && self.core.shared.config.denies(target)
            {
                self.find(Finding::DeniedTarget { target: target.to_string() });
            } else {
                self.look_at_metadata(test);
            }
        }
    }

    fn declared_fields(&self) -> BTreeSet<&'static str> {
        let callsites = self.spans.iter().map(|site| site.metadata).chain(self.events.iter().copied());
        let fields = callsites.flat_map(|metadata| metadata.fields().iter()).map(|field| plain_name(field.name()));
        fields.chain(self.fields_of_traces()).collect()
    }

    /// Alternatives are names for one thing: it is enough that one of them is declared.
    fn look_at_field(&mut self, test: &FieldTest, declared: &BTreeSet<&'static str>) {
        let keys = || test.keys().iter().map(|key| &**key);
        for key in keys().filter(|key| self.core.shared.config.redacts(key)).collect::<Vec<_>>() {
            self.find(Finding::RedactedField { field: key.to_owned() });
        }
        if keys().any(|key| declared.contains(key)) {
            return;
        }
        for key in keys() {
            let field = key.to_owned();
            if METADATA.contains(&key) {
                self.find(Finding::MetadataAsField { near: format!("@{key}"), field });
            } else if let Some(near) = nearest(key, declared) {
                self.find(Finding::MisspeltField { field, near: near.to_owned() });
            } else {
                self.notes.push(Note::UnseenField { field });
            }
        }
    }

    /// What `@target`, `@span`, `@name` or `@file` asks for and nothing seen so far has.
    fn look_at_metadata(&mut self, test: &Test) {
        let Some((name, value)) = asked_for(test) else { return };
        if self.has_what_is_asked_for(test) {
            return;
        }
        let (test, value) = (name.to_owned(), value.to_owned());
        match nearest(&value, &self.candidates(name)) {
            Some(near) => self.find(Finding::MisspeltMetadata { test, near: near.to_owned(), value }),
            None => self.notes.push(Note::Unseen { test, value }),
        }
    }

    fn has_what_is_asked_for(&self, test: &Test) -> bool {
        match test {
            Test::Span(name) => self.spans.iter().any(|site| site.is_named(name)),
            _ => self.events.iter().any(|metadata| {
                test.of_event(*metadata.level(), metadata.target(), metadata.name(), metadata.file()) == Some(true)
            }),
        }
    }

    /// What could have been meant.
    fn candidates(&self, test: &str) -> BTreeSet<&str> {
        let events = || self.events.iter();
        match test {
            "@span" => self.spans.iter().map(|site| plain_name(site.metadata.name())).collect(),
            "@target" => events().flat_map(|metadata| with_parents(metadata.target())).collect(),
            // Generated names are positions in the source.
            "@name" => events().map(|event| event.name()).filter(|name| !name.starts_with("event ")).collect(),
            _ => events().filter_map(|metadata| metadata.file()).flat_map(with_file_name).collect(),
        }
    }
}

/// The name of a test of metadata whose answer depends on what the service has, and what it asks for.
fn asked_for(test: &Test) -> Option<(&'static str, &str)> {
    match test {
        Test::Target(target) => Some(("@target", target)),
        Test::Span(name) => Some(("@span", name)),
        Test::EventName(name) => Some(("@name", name)),
        Test::File(path) => Some(("@file", path)),
        Test::Field(_) | Test::Level(_) => None,
    }
}

/// `a::b::c`, `a::b`, `a`.
fn with_parents(target: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(target), |target| target.rsplit_once("::").map(|(parent, _)| parent))
}

/// A path, and the name of its file.
fn with_file_name(path: &str) -> impl Iterator<Item = &str> {
    std::iter::once(path).chain(path.rsplit(['/', '\\']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let declared = BTreeSet::from(["user_id", "user", "tenant", "request.id", "conn"]);
        assert_eq!(nearest(name, &declared), expected, "{name}");
    }

    #[test]
    fn the_nearest_name_is_close_in_whole_or_in_a_word() {
        check("usr", Some("user"));
        check("user_d", Some("user_id"));
        check("tennant", Some("tenant"));
        check("reqest", Some("request.id"));
        check("shard", None);
        check("x", None);
    }

    #[test]
    fn a_target_brings_its_parents() {
        assert_eq!(with_parents("a::b::c").collect::<Vec<_>>(), ["a::b::c", "a::b", "a"]);
    }
}
