//! What a fleet's stream has counted.

use super::counts::IgnoredMessages;

/// What one session has counted over all instances, as far as they have told.
///
/// At rest, and once it is over, `matched = delivered + lost + buffered`. While events are under way `matched` may be
/// off by those. Of an instance that dies nobody knows what its ring still held: it counts as it last told.
///
/// `lost` is the sum of the numbers below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetStats {
    /// Events that matched.
    pub matched: u64,
    /// Events that were read from the stream.
    pub delivered: u64,
    /// Events that wait to be read, or for others to be put in order with.
    pub buffered: u64,
    /// Events that were lost, for whatever reason.
    pub lost: u64,
    /// For want of room in the rings of instances.
    pub lost_overflow: u64,
    /// Over the fleet's rate.
    pub lost_rate: u64,
    /// Left out by sampling.
    pub lost_sampling: u64,
    /// Not sent by instances whose session was over, or which the server takes no message of that size from.
    pub lost_at_instances: u64,
    /// Sent, and not arrived.
    pub lost_on_the_way: u64,
    /// Arrived, and dropped since the stream was not read; or not legible.
    pub lost_here: u64,
    /// Instances that take part now.
    pub instances: usize,
    /// Messages that were not heeded.
    pub ignored: IgnoredMessages,
}

impl FleetStats {
    pub(super) fn summed(mut self) -> Self {
        self.lost = self.lost_overflow
            + self.lost_rate
            + self.lost_sampling
            + self.lost_at_instances
            + self.lost_on_the_way
            + self.lost_here;
        self
    }
}
