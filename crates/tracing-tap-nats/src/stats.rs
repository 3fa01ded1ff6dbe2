//! What a fleet's stream has counted.

use super::counts::IgnoredMessages;
use serde::Serialize;
use tracing_tap::missing::MissingCounts;

/// What one session has counted over all instances, as far as they have told.
///
/// At rest, and once it is over, the equations of [`missing`](tracing_tap::missing) hold, with three more places where
/// events are lost: `lost_at_instances`, `lost_on_the_way` and `lost_here`. While events are under way `matched` may be
/// off by those. Of an instance that dies nobody knows what its ring still held: it counts as it last told.
///
/// Serialized as an object of its fields, without the ignored messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FleetStats {
    /// Events that matched.
    pub matched: u64,
    /// Events that were read from the stream.
    pub delivered: u64,
    /// Events that wait to be read, or for others to be put in order with.
    pub buffered: u64,
    /// Events that were lost: the losses in `missing`, and the three numbers after it.
    pub lost: u64,
    /// Events that instances announced as missing, by reason.
    pub missing: MissingCounts,
    /// Lost: not sent by instances whose session was over, or which the server takes no message of that size from.
    pub lost_at_instances: u64,
    /// Lost: sent, and not arrived.
    pub lost_on_the_way: u64,
    /// Lost: arrived, and dropped since the stream was not read; or not legible.
    pub lost_here: u64,
    /// Instances that take part now.
    pub instances: usize,
    /// Messages that were not heeded.
    #[serde(skip)]
    pub ignored: IgnoredMessages,
}

impl FleetStats {
    pub(super) fn summed(mut self) -> Self {
        self.lost = self.missing.lost() + self.lost_at_instances + self.lost_on_the_way + self.lost_here;
        self
    }
}
