//! The ids in every form, and in lines that are read back.

use super::{active, install};
use tracing::{debug, info_span};
use tracing_tap::wire::LineFilter;
use tracing_tap::{Format, Item, Predicate, write_item};

fn written(item: &Item, format: Format) -> String {
    let mut out = Vec::new();
    write_item(&mut out, item, format);
    String::from_utf8(out).unwrap()
}

isolated! {
    fn every_form_has_the_ids() {
        let mut stream = install().watch(Predicate::everything());
        let (trace_id, span_id) = info_span!("request", user = 42).in_scope(|| {
            debug!("inside");
            active()
        });
        let item = stream.drain().next().unwrap();
        let json = written(&item, Format::Json);
        assert!(json.contains(&format!("\"trace_id\":\"{trace_id}\",\"span_id\":\"{span_id}\",")), "{json}");
        assert_eq!(json, serde_json::to_string(&item).unwrap() + "\n");
        let human = written(&item, Format::Human);
        assert!(human.contains("\n  trace_id: ") && human.contains(&trace_id) && human.contains(&span_id), "{human}");
        for format in [Format::Compact, Format::GithubActions] {
            let line = written(&item, format);
            assert!(line.contains(&format!(" trace_id={trace_id} span_id={span_id}")), "{line}");
        }
        let read: Item = serde_json::from_str(&json).unwrap();
        assert_eq!(written(&read, Format::Json), json);
        assert!(Predicate::eq("trace_id", trace_id.as_str()).is_match(&read.into_event().unwrap()));
    }

    fn lines_are_filtered_by_their_ids() {
        let mut stream = install().watch(Predicate::everything());
        let ids = info_span!("request").in_scope(|| {
            debug!("inside");
            active()
        });
        let line = written(&stream.drain().next().unwrap(), Format::Json);
        let is_match = |key: &str, value: &str| {
            let filter = LineFilter::new(&Predicate::eq(key, value)).unwrap();
            filter.may_match(line.as_bytes()) && filter.is_match(line.as_bytes()).unwrap()
        };
        assert!(is_match("trace_id", &ids.0) && is_match("span_id", &ids.1));
        assert!(!is_match("trace_id", &ids.1) && !is_match("trace_id", "abc"));
    }

    fn ids_that_look_like_numbers_are_texts() {
        for id in ["00000000000000000000000000000012", "12345678901234567890123456789012", "123456789012345e1234567890123456"] {
            let text = format!("trace_id = {id}");
            let predicate: Predicate = text.parse().unwrap();
            let line = format!(
                "{{\"type\":\"event\",\"session\":1,\"sequence\":0,\"timestamp\":\"2026-11-20T08:15:02.123456Z\",\
                 \"level\":\"DEBUG\",\"fields\":{{}},\"target\":\"chat\",\"spans\":[{{\"name\":\"s\"}}],\
                 \"trace_id\":\"{id}\",\"span_id\":\"0000000000000001\"}}"
            );
            let filter = LineFilter::new(&predicate).unwrap();
            assert!(filter.may_match(line.as_bytes()) && filter.is_match(line.as_bytes()).unwrap(), "{text}");
            let Item::Event { event, .. } = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
            assert!(predicate.is_match(&event), "{text}");
        }
    }
}
