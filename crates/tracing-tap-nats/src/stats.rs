//! The counts of a fleet's stream.

use super::counts::IgnoredMessages;
use serde::Serialize;
use tracing_tap::missing::MissingCounts;

/// The counts of one session over all instances, as of their last reports.
///
/// Once the session is over, and whenever no events are on their way, the equations of
/// [`missing`](tracing_tap::missing) hold, with three more places of losses: `lost_at_instances`, `lost_on_the_way` and
/// `lost_here`. While events are on their way, `matched` may differ by those. If an instance dies, the content of its
/// ring is not known: it counts as last reported. Instances that left long ago are forgotten, and their counts are kept.
///
/// Serialized as an object of its fields, without the ignored messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FleetStats {
    /// Events that matched.
    pub matched: u64,
    /// Events that were read from the stream.
    pub delivered: u64,
    /// Events that wait to be read, or to be put in order.
    pub buffered: u64,
    /// Events that were lost: the losses in `missing`, and the three numbers after it.
    pub lost: u64,
    /// Events that instances announced as missing, by reason.
    pub missing: MissingCounts,
    /// Lost: not sent, because the session of the instance was over or the server accepts no message of that size.
    pub lost_at_instances: u64,
    /// Lost: sent, and not arrived.
    pub lost_on_the_way: u64,
    /// Lost: arrived, and dropped because the stream was not read; or not readable.
    pub lost_here: u64,
    /// Items other than events that were dropped because the stream was not read: 131,072 can wait. The counts here
    /// include what they reported.
    pub dropped_notices: u64,
    /// Instances that take part now.
    pub instances: usize,
    /// Messages that were rejected.
    #[serde(skip)]
    pub ignored: IgnoredMessages,
}

impl FleetStats {
    pub(super) fn summed(mut self) -> Self {
        self.lost = self.missing.lost() + self.lost_at_instances + self.lost_on_the_way + self.lost_here;
        self
    }
}
