//! Whether an event callsite can match, given the spans and values seen so far.

use super::Inquiry;
use super::spans::declares;
use crate::predicate::{FieldTest, Test};
use tracing_core::Metadata;

impl Inquiry<'_> {
    /// Whether some event of this callsite can match, whatever hides it.
    pub(super) fn can_match(&self, metadata: &Metadata<'_>) -> bool {
        self.may_be_true(metadata.target(), |test| match test {
            Test::Field(field) => self.event_may_pass(metadata, field) || self.spans_may_pass(test),
            Test::Span(_) => self.spans_may_pass(test),
            _ => test.of_event(*metadata.level(), metadata.target(), metadata.name(), metadata.file()) != Some(false),
        })
    }

    /// Whether some event of this callsite can match outside any span.
    pub(super) fn can_match_outside_spans(&self, metadata: &Metadata<'_>) -> bool {
        self.may_be_true(metadata.target(), |test| match test {
            Test::Field(field) => self.event_may_pass(metadata, field),
            Test::Span(_) => false,
            _ => test.of_event(*metadata.level(), metadata.target(), metadata.name(), metadata.file()) != Some(false),
        })
    }

    /// Whether records of `log` have arrived and one could match. All that is known of the next is that it has a message.
    pub(super) fn log_records_can_match(&self) -> bool {
        self.core.shared.seen.has_log_record()
            && self.may_be_true("log", |test| match test {
                Test::Field(field) => field.names("message") || self.spans_may_pass(test),
                Test::Span(_) => self.spans_may_pass(test),
                _ => true,
            })
    }

    /// Whether the predicate may be true where `may_pass` says which tests may be.
    fn may_be_true(&self, target: &str, may_pass: impl Fn(&Test) -> bool) -> bool {
        let tests = self.compiled.tests();
        !self.core.shared.config.denies(target)
            && !self.compiled.is_never()
            && self.compiled.evaluate(|number| if may_pass(&tests[number]) { None } else { Some(false) }) != Some(false)
    }

    /// Whether an event of this callsite may bring a value that passes.
    fn event_may_pass(&self, metadata: &Metadata<'_>, test: &FieldTest) -> bool {
        let may_bring = |key: &str| declares(metadata, key) && self.may_supply(metadata, key, test);
        test.keys().iter().any(|key| !self.core.shared.config.redacts(key) && may_bring(key))
    }
}
