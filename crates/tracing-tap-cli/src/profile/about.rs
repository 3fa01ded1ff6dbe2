//! What a profile is of.

use std::time::{Duration, SystemTime};

/// What a profile is of.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// The predicate, as the service understood it.
    pub(crate) predicate: String,
    pub(crate) began_at: SystemTime,
    pub(crate) lasted: Duration,
    /// What is to be known about the numbers, such as losses; nothing if they are complete.
    pub(crate) notes: Vec<String>,
}

impl About {
    /// The title: what was watched, and when.
    pub(crate) fn title(&self) -> String {
        format!("Busy time of {}", crate::shown::line(&self.predicate))
    }
}

#[cfg(test)]
pub(crate) fn example_about() -> About {
    About {
        predicate: "user = 42".to_owned(),
        began_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        lasted: Duration::from_secs(30),
        notes: vec!["3 closed spans are missing".to_owned()],
    }
}
