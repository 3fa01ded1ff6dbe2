//! Sessions that begin with the past.

use crate::fixture::{Served, Service};
use testing::client::{Curl, get};
use testing::wait_until;
use tracing_tap::{LookBack, TapRouter};

fn service_with_past() -> Service {
    let service = Service::start_with(TapRouter::builder().look_back(LookBack::new(1 << 20)).build());
    wait_until("looking back to be switched on", || service.router.stats().look_back_bytes > 0);
    service
}

fn request(number: u64, status: u64) {
    tracing::info_span!("request", number).in_scope(|| {
        tracing::debug!("accepted {number}");
        tracing::info!(status, "answered {number}");
    });
}

/// The messages of so many events, those of the past marked.
fn messages(curl: &mut Curl, count: usize) -> Vec<String> {
    let lines = std::iter::from_fn(|| Some(curl.json())).filter(|line| line["type"] == "event");
    let mark = |line: &serde_json::Value| if line["past"] == true { "past " } else { "" };
    let message = |line: serde_json::Value| format!("{}{}", mark(&line), line["fields"]["message"].as_str().unwrap());
    lines.map(message).take(count).collect()
}

isolated! {
    fn an_outcome_reaches_to_before_the_session() {
        let service = service_with_past();
        let served = Served::start(service.endpoint());
        request(0, 200);
        request(1, 503);
        let open = tracing::info_span!("request");
        open.in_scope(|| tracing::debug!("accepted 2"));
        let failing = "q=*&follow=root&only_if=status%20%3E%3D%20500&look_back=30s";
        let mut curl = Curl::get(served.address, &format!("/watch?{failing}"));
        let horizon = curl.json();
        assert_eq!((&horizon["type"], &horizon["asked_ms"]), (&"horizon".into(), &30_000.into()));
        assert_eq!(messages(&mut curl, 2), ["past accepted 1", "past answered 1"]);
        open.in_scope(|| tracing::info!(status = 500, "answered 2"));
        request(3, 200);
        request(4, 500);
        let later = ["past accepted 2", "answered 2", "accepted 4", "answered 4"];
        assert_eq!(messages(&mut curl, 4), later);
        drop(curl);
        service.wait_for_sessions(0);
        served.stop();
    }

    fn a_past_that_is_not_kept_is_refused_at_its_parameter() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        for query in ["q=*&look_back=30s", "q=*&look_back=30s&slower_than=1s", "q=*&look_back=soon"] {
            let refused = get(served.address, &format!("/watch?{query}"));
            assert_eq!((refused.problem(), refused.json()["parameter"].as_str()), ("invalid-parameter".into(), Some("look_back")), "{query}");
        }
        served.stop();
    }
}
