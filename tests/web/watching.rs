//! `GET /watch`, from the event to the line that `curl` prints.

use crate::client::{Curl, get};
use crate::fixture::{Served, Service};

isolated! {
    fn curl_sees_exactly_the_matching_events_as_they_happen_and_closes_the_session_with_its_connection() {
        let service = Service::start();
        let served = Served::start(service.door());
        let older = tracing::info_span!("conn", user = 42);
        let mut curl = Curl::get(served.address, "/watch?q=user%3D42&coverage=1");
        let coverage = curl.json();
        assert_eq!((&coverage["type"], &coverage["is_clear"]), (&"coverage".into(), &true.into()));
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
        let served = Served::start(service.door());
        let mut curl = Curl::with(served.address, "/watch?q=*", &["--include"]);
        assert_eq!(curl.line().as_deref(), Some("HTTP/1.1 401 Unauthorized\r"));
        assert!(curl.rest().contains("urn:tracing-tap:problem:not-authenticated"));
        assert_eq!(service.router.sessions().len(), 0);
        assert_eq!(get(served.address, "/watch").problem(), "invalid-parameter");
    }
}
