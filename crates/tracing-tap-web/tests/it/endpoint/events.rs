//! Streams as a client of server-sent events sees them.

use crate::fixture::{Served, Service, TOKEN};
use eventsource_stream::{Event, Eventsource};
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyDataStream, Empty};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use testing::client::{get, post};
use testing::runtime::{run, soon};

type Events = Pin<Box<dyn Stream<Item = Event> + Send>>;

/// Connects as `EventSource` does, with the id it has seen last; the stream, or the status that ends it.
async fn connect(address: SocketAddr, path: &str, last: Option<&str>) -> Result<Events, u16> {
    let socket = tokio::net::TcpStream::connect(address).await.expect("the endpoint listens");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("hyper shakes hands");
    tokio::spawn(connection);
    let request = http::Request::get(path)
        .header("host", address.to_string())
        .header("accept", "text/event-stream")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("last-event-id", last.unwrap_or_default());
    let request = request.body(Empty::<bytes::Bytes>::new()).expect("it is a request");
    let response = soon("an answer", sender.send_request(request)).await.expect("the endpoint answers");
    if response.status() != 200 {
        return Err(response.status().as_u16());
    }
    let events = BodyDataStream::new(response.into_body()).eventsource();
    // The sender keeps the connection open.
    Ok(Box::pin(events.map(move |event| {
        let _ = &sender;
        event.expect("the stream is well formed")
    })))
}

async fn next(events: &mut Events) -> Event {
    soon("an event", events.next()).await.expect("there is another event")
}

fn message(event: &Event) -> String {
    let item: tracing_tap::Item = serde_json::from_str(&event.data).expect("data is an item");
    item.into_event().expect("it is an event").message().to_owned()
}

isolated! {
    fn a_client_of_events_reads_items_with_ids_and_names() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        run(async {
            let mut events = connect(served.address, "/watch?q=user+%3D+42&max=2", None).await.expect("it opens");
            let coverage = next(&mut events).await;
            assert_eq!((coverage.event.as_str(), coverage.id.as_str()), ("coverage", ""));
            assert!(coverage.data.contains("\"type\":\"coverage\""));
            tracing::info!(user = 42, "first\nof two lines");
            let first = next(&mut events).await;
            // Unnamed: what `onmessage` gets.
            assert_eq!((first.event.as_str(), message(&first).as_str()), ("message", "first\nof two lines"));
            let (session, sequence) = first.id.split_once(':').expect("an id has two parts");
            assert_eq!((session.len(), sequence), (32, "0"));
            tracing::info!(user = 42, "second");
            assert_eq!(message(&next(&mut events).await), "second");
            let ended = next(&mut events).await;
            assert_eq!((ended.event.as_str(), ended.data.as_str()), ("ended", r#"{"type":"ended","reason":"max_events"}"#));
            assert!(events.next().await.is_none());
            // `EventSource` comes back, and gets the status that stops it.
            let again = connect(served.address, "/watch?q=user+%3D+42&max=2", Some(&ended.id)).await;
            assert_eq!(again.err(), Some(204));
        });
        served.stop();
    }

    fn a_session_lost_with_its_connection_reopens_with_a_gap() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        run(async {
            let mut events = connect(served.address, "/watch?q=user+%3D+42", None).await.expect("it opens");
            assert_eq!(next(&mut events).await.event, "coverage");
            tracing::info!(user = 42, "before");
            let last = next(&mut events).await.id;
            drop(events);
            service.wait_for_sessions(0);
            let mut events = connect(served.address, "/watch?q=user+%3D+42", Some(&last)).await.expect("it opens");
            let gap = next(&mut events).await;
            assert_eq!((gap.event.as_str(), gap.data.trim_end()), ("gap", format!(r#"{{"after":"{last}","type":"gap"}}"#).as_str()));
            assert_eq!(next(&mut events).await.event, "coverage");
            tracing::info!(user = 42, "after");
            let event = next(&mut events).await;
            assert_eq!((message(&event).as_str(), event.id.ends_with(":0")), ("after", true));
        });
        service.router.shutdown();
        served.stop();
    }

    fn a_silent_stream_is_kept_alive_by_comments() {
        let service = Service::start();
        let served = Served::start(service.endpoint().heartbeat(Duration::from_millis(50)));
        let mut curl = testing::client::Curl::with(served.address, "/watch?q=user%3D42",
            &["-H", &format!("Authorization: Bearer {TOKEN}"), "-H", "Accept: text/event-stream"]);
        let lines: Vec<_> = std::iter::from_fn(|| curl.line()).skip(5).take(4).collect();
        assert_eq!(lines, [":", "", ":", ""]);
        drop(curl);
        service.wait_for_sessions(0);
        served.stop();
    }

    fn a_stream_of_events_says_how_long_it_may_be_silent() {
        let service = Service::start();
        let served = Served::start(service.endpoint().heartbeat(Duration::from_secs(60)));
        for (accept, is_said) in [("text/event-stream", true), ("application/x-ndjson", false)] {
            let mut curl = testing::client::Curl::with(served.address, "/watch?q=user%3D42",
                &["-i", "-H", &format!("Authorization: Bearer {TOKEN}"), "-H", &format!("Accept: {accept}")]);
            service.wait_for_sessions(1);
            tracing::info!(user = 42, "curl shows a head with what comes behind it");
            let head: Vec<_> = std::iter::from_fn(|| curl.line()).take_while(|line| line.trim() != "").collect();
            assert!(head[0].contains("200"), "{head:?}");
            assert_eq!(head.iter().any(|line| line.trim() == "tap-heartbeat: 60000"), is_said, "{head:?}");
            drop(curl);
            service.wait_for_sessions(0);
        }
        served.stop();
    }

    fn a_browser_that_comes_back_to_a_kept_session_misses_nothing() {
        let service = Service::start();
        let served = Served::start(service.endpoint());
        let opened = post(served.address, "/sessions", r#"{"q":"user = 42"}"#).json();
        let path = format!("/sessions/{}/stream", opened["id"].as_str().expect("an id is text"));
        run(async {
            let mut last = None;
            for round in 0..5 {
                let mut events = connect(served.address, &path, last.as_deref()).await.expect("it is there");
                tracing::info!(user = 42, "{round}");
                let event = next(&mut events).await;
                assert_eq!(message(&event), round.to_string());
                last = Some(event.id);
            }
        });
        assert_eq!(get(served.address, "/sessions").json()["sessions"][0]["stats"]["delivered"], 5);
        service.router.shutdown();
        served.stop();
    }
}
