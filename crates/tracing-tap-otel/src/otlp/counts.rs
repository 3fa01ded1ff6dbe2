//! What became of records.

use std::fmt;

/// How many records were delivered, and how many were not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The records that the collector accepted.
    pub delivered: u64,
    /// The records that were dropped: it refused their batch, or did not accept it in time.
    pub dropped: u64,
    /// The records of accepted batches that the collector rejected (`partial_success`).
    pub rejected: u64,
    /// The latest reason why records were dropped or rejected.
    pub reason: Option<String>,
}

impl Delivery {
    /// Whether every record was delivered.
    pub fn is_complete(&self) -> bool {
        self.dropped == 0 && self.rejected == 0
    }
}

/// One line, such as `1,000 records delivered, 20 dropped: the collector answered 503`.
impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records delivered", self.delivered)?;
        if self.dropped > 0 {
            write!(f, ", {} dropped", self.dropped)?;
        }
        if self.rejected > 0 {
            write!(f, ", {} rejected", self.rejected)?;
        }
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}
