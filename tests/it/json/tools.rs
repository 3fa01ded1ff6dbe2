//! Lines for other tools: `tests/deep/tools.sh` has DuckDB, Polars and `jq` read the files that this leaves.

use super::unique;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tracing_subscriber::prelude::*;
use tracing_tap::render::FormatOptions;
use tracing_tap::{Format, Item, Predicate, SessionOptions, TapRouter, write_item};

const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/json-lines");
/// How many events wait in a ring of the session that loses some, and how many it is sent.
const CAPACITY: usize = 4;
const SENT: usize = 10;
/// How many events are sent to the session that samples nearly all of them out.
const SAMPLED: usize = 5;

isolated! {
    fn the_lines_for_other_tools_are_what_they_are_checked_for() {
        let items = items();
        let others = || items.iter().filter(|item| !has_two_cases(item));
        let (lines, strings) = (FormatOptions::new(Format::Json), FormatOptions::new(Format::Json).large_integers_as_strings());
        let lines = write("lines.jsonl", others(), lines);
        let strings = write("strings.jsonl", others(), strings);
        let short = write("short.jsonl", others(), FormatOptions::new(Format::Json).max_line_bytes(4096));
        assert!([&lines, &strings, &short].iter().all(|lines| lines.len() == others().count()));

        let two_cases = items.iter().filter(|item| has_two_cases(item));
        let two_cases = write("case.jsonl", two_cases, FormatOptions::new(Format::Json));
        assert_eq!((two_cases.len(), &two_cases[0]["fields"]["User"]), (1, &json!(2)));

        let of_type = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
        assert_eq!((of_type("event"), of_type("missing"), of_type("ended")), (9 + CAPACITY, 2, 2));
        assert_eq!(lines[0]["fields"]["unsigned"], json!(u64::MAX));
        assert_eq!(strings[0]["fields"]["unsigned"], json!(u64::MAX.to_string()));
        assert_eq!((&lines[0]["fields"]["odd"], &strings[0]["fields"]["odd"]), (&json!((1_u64 << 53) + 1), &json!("9007199254740993")));
        assert_eq!((&lines[0]["span"]["name"], &lines[0]["span"]["name#1"]), (&json!("conn"), &json!("alice")));
        assert_eq!(lines[0]["fields"]["message"], json!("naïve 😀 \u{202E}\u{0}\u{7F}\n\"quoted\" \\"));
        let lost: u64 = lines.iter().filter_map(|line| line["count"].as_u64()).sum();
        assert_eq!(lost, (SENT - CAPACITY + SAMPLED) as u64);
    }
}

/// Whether it has two names that differ in case alone, which DuckDB takes for one.
fn has_two_cases(item: &Item) -> bool {
    matches!(item, Item::Event { event, .. } if event.field("User").is_some())
}

/// What sessions have shown: every kind of value, spans within spans, losses of two kinds, two ends.
fn items() -> Vec<Item> {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let everything = || SessionOptions::new(Predicate::everything());
    let mut stream = router.watch(everything());
    emit();
    let mut items: Vec<_> = stream.drain().collect();
    drop(stream);
    for (session, sent) in [(everything().capacity(CAPACITY), SENT), (everything().sample(u32::MAX), SAMPLED)] {
        let mut stream = router.watch(session);
        (0..sent).for_each(|n| tracing::info!(n, "one of many"));
        router.close(stream.id());
        items.extend(stream.drain());
    }
    items
}

fn emit() {
    let conn = tracing::info_span!("conn", name = "alice", user = 42, id = u64::MAX).entered();
    tracing::info!(
        unsigned = u64::MAX,
        odd = (1_u64 << 53) + 1,
        signed = i64::MIN,
        wide = u128::MAX,
        float = 1.5,
        nan = f64::NAN,
        truth = true,
        bytes = &b"\xDE\xAD"[..],
        "naïve 😀 \u{202E}\u{0}\u{7F}\n\"quoted\" \\"
    );
    tracing::info_span!("message", user = "42", r#type = ?Some(1)).in_scope(|| {
        tracing::trace_span!("nobody wants it").in_scope(|| tracing::debug!(user = 1, user = "two", "twice"));
        tracing::trace!(body = "b".repeat(8_000), "long");
    });
    drop(conn);
    tracing::warn!(target: "a target", "outside");
    tracing::info!(n = "text", "a name with values of many kinds");
    tracing::info!(n = 1.5, "a name with values of many kinds");
    tracing::info!(n = i64::MIN, "a name with values of many kinds");
    tracing::info!(user.id = 7, "select" = 1, "a b" = true, "type" = "t", "odd names");
    tracing::info!(none = None::<i64>, "");
    tracing::info!(user = 1, User = 2, "two names");
}

/// Writes the items to a file, and reads its lines as JSON in which no key is twice.
fn write<'a>(file: &str, items: impl Iterator<Item = &'a Item>, options: FormatOptions) -> Vec<Value> {
    let mut out = Vec::new();
    items.for_each(|item| write_item(&mut out, item, options));
    fs::create_dir_all(FOLDER).expect("cargo gives tests a folder");
    fs::write(Path::new(FOLDER).join(file), &out).expect("it can be written");
    let text = String::from_utf8(out).expect("what is written is text");
    text.lines().map(|line| unique::parse(line).expect("a line is JSON in which no key is twice")).collect()
}
