//! Tests that the values seen can never satisfy: their kind is shown, and the values never.

use super::{check, coverage_of};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use tracing_tap::TapRouter;
use tracing_tap::Verdict::{Everything, Nothing, Partly};
use tracing_tap::coverage::Finding;
use tracing_tap::value::Shape;

#[derive(Debug)]
#[expect(dead_code, reason = "it is only printed")]
struct UserId(u64);

fn router() -> TapRouter {
    let router = TapRouter::new();
    registry().with(router.layer()).init();
    router
}

fn shape(field: &str, shape: Shape) -> Finding {
    Finding::ValueShape { field: field.to_owned(), shapes: vec![shape] }
}

isolated! {
    fn an_option_in_an_open_span_is_seen_as_some() {
        let router = router();
        let _conn = tracing::info_span!("conn", user = ?Some(42)).entered();
        tracing::info!("reached");
        check(&router, "user = 42", Nothing, &["the test of `user`", "which are `Some(..)`", "`user *= ..`"]);
        let coverage = coverage_of(&router, "user = 42");
        assert_eq!(coverage.findings(), [shape("user", Shape::Optional)]);
        assert!(!coverage.to_string().contains("42)"), "{coverage}");
        check(&router, r#"user = "Some(42)""#, Everything, &[]);
        check(&router, "user *= 42", Everything, &[]);
    }

    fn an_option_in_spans_that_have_closed_is_seen_as_some() {
        let router = router();
        let stream = router.watch("coupon = 42".parse::<tracing_tap::Predicate>().unwrap());
        for coupon in [Some(7), Some(42)] {
            tracing::info_span!("order", ?coupon).in_scope(|| tracing::info!("placed"));
        }
        let coverage = stream.coverage();
        assert_eq!((coverage.verdict(), stream.stats().matched), (Nothing, 0), "{coverage}");
        assert_eq!(coverage.findings(), [shape("coupon", Shape::Optional)]);
    }

    fn the_same_shape_in_two_callsites_is_seen_once() {
        let router = router();
        let stream = router.watch("user = 42".parse::<tracing_tap::Predicate>().unwrap());
        let _conn = tracing::info_span!("conn", user = ?Some(7)).entered();
        tracing::info!("seen inside, and open");
        let _request = tracing::info_span!("request", user = ?Some(7)).entered();
        tracing::info!("in both");
        let coverage = stream.coverage();
        assert_eq!(coverage.findings(), [shape("user", Shape::Optional)], "{coverage}");
    }

    fn a_struct_in_an_open_span_is_seen_as_one() {
        let router = router();
        let _conn = tracing::info_span!("conn", user = ?UserId(42)).entered();
        tracing::info!("reached");
        check(&router, "user = 42", Nothing, &["which are `Name(..)` or `Name { .. }`"]);
        check(&router, "user > 7", Nothing, &["`Name(..)`"]);
        check(&router, "user = 42 or @level = info", Partly, &["`Name(..)`"]);
    }

    fn a_number_with_a_unit_in_events_is_seen_as_text() {
        let router = router();
        let stream = router.watch("latency > 0".parse::<tracing_tap::Predicate>().unwrap());
        tracing::info!("reached");
        tracing::info!(latency = %format_args!("{} ms", 7_777), "answered");
        let coverage = stream.coverage();
        assert_eq!((coverage.verdict(), coverage.findings()), (Nothing, &[shape("latency", Shape::TextWithUnit)][..]), "{coverage}");
        assert!(coverage.to_string().contains("which are text with a unit") && !coverage.to_string().contains("7777"), "{coverage}");
    }

    fn an_option_in_events_is_found_for_a_session_of_the_index() {
        let router = router();
        let stream = router.watch(tracing_tap::Predicate::eq("user", 42));
        tracing::info!(user = ?Some("hunter2"), "hello");
        let coverage = stream.coverage();
        assert_eq!((coverage.verdict(), coverage.findings()), (Nothing, &[shape("user", Shape::Optional)][..]), "{coverage}");
        let json = serde_json::to_string(&coverage).unwrap();
        assert!(!json.contains("hunter2") && json.contains(r#""shapes":["optional"]"#), "{json}");
    }

    fn one_value_that_could_satisfy_the_test_clears_it() {
        let router = router();
        let stream = router.watch("latency > 1000".parse::<tracing_tap::Predicate>().unwrap());
        tracing::info!(latency = "2 ms", "answered");
        assert_eq!(stream.coverage().verdict(), Nothing);
        tracing::info!(latency = 3, "a number from elsewhere, too small");
        assert!(stream.coverage().is_clear(), "{}", stream.coverage());
    }

    fn a_callsite_whose_values_are_unknown_may_match() {
        let router = router();
        let _conn = tracing::info_span!("conn", user = ?Some(42)).entered();
        tracing::info!(user = 1, "no session has seen this value");
        check(&router, "user = 42", Partly, &["which are `Some(..)`"]);
    }

    fn numbers_are_no_names_and_a_matching_value_is_no_finding() {
        let router = router();
        let _conn = tracing::info_span!("conn", user = 42).entered();
        tracing::info!("reached");
        check(&router, "user = alice", Nothing, &["which are a number"]);
        check(&router, "user = 43", Everything, &[]);
    }

    fn a_redacted_field_has_no_shape() {
        let router = TapRouter::builder().redact_fields(["password"]).build();
        registry().with(router.layer()).init();
        let stream = router.watch(tracing_tap::Predicate::eq("password", 42));
        tracing::info!(password = ?Some(42), "hello");
        let redacted = Finding::RedactedField { field: "password".to_owned() };
        assert_eq!((stream.coverage().verdict(), stream.coverage().findings()), (Nothing, &[redacted][..]));
    }
}
