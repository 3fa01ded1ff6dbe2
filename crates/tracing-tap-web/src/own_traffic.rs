//! Whether a session can see how its own stream is carried.
//!
//! Where the endpoint is mounted, the service's HTTP stack sends the stream, and logs that. Those events match as anything
//! else does. The note is only for a session whose predicate they can satisfy.

use axum::http::Version;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tracing_tap::Predicate;
use tracing_tap::catalog::{CallsiteKind, CatalogEntry};

/// Crates that carry HTTP, as their targets begin.
const STACK: [&str; 8] = ["axum", "axum_server", "h2", "hyper", "hyper_util", "rustls", "tower", "tower_http"];

/// The HTTP stack's callsites, and what the spans have that they open.
#[derive(Debug)]
struct Stack<'a> {
    events: Vec<&'a CatalogEntry>,
    spans: Vec<&'a CatalogEntry>,
}

/// The note for a session on `predicate`, if it applies; `version` is that of the request which asks for the session.
pub(super) fn note(predicate: &Predicate, catalog: &[CatalogEntry], version: Version) -> Option<Value> {
    let crates = crates_that_match(predicate, catalog, version);
    if crates.is_empty() {
        return None;
    }
    let names = crates.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "events of the service's HTTP stack ({names}) can match, and it carries this stream too; to see none of that, \
         add a test of a field that your events have, such as `user exists`, or give the endpoint a listener of its own \
         with `web::serve`"
    );
    Some(json!({ "note": "own_traffic", "crates": crates, "text": text }))
}

fn crates_that_match<'a>(predicate: &Predicate, catalog: &'a [CatalogEntry], version: Version) -> BTreeSet<&'a str> {
    let stack = Stack::of(catalog);
    let seen = stack.events.iter().filter(|event| event.may_match(predicate, &stack.spans));
    let mut crates: BTreeSet<_> = seen.filter_map(|event| crate_of(&event.target)).collect();
    // While no session is open its events are too verbose to have been seen.
    if version == Version::HTTP_2 && CatalogEntry::unseen_event("h2", "TRACE").may_match(predicate, &stack.spans) {
        crates.insert("h2");
    }
    crates
}

/// The crate of the HTTP stack that a target is of.
fn crate_of(target: &str) -> Option<&'static str> {
    let is_of = |name: &&str| target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    STACK.into_iter().find(is_of)
}

impl<'a> Stack<'a> {
    fn of(catalog: &'a [CatalogEntry]) -> Self {
        let own = |kind| catalog.iter().filter(move |entry| entry.kind == kind && crate_of(&entry.target).is_some());
        Self { events: own(CallsiteKind::Event).collect(), spans: own(CallsiteKind::Span).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: CallsiteKind, name: &'static str, target: &'static str, fields: &[&'static str]) -> CatalogEntry {
        let fields: Vec<_> = fields.iter().map(|field| json!(field)).collect();
        let entry = json!({
            "kind": kind, "name": name, "target": target, "level": "DEBUG", "file": null, "line": null, "fields": fields,
            "wanted_by_others": null, "is_vetoed": false,
        });
        serde_json::from_value(entry).expect("it is an entry")
    }

    fn service() -> Vec<CatalogEntry> {
        vec![
            entry(CallsiteKind::Event, "event src/hub.rs:1", "chat::hub", &["message", "channel"]),
            entry(CallsiteKind::Span, "conn", "chat", &["user"]),
            entry(CallsiteKind::Span, "request", "tower_http::trace::make_span", &["method", "uri", "version"]),
            entry(CallsiteKind::Event, "event on_request.rs:1", "tower_http::trace::on_request", &["message"]),
        ]
    }

    #[track_caller]
    fn check(predicate: &str, catalog: &[CatalogEntry], version: Version, expected: &[&str]) {
        let predicate: Predicate = predicate.parse().expect("it is a predicate");
        let crates: Vec<_> = crates_that_match(&predicate, catalog, version).into_iter().collect();
        assert_eq!(crates, expected, "{predicate}");
    }

    #[test]
    fn it_applies_where_an_event_of_the_stack_can_match() {
        let service = service();
        for predicate in
            ["*", "@level >= debug", "@target = tower_http", "not user = 42", "uri ^= /tap", "@span = request"]
        {
            check(predicate, &service, Version::HTTP_11, &["tower_http"]);
        }
        for predicate in ["message *= started", "method exists and user != 42", "user = 42 or @level >= debug"] {
            check(predicate, &service, Version::HTTP_11, &["tower_http"]);
        }
    }

    #[test]
    fn it_does_not_apply_where_none_can() {
        let service = service();
        for predicate in [
            "user = 42",
            "user exists",
            "user = 42 and @level >= debug",
            "@level >= info",
            "@target = chat",
            "@target = tower",
            "@span = conn",
            "* and not (@target in (hyper, h2, tower_http, axum))",
        ] {
            check(predicate, &service, Version::HTTP_11, &[]);
        }
        check("*", &service[..2], Version::HTTP_11, &[]);
    }

    #[test]
    fn over_http_2_it_applies_before_its_events_were_seen() {
        check("*", &service()[..2], Version::HTTP_2, &["h2"]);
        check("@level >= debug", &service()[..2], Version::HTTP_2, &[]);
        check("user = 42", &service()[..2], Version::HTTP_2, &[]);
    }

    #[test]
    fn the_advice_is_a_predicate_that_keeps_ones_own_events() {
        let note = note(&Predicate::everything(), &service(), Version::HTTP_11).expect("it applies");
        let advice = note["text"].as_str().expect("a text").split('`').find(|part| part.ends_with(" exists"));
        check(advice.expect("there is some"), &service(), Version::HTTP_11, &[]);
    }
}
