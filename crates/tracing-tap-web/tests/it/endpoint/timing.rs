//! `timings`: the times of spans, over HTTP.

use crate::fixture::{Served, Service};
use serde_json::{Value, json};
use testing::client::{Curl, get, post};

fn request(user: u64) {
    tracing::info_span!("request", user).in_scope(|| {
        tracing::info_span!("query").in_scope(|| tracing::info!("inside"));
    });
}

isolated! {
    fn with_timings_spans_are_lines_as_they_close() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let mut curl = Curl::get(served.address, "/watch?q=user%3D42&timings=true");
        let mut alone = Curl::get(served.address, "/watch?q=user%3D42&timings=1&events=false&format=sse");
        service.wait_for_sessions(2);
        request(43);
        request(42);
        let lines: Vec<Value> = (0..3).map(|_| curl.json()).collect();
        let kinds: Vec<_> = lines.iter().map(|line| (line["type"].as_str(), line["span"]["name"].as_str())).collect();
        assert_eq!(kinds, [(Some("event"), Some("query")), (Some("timing"), Some("query")), (Some("timing"), Some("request"))]);
        let times = &lines[2]["fields"];
        assert_eq!((&times["message"], &times["polls"]), (&"close".into(), &1.into()));
        let nanos = |key: &str| times[key].as_u64().expect("it is a number");
        assert_eq!(nanos("time.wall"), nanos("time.busy") + nanos("time.idle"));
        let mut named = std::iter::from_fn(|| alone.line()).filter(|line| line.starts_with("event: timing"));
        assert_eq!(named.by_ref().take(2).count(), 2, "and no event");
        served.stop();
    }

    fn a_kept_session_says_that_it_wants_times() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let opened = post(served.address, "/sessions", &json!({ "q": "user = 42", "timings": true, "events": false }).to_string());
        assert_eq!(opened.json()["timings"], true);
        let options = &service.router.sessions()[0];
        assert!(options.timings);
        assert_eq!(get(served.address, "/watch?q=*&timings=maybe").problem(), "invalid-parameter");
        served.stop();
    }
}
