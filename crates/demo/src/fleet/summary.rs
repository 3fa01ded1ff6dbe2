//! The summary: which instances took part, and what happened to the events of each.

use crate::summary::grouped;
use std::collections::BTreeMap;
use std::fmt;
use tracing_tap_nats::{FleetItem, FleetStats, InstanceAccount};

/// The results.
#[derive(Debug)]
pub(super) struct Summary {
    user: u64,
    count: u64,
    /// Instances that took part, with their final counts if they have sent them.
    instances: BTreeMap<String, Option<InstanceAccount>>,
    printed: u64,
    stats: FleetStats,
}

impl Summary {
    pub(super) fn new(user: u64, count: u64) -> Self {
        Self { user, count, instances: BTreeMap::new(), printed: 0, stats: FleetStats::default() }
    }

    /// Counts an item that is printed.
    pub(super) fn note(&mut self, item: &FleetItem) {
        match item {
            FleetItem::Event(_) => self.printed += 1,
            FleetItem::Joined { instance, .. } => {
                self.instances.entry(instance.to_string()).or_default();
            }
            FleetItem::Left { instance, account, .. } => {
                self.instances.insert(instance.to_string(), Some(*account));
            }
            _ => {}
        }
    }

    pub(super) fn finish(&mut self, stats: &FleetStats) {
        self.stats = *stats;
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let unknown = || vec!["unknown".to_owned(); 3];
        let numbers = |numbers: [u64; 3]| numbers.map(grouped).to_vec();
        let row = |name: &str, numbers: Vec<String>| [vec![name.to_owned()], numbers].concat();
        let instances = self.instances.iter().map(|(name, account)| {
            row(name, account.map_or_else(unknown, |account| numbers([account.matched, account.arrived, account.lost])))
        });
        let FleetStats { matched, delivered, buffered, lost, .. } = self.stats;
        instances.chain([row("all", numbers([matched, delivered + buffered, lost]))]).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, count, instances, printed, stats } = self;
        writeln!(f, "Summary of user {user}: {} of {count} instances took part", instances.len())?;
        let heads = ["instance", "matched", "arrived", "lost"].map(str::to_owned).to_vec();
        for row in [heads].into_iter().chain(self.rows()) {
            let [name, matched, arrived, lost] = &row[..] else { continue };
            writeln!(f, "  {name:<12} {matched:>12} {arrived:>12} {lost:>12}")?;
        }
        let unprinted = stats.matched.saturating_sub(printed + stats.lost + stats.missing.kept_back());
        writeln!(f, "  {} printed above, {} not, since printing was too slow", grouped(*printed), grouped(unprinted))
    }
}
