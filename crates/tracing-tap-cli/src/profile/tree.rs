//! Times of spans, added up by their paths.

use std::collections::BTreeMap;
use std::time::Duration;
use tracing_tap::SpanTiming;
use tracing_tap_profile::forms::Line;

/// The sum of the times of all spans with one path, and those below them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) total: Sum,
    pub(crate) children: BTreeMap<String, Tree>,
}

/// What is known of some spans together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// How many have closed.
    pub(crate) closed: u64,
    pub(crate) busy: Duration,
    /// How many of them the session had not watched since their creation, so that they were busy for longer.
    pub(crate) partial: u64,
}

impl Tree {
    pub(crate) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Adds the times of a span that has closed.
    pub(crate) fn add(&mut self, timing: &SpanTiming) {
        let mut node = self;
        for span in timing.path() {
            node = node.children.entry(span.name().to_owned()).or_default();
        }
        node.total.closed += 1;
        node.total.busy += timing.busy().unwrap_or_default();
        node.total.partial += u64::from(!timing.is_whole());
    }

    /// The time of these spans that was spent in none of their children. What runs on another thread meanwhile may
    /// be busy for longer than that: then there is none.
    pub(crate) fn own(&self) -> Duration {
        let inside: Duration = self.children.values().map(|child| child.total.busy).sum();
        self.total.busy.saturating_sub(inside)
    }

    /// All paths with time or closes of their own, parents first.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        self.collect(&mut Vec::new(), &mut lines);
        lines
    }

    fn collect(&self, path: &mut Vec<String>, lines: &mut Vec<Line>) {
        let own = self.own();
        if self.total.closed > 0 {
            lines.push(Line { path: path.clone(), own, count: self.total.closed });
        }
        for (name, child) in &self.children {
            path.push(name.clone());
            child.collect(path, lines);
            path.pop();
        }
    }

    /// The sum over all paths.
    pub(crate) fn sum(&self) -> Sum {
        self.children.values().map(Self::sum).fold(self.total, |sum, child| Sum {
            closed: sum.closed + child.closed,
            busy: sum.busy + child.busy,
            partial: sum.partial + child.partial,
        })
    }

    /// The time that all paths have of their own.
    pub(crate) fn own_sum(&self) -> Duration {
        self.own() + self.children.values().map(Self::own_sum).sum::<Duration>()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tracing_tap::Item;

    /// A closed span of this path, from the root, with its busy time in microseconds.
    pub(crate) fn timing(path: &[&str], micros: u64) -> SpanTiming {
        let spans = path.iter().map(|name| format!(r#"{{"name":{}}}"#, serde_json::to_string(name).unwrap()));
        let line = format!(
            r#"{{"type":"timing","session":1,"sequence":0,"timestamp":"2026-11-20T08:15:02.123456Z","level":"INFO","fields":{{"message":"close","time.busy":{0},"time.idle":0,"time.wall":{0},"polls":1}},"target":"a","spans":[{1}]}}"#,
            micros * 1000,
            spans.collect::<Vec<_>>().join(",")
        );
        serde_json::from_str::<Item>(&line).unwrap().into_timing().unwrap()
    }

    /// Two requests, with queries inside.
    pub(crate) fn example() -> Tree {
        let mut tree = Tree::default();
        for micros in [300, 200] {
            tree.add(&timing(&["request", "query"], micros));
            tree.add(&timing(&["request", "query"], 50));
            tree.add(&timing(&["request"], 1000));
        }
        tree.add(&timing(&["clean up; now"], 7));
        tree
    }

    #[test]
    fn a_span_s_own_time_is_what_its_children_leave() {
        let own: Vec<_> =
            example().lines().iter().map(|line| (line.path.join(">"), line.own.as_micros(), line.count)).collect();
        let expected = [("clean up; now", 7, 1), ("request", 1400, 2), ("request>query", 600, 4)];
        assert_eq!(own, expected.map(|(path, micros, closed)| (path.to_owned(), micros, closed)));
        assert_eq!(example().own_sum(), Duration::from_micros(2007));
        assert_eq!(example().sum().closed, 7);
    }

    #[test]
    fn children_that_run_beside_their_parent_leave_it_no_time() {
        let mut tree = Tree::default();
        tree.add(&timing(&["request", "task"], 800));
        tree.add(&timing(&["request", "task"], 800));
        tree.add(&timing(&["request"], 1000));
        assert_eq!(tree.lines()[0].own, Duration::ZERO);
    }
}
