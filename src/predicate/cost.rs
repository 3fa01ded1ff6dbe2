//! What a predicate may cost a producer: known before a session is opened, and bounded.
//!
//! A session's tests run on the threads of the service that it watches. Each kind of test has a price in nanoseconds for
//! each KiB of text that it looks at, for the slowest text there is, measured by `cargo bench --bench paths -- "test of"`
//! on a machine of 2024 and rounded up. An event's fields of 1 KiB together cost at most the sum of all tests.

use super::{Check, FieldTest, Predicate, PredicateError, Test};

/// No predicate of others costs more for an event of 1 KiB: 50 microseconds.
const MAX_NANOS_PER_KIB: u64 = 50_000;
/// Nor do the tables of its regular expressions take more: 2 MiB, which are freed with the session.
const MAX_TABLE_BYTES: usize = 2 << 20;

impl Predicate {
    /// The most that this predicate costs a producer for an event of 1 KiB, in nanoseconds on a usual machine.
    ///
    /// ```
    /// use tracing_tap::Predicate;
    ///
    /// let cheap: Predicate = "user = 42".parse()?;
    /// let dear: Predicate = "message ~ \"^GET /[a-z]+\"".parse()?;
    /// assert!(cheap.cost() < dear.cost());
    /// # Ok::<_, tracing_tap::PredicateError>(())
    /// ```
    pub fn cost(&self) -> u64 {
        self.tests().map(nanos_per_kib).sum()
    }

    /// How many bytes the tables of its regular expressions take.
    pub(crate) fn table_bytes(&self) -> usize {
        self.tests().filter_map(Test::field).map(FieldTest::table_bytes).sum()
    }

    /// # Errors
    /// If it may cost a producer more than 50 microseconds for an event of 1 KiB, or more than 2 MiB for tables.
    pub(crate) fn check_cost(&self) -> Result<(), PredicateError> {
        let bytes = self.table_bytes();
        if bytes > MAX_TABLE_BYTES {
            let (taken, allowed) = (bytes.div_ceil(1024), MAX_TABLE_BYTES / 1024);
            let message =
                format!("the tables of its regular expressions take {taken} KiB, more than the {allowed} allowed");
            return Err(
                PredicateError::limit(message).with_hint(Some("use fewer regular expressions, or simpler ones"))
            );
        }
        let cost = self.cost();
        if cost <= MAX_NANOS_PER_KIB {
            return Ok(());
        }
        let message = format!(
            "the predicate may take {} µs of the service's time for an event of 1 KiB, more than the {} allowed",
            cost.div_ceil(1000),
            MAX_NANOS_PER_KIB / 1000
        );
        let hint = "use fewer tests with `~` and `*=`; `=`, `^=` and `$=` cost next to nothing";
        Err(PredicateError::limit(message).with_hint(Some(hint)))
    }
}

fn nanos_per_kib(test: &Test) -> u64 {
    let Test::Field(test) = test else { return 10 };
    match test.check() {
        Check::Exists => 5,
        Check::Equals(_) | Check::StartsWith(_) | Check::EndsWith(_) => 60,
        Check::Ordered(..) => 100,
        Check::Contains(_) => 1_000,
        Check::Matches(_) => 2_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_that_costs_too_much_is_refused_with_its_price() {
        let many = |test: &str, count: usize| vec![test; count].join(" or ");
        assert!(many("message *= abc", 50).parse::<Predicate>().is_ok());
        let error = many("message *= abc", 51).parse::<Predicate>().expect_err("it is refused");
        assert!(error.is_too_large());
        let text = error.to_string();
        assert!(text.contains("51 µs") && text.contains("more than the 50 allowed"), "{text}");
        assert!(many("user = 42", 256).parse::<Predicate>().is_ok());
    }
}
