//! Written by `cargo bench --bench paths -- --record`: instructions per call, a little above what was counted then.

pub(crate) const RECORDED: &[(&str, u64)] = &[
    ("open: not matching", 126),
    ("open: not matching, 1,000 sessions", 126),
    ("open: not matching, 100,000 sessions", 126),
    ("open: not matching, with limits", 126),
    ("open: enter, event, exit", 1203),
    ("open: enter and exit", 576),
    ("open: event another layer prints", 25872),
    ("open: TRACE span nobody wants", 148),
    ("open, with spans: TRACE span of others", 148),
    ("open: own field, 100,000 sessions", 2150),
    ("open: tested span, 100,000 sessions", 7282),
    ("matching: 4 fields, 2 spans", 2405),
    ("matching 8 sessions", 5492),
    ("matching, a rate", 2545),
    ("matching, sampled in", 2415),
    ("matching, followed", 2401),
    ("matching, withheld by a rate", 910),
    ("a captured event as a JSON line", 5580),
    ("a captured event in the human form", 9574),
    ("a captured event in the compact form", 11024),
];
