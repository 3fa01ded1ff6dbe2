//! Written by `cargo bench --bench paths -- --record`: instructions per call, a little above what was counted then.

pub(crate) const RECORDED: &[(&str, u64)] = &[
    ("open: not matching", 124),
    ("open: not matching, 1,000 sessions", 124),
    ("open: not matching, 100,000 sessions", 124),
    ("open: not matching, with limits", 124),
    ("open: enter, event, exit", 1174),
    ("open: enter and exit", 561),
    ("open: event another layer prints", 26050),
    ("open: TRACE span nobody wants", 146),
    ("open: own field, 100,000 sessions", 2199),
    ("open: tested span, 100,000 sessions", 8086),
    ("matching: 4 fields, 2 spans", 3030),
    ("matching 8 sessions", 6802),
    ("matching, a rate", 3194),
    ("matching, sampled in", 3074),
    ("matching, withheld by a rate", 953),
    ("a captured event as a JSON line", 4228),
    ("a captured event in the human form", 7432),
    ("a captured event in the compact form", 7792),
];
