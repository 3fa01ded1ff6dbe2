//! Addresses, headers, and secrets that stay at home.

use crate::receiver::{Answers, Receiver};
use std::time::Duration;
use testing::bounded;
use tracing_tap_otel::otlp::{Collector, Record};

#[test]
fn addresses_are_those_of_http_without_a_password() {
    for address in ["localhost:4318", "ftp://a/v1/logs", "http://ann:secret@a/v1/logs", "nonsense", ""] {
        let error = Collector::new(address).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    assert!(Collector::new("https://collector.example/v1/logs?tenant=7").is_ok());
}

#[test]
fn headers_go_to_no_other_machine_without_tls() {
    let with_header =
        |address: &str| Collector::new(address).unwrap().header("authorization", "Bearer secret").unwrap();
    let error = with_header("http://collector.example:4318").build().unwrap_err().to_string();
    assert!(error.contains("without TLS") && !error.contains("secret"), "{error}");
    assert!(with_header("http://collector.example:4318").allow_plaintext().build().is_ok());
    assert!(with_header("http://127.0.0.1:4318").build().is_ok());
    assert!(Collector::new("http://collector.example:4318").unwrap().build().is_ok(), "there is no secret");
    let printed = format!("{:?}", with_header("http://127.0.0.1:4318"));
    assert!(!printed.contains("secret"), "{printed}");
}

#[test]
fn headers_that_cannot_be_sent_are_refused() {
    let collector = || Collector::new("http://127.0.0.1:4318").unwrap();
    assert!(collector().header("a b", "c").is_err());
    assert!(collector().header("a", "b\r\nc: d").is_err());
}

#[test]
fn records_without_room_are_dropped_and_counted() {
    let mut receiver = Receiver::start(Answers::Accepts);
    receiver.die();
    let collector = receiver.collector().retry_for(Duration::from_millis(100)).build().unwrap();
    let exporter = collector.exporter().unwrap();
    let delivery = bounded("sending", move || {
        (0..40_000).for_each(|number| exporter.send(Record::warning(format!("event {number}"))));
        exporter.finish()
    });
    assert_eq!((delivery.delivered, delivery.dropped), (0, 40_000), "{delivery}");
}

#[test]
fn headers_arrive_with_each_request() {
    let receiver = Receiver::start(Answers::Accepts);
    let exporter = receiver.collector().header("x-tenant", "seven").unwrap().build().unwrap().exporter().unwrap();
    exporter.send(Record::warning("hello").with_instance("chat-7f9c"));
    let delivery = exporter.finish();
    assert_eq!((delivery.delivered, delivery.is_complete()), (1, true), "{delivery}");
    receiver.got(|got| {
        assert_eq!(got.headers[0]["x-tenant"], "seven");
        assert_eq!(got.headers[0]["content-type"], "application/x-protobuf");
    });
}
