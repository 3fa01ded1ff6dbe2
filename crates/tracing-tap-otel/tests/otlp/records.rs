//! What a record has.

use crate::receiver::{Answers, Receiver, attribute, body_of};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{debug, info_span, warn};
use tracing_subscriber::prelude::*;
use tracing_tap::{MissingReason, Predicate, SessionOptions, TapRouter};

isolated! {
    fn an_event_is_a_record_with_all_it_has() {
        let receiver = Receiver::start(Answers::Accepts);
        let router = TapRouter::builder().trace_source(tracing_tap_otel::traces()).max_event_fields(6).build();
        let traces = tracing_opentelemetry::layer().with_tracer(SdkTracerProvider::builder().build().tracer("service"));
        tracing_subscriber::registry().with(traces).with(router.layer()).init();
        let collector = receiver.collector().resource("service.name", "chat").build().unwrap();
        let forwarding = collector.forward(router.watch(Predicate::everything())).unwrap();
        let ids = info_span!("conn", user = 42, shared = "outer").in_scope(|| {
            warn!(shared = "own", big = u64::MAX, ratio = 0.5, is_new = true, text = ?"a\"b", omitted = 1, "rejected");
            opentelemetry::Context::current().span().span_context().clone()
        });
        debug!("outside");
        router.close(forwarding.id());
        let delivery = forwarding.join();
        assert!(delivery.is_complete() && delivery.delivered == 3, "{delivery}");
        let records = receiver.records();
        let event = &records[0];
        assert_eq!((body_of(event), event.severity_text.as_str()), ("rejected", "WARN"));
        assert_eq!(event.severity_number(), SeverityNumber::Warn);
        assert_eq!(event.trace_id, ids.trace_id().to_bytes());
        assert_eq!((event.span_id.as_slice(), event.flags), (&ids.span_id().to_bytes()[..], 1));
        assert!(event.time_unix_nano > 1_700_000_000_000_000_000 && event.observed_time_unix_nano >= event.time_unix_nano);
        let text = |text: &str| Some(Value::StringValue(text.to_owned()));
        for (key, expected) in [
            ("target", text("otlp::records")),
            ("shared", text("own")),
            ("user", Some(Value::IntValue(42))),
            ("big", text("18446744073709551615")),
            ("ratio", Some(Value::DoubleValue(0.5))),
            ("is_new", Some(Value::BoolValue(true))),
            ("text", text("\"a\\\"b\"")),
            ("omitted", None),
            ("tracing_tap.sequence", Some(Value::IntValue(0))),
        ] {
            assert_eq!(attribute(event, key).cloned(), expected, "{key}");
        }
        assert_eq!(event.dropped_attributes_count, 1);
        let Some(Value::ArrayValue(spans)) = attribute(event, "spans") else { panic!("{event:?}") };
        assert_eq!(spans.values.len(), 1);
        assert_eq!((records[1].trace_id.len(), body_of(&records[1])), (0, "outside"));
        assert_eq!(records[2].event_name, "tracing_tap.ended");
        let resource = receiver.got(|got| got.requests[0].resource_logs[0].resource.clone()).unwrap();
        assert_eq!(resource.attributes[0].key, "service.name");
    }

    fn losses_and_times_and_the_end_are_records() {
        let receiver = Receiver::start(Answers::Accepts);
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let session = SessionOptions::new(Predicate::everything()).max_rate(1).timings();
        let forwarding = receiver.collector().build().unwrap().forward(router.watch(session)).unwrap();
        for _ in 0..5 {
            debug!(tracing_tap.sequence = 9, "often");
        }
        drop(info_span!("request"));
        router.close(forwarding.id());
        assert!(forwarding.join().is_complete());
        let records = receiver.records();
        let sequence = attribute(&records[0], "tracing_tap.sequence");
        assert_eq!(sequence, Some(&Value::IntValue(0)), "a field of that name does not hide it");
        let missing = records.iter().find(|record| record.event_name == "tracing_tap.missing").expect("some are missing");
        assert_eq!(missing.severity_number(), SeverityNumber::Warn);
        assert_eq!(attribute(missing, "tracing_tap.missing.reason"), Some(&Value::StringValue(MissingReason::RateLimited.word().to_owned())));
        let ended = records.last().unwrap();
        assert!(ended.event_name == "tracing_tap.ended" && !body_of(ended).is_empty(), "{ended:?}");
    }
}
