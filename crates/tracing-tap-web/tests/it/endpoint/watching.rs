//! `GET /watch`, from the event to the line that `curl` prints.

use crate::fixture::{Served, Service, TOKEN};
use serde_json::json;
use std::time::Duration;
use testing::client::{Curl, get, post, request};
use tracing_tap_web::{Auth, Caller, Endpoint};

isolated! {
    fn curl_gets_the_matching_events_and_its_end_closes_the_session() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let older = tracing::info_span!("conn", user = 42);
        tracing::info!("reached, so that something can match");
        let mut curl = Curl::get(served.address, "/watch?q=user%3D42&coverage=1");
        let coverage = curl.json();
        assert_eq!((&coverage["type"], &coverage["verdict"]), (&"coverage".into(), &"everything".into()));
        older.in_scope(|| tracing::trace!(n = 1, "first"));
        tracing::trace!(user = 43, "not for you");
        let event = curl.json();
        assert_eq!((&event["type"], &event["sequence"]), (&"event".into(), &0.into()));
        assert_eq!((&event["fields"]["message"], &event["spans"][0]["user"]), (&"first".into(), &42.into()));
        older.in_scope(|| tracing::trace!("second"));
        assert_eq!(curl.json()["fields"]["message"], "second");
        drop(curl);
        service.wait_for_sessions(0);
        served.stop();
    }

    fn without_a_token_nothing_is_opened() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let mut curl = Curl::with(served.address, "/watch?q=*", &["--include"]);
        assert_eq!(curl.line().as_deref(), Some("HTTP/1.1 401 Unauthorized\r"));
        assert!(curl.rest().contains("urn:tracing-tap:problem:not-authenticated"));
        assert_eq!(service.router.sessions().len(), 0);
        assert_eq!(get(served.address, "/watch").problem(), "invalid-parameter");
    }

    fn lines_fit_and_keep_integers_where_that_is_asked_for() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let options = "max_line_bytes=4096&large_integers_as_strings=1";
        let mut lines = Curl::get(served.address, &format!("/watch?q=user%3D42&{options}"));
        let mut events = Curl::get(served.address, &format!("/watch?q=user%3D42&format=sse&{options}"));
        let mut whole = Curl::get(served.address, "/watch?q=user%3D42");
        service.wait_for_sessions(3);
        tracing::info!(user = 42, n = i64::MAX, body = "b".repeat(8_000), "long");
        let line = lines.line().expect("an event comes");
        assert!((4_000..4_096).contains(&line.len()), "{} bytes", line.len());
        let event: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
        let fields = &event["fields"];
        assert_eq!((&fields["n"], &fields["message"], &fields["user"]), (&i64::MAX.to_string().into(), &"long".into(), &42.into()));
        assert!(fields["body"].as_str().is_some_and(|body| body.ends_with("b…[cut]")), "{event}");
        let data = std::iter::from_fn(|| events.line()).find(|line| line.starts_with("data: {\"type\":\"event\""));
        assert_eq!(data.map(|data| data.len() - "data: ".len()), Some(line.len()));
        assert_eq!(whole.json()["fields"]["n"], i64::MAX, "other readers get all of it");
        for (query, problem) in [("max_line_bytes=2047", "invalid-parameter"), ("large_integers_as_strings=yes", "invalid-parameter")] {
            assert_eq!(get(served.address, &format!("/watch?q=*&{query}")).problem(), problem, "{query}");
        }
        served.stop();
    }

    fn text_forms_are_for_people_and_show_the_coverage_first() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        tracing::info!(user = 42, "seen once");
        let mut curl = Curl::get(served.address, "/watch?q=user%3D42&format=compact&level=debug&name=ticket+7");
        assert_eq!(curl.line().as_deref(), Some("-- everything can match"));
        assert!(curl.line().is_some_and(|line| line.starts_with("-- ") && line.contains("callsites seen so far")));
        assert_eq!(service.router.sessions()[0].name.as_deref(), Some("ticket 7"));
        tracing::trace!(user = 42, "too verbose");
        tracing::debug!(user = 42, "hello\u{1b}[2J");
        assert!(curl.line().is_some_and(|line| line.contains(r"hello\x1B[2J") && line.contains("DEBUG")));
        service.router.shutdown();
        assert_eq!(curl.line().as_deref(), Some("-- session over: the router was shut down"));
        served.stop();
    }

    fn a_session_follows_what_happens_around_a_match() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let mut curl = Curl::get(served.address, "/watch?q=status+%3E%3D+500&follow=named:request");
        service.wait_for_sessions(1);
        tracing::info_span!("request").in_scope(|| {
            tracing::info!("before");
            tracing::info!(status = 500, "fails");
            tracing::info!("after");
        });
        let seen = [curl.json(), curl.json()].map(|event| event["fields"]["message"].clone());
        assert_eq!(seen, ["fails", "after"]);
        service.router.shutdown();
        served.stop();
    }

    fn a_level_bounds_what_is_followed_too() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let mut curl = Curl::get(served.address, "/watch?q=@level+%3D+error&follow=named:request&level=info");
        service.wait_for_sessions(1);
        tracing::info_span!("request").in_scope(|| {
            tracing::error!("fails");
            tracing::debug!("too verbose");
            tracing::info!("after");
        });
        let seen = [curl.json(), curl.json()].map(|event| event["fields"]["message"].clone());
        assert_eq!(seen, ["fails", "after"]);
        service.router.shutdown();
        served.stop();
    }

    fn spans_nobody_else_wants_exist_where_asked_for() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let emit = || {
            let conn = tracing::info_span!("conn", user = 42).entered();
            tracing::debug_span!("detail", n = 1).in_scope(|| tracing::info!("inside"));
            drop(conn);
        };
        let (conn, detail) = (json!({ "name": "conn", "user": 42 }), json!({ "n": 1, "name": "detail" }));
        for (query, expected) in [("", json!([conn])), ("&spans=debug", json!([conn, detail]))] {
            let mut curl = Curl::get(served.address, &format!("/watch?q=user+%3D+42{query}"));
            service.wait_for_sessions(1);
            // A session is listed a moment before `tracing` has asked all callsites for it.
            let mut seen = || {
                emit();
                curl.json()["spans"].take()
            };
            assert!((0..100).any(|_| seen() == expected), "{query}: {}", seen());
            drop(curl);
            service.wait_for_sessions(0);
        }
        let refused = get(served.address, "/watch?q=user+%3D+42&spans=loud");
        assert_eq!(refused.problem(), "invalid-parameter");
        assert!(refused.body.contains("`spans` is none of `error`, `warn`, `info`, `debug` and `trace`"), "{refused:?}");
        served.stop();
    }

    fn coverage_is_asked_for_what_would_be_followed_and_enabled() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let _router_knows = service.router.watch(tracing_tap::Predicate::everything());
        tracing::debug_span!("request", path = "/a").in_scope(|| tracing::info!(status = 500, "seen once"));
        let asked = |query: &str| get(served.address, &format!("/coverage?q=status+%3E%3D+500&follow=named:{query}")).body;
        assert!(asked("job").contains("unseen_span"), "{}", asked("job"));
        assert!(asked("request").contains("span_not_enabled"), "{}", asked("request"));
        assert!(!asked("request&spans=debug").contains("span_not_enabled"), "{}", asked("request&spans=debug"));
        let warn = get(served.address, "/coverage?q=*&level=warn").json();
        assert_eq!(warn["notes"][0]["can_match"], 0, "{warn}");
        served.stop();
    }

    fn catalog_coverage_stats_and_parse_answer() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        tracing::info!(user = 42, "seen once");
        let catalog = get(served.address, "/catalog").json();
        let own = catalog["callsites"].as_array().expect("a list").iter().find(|entry| entry["fields"][1] == "user");
        assert_eq!(own.expect("the callsite was reached")["kind"], "event");
        let coverage = get(served.address, "/coverage?q=usr+%3D+42").json();
        assert_eq!((&coverage["verdict"], &coverage["is_clear"]), (&"nothing".into(), &false.into()));
        assert_eq!(coverage["findings"][0]["finding"], "misspelt_field");
        assert!(coverage["findings"][0]["text"].as_str().is_some_and(|text| text.contains("did you mean `user`?")));
        assert_eq!(get(served.address, "/coverage?q=usr+%3D%3E+1").problem(), "invalid-predicate");
        let stats = get(served.address, "/stats");
        assert_eq!(stats.header("content-type"), Some(tracing_tap::prometheus::CONTENT_TYPE));
        assert!(stats.body.contains("tracing_tap_open_sessions 0\n"));
        let parsed = post(served.address, "/parse", r#"{"q":"user==42 && !(n<1)"}"#).json();
        assert_eq!(parsed, serde_json::json!({"predicate": "user = 42 and not n < 1", "fields": ["n", "user"]}));
        let wrong = post(served.address, "/parse", r#"{"q":"a = 1 and\nb => 2"}"#);
        assert_eq!((wrong.problem().as_str(), &wrong.json()["line"], &wrong.json()["column"]), ("invalid-predicate", &2.into(), &3.into()));
        assert_eq!(wrong.json()["hint"], "did you mean `>=`?");
        served.stop();
    }

    fn catalog_and_coverage_answer_within_the_askers_scope() {
        let service = Service::start();
        let served = Served::start(service.endpoint_of_people());
        tracing::info!(target: "it::endpoint::watching::hal", own_field = 1, "seen once");
        tracing::info!(target: "web::secret", hidden_field = 1, "seen once");
        let ask = |who: &str, path: &str| request(served.address, who, "GET", path, None);
        let catalog = ask("hal", "/catalog");
        assert!(catalog.body.contains("own_field") && !catalog.body.contains("hidden"), "{catalog:?}");
        assert!(ask("ben", "/catalog").body.contains("hidden_field"));
        let coverage = ask("hal", "/coverage?q=hidden_feld+%3D+1");
        assert!(!coverage.body.contains("hidden_field") && coverage.body.contains("unseen_field"), "{coverage:?}");
        assert!(ask("ben", "/coverage?q=hidden_feld+%3D+1").body.contains("hidden_field"));
        let slip = "/coverage?q=@target+%3D+web::secert";
        assert!(!ask("hal", slip).body.contains("web::secret") && ask("ben", slip).body.contains("web::secret"));
        let callsites = coverage.json()["notes"][0].clone();
        assert_eq!((&callsites["seen"], &callsites["can_match"]), (&1.into(), &0.into()));
        served.stop();
    }

    fn what_the_endpoint_does_feeds_no_session_under_serve() {
        let service = Service::start();
        let auth = Auth::check(|_| {
            tracing::info!(user = 42, "the endpoint is watched");
            Ok(Caller::new("anybody"))
        });
        let served = Served::start(Endpoint::new(service.router.clone(), auth));
        let mut curl = Curl::get(served.address, "/watch?q=user%3D42");
        service.wait_for_sessions(1);
        assert_eq!(request(served.address, TOKEN, "GET", "/stats", None).status, 200);
        tracing::info!(user = 42, "of the service");
        assert_eq!(curl.json()["fields"]["message"], "of the service");
        assert!(service.log.lines().iter().filter(|line| line.contains("at the endpoint")).count() >= 2, "the log has it");
        service.router.shutdown();
        served.stop();
    }

    fn senseless_times_in_settings_become_the_nearest_sensible() {
        let service = Service::start();
        for time in [Duration::ZERO, Duration::MAX] {
            let endpoint = service.endpoint().heartbeat(time).batch_delay(time.min(Duration::from_millis(10))).grace_period(time);
            let served = Served::start(endpoint.stall_timeout(time.max(Duration::from_secs(10))));
            let mut curl = Curl::get(served.address, "/watch?q=user%3D42");
            service.wait_for_sessions(1);
            tracing::info!(user = 42, "seen");
            assert_eq!(curl.json()["fields"]["message"], "seen");
            drop(curl);
            service.wait_for_sessions(0);
            served.stop();
        }
    }
}
