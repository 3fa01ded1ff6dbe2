//! Written by `cargo bench --bench paths -- --record`: instructions per call, a little above what was counted then.

pub(crate) const RECORDED: &[(&str, u64)] = &[
    ("open: not matching", 124),
    ("open: not matching, 1,000 sessions", 124),
    ("open: not matching, 100,000 sessions", 124),
    ("open: enter, event, exit", 1144),
    ("open: enter and exit", 529),
    ("open: event another layer prints", 25882),
    ("open: TRACE span nobody wants", 146),
    ("open: own field, 100,000 sessions", 2202),
    ("open: tested span, 100,000 sessions", 8218),
    ("matching: 4 fields, 2 spans", 3236),
    ("matching 8 sessions", 6870),
    ("a captured event as a JSON line", 4195),
    ("a captured event in the human form", 7239),
    ("a captured event in the compact form", 7645),
];
