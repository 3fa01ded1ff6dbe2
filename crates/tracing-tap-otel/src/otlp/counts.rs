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
    /// The counts are lost.
    is_unknown: bool,
}

impl Delivery {
    /// For a sending that has not reported its counts.
    pub(super) fn unknown(reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), is_unknown: true, ..Self::default() }
    }

    /// Whether every record was delivered.
    pub fn is_complete(&self) -> bool {
        self.dropped == 0 && self.rejected == 0 && !self.is_unknown
    }
}

/// One line, such as `1,000 records delivered, 20 dropped: the collector answered 503`.
impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_unknown {
            true => f.write_str("an unknown number of records delivered"),
            false => write!(f, "{} records delivered", self.delivered),
        }?;
        if self.dropped > 0 {
            write!(f, ", {} dropped", self.dropped)?;
        }
        if self.rejected > 0 {
            write!(f, ", {} rejected", self.rejected)?;
        }
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}
