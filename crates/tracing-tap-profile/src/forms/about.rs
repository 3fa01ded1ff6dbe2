//! What a profile is of.

use std::time::{Duration, SystemTime};

/// What a profile is of.
#[derive(Clone, Debug)]
pub struct About {
    /// The predicate, as the service understood it.
    pub predicate: String,
    /// When it began.
    pub began_at: SystemTime,
    /// How long it took.
    pub lasted: Duration,
    /// What is to be known about the numbers, such as losses; nothing if they are complete.
    pub notes: Vec<String>,
}
