//! A real `axum` service behind `tower-http`'s `TraceLayer`, asked over real sockets.

use axum::extract::{Path, State};
use axum::http::Request;
use axum::routing::get;
use std::net::SocketAddr;
use testing::runtime::{self, Gate, soon};
use testing::{Output, events};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower_http::trace::TraceLayer;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};
use tracing_subscriber::prelude::*;
use tracing_tap::coverage::{Finding, Note};
use tracing_tap::{CapturedEvent, EventStream, Predicate, SessionOptions, TapRouter};

isolated! {
    fn with_debug_spans_tracked_trace_layers_requests_match() {
        let router = TapRouter::builder().span_level(LevelFilter::DEBUG).build();
        install(&router, LevelFilter::INFO);
        runtime::run(async {
            let service = Service::start(TraceLayer::new_for_http()).await;
            let flight = Flight::take_off(service).await;
            let mut stream = router.watch(Predicate::starts_with("uri", "/work/alice/"));
            let mut service = flight.land().await;
            assert_eq!(shown(&mut stream, uri), in_flight_of_alice());
            service.ask_on_each_others_connections().await;
            assert_eq!(shown(&mut stream, uri), a_whole_request_of_alice());
            assert!(stream.coverage().is_clear(), "{}", stream.coverage());
        });
    }

    fn requests_in_flight_in_an_info_span_match_by_its_fields() {
        let router = TapRouter::new();
        install(&router, LevelFilter::INFO);
        runtime::run(async {
            let service = Service::start(TraceLayer::new_for_http().make_span_with(span_of_ones_own)).await;
            let flight = Flight::take_off(service).await;
            let mut user = router.watch(Predicate::eq("user", "alice"));
            let mut request = router.watch(Predicate::eq("request_id", 8));
            let mut service = flight.land().await;
            assert_eq!(shown(&mut user, ids), in_flight_of_alice());
            assert_eq!(shown(&mut request, ids), in_flight("alice", 8));
            service.ask_on_each_others_connections().await;
            assert_eq!(shown(&mut user, ids), a_whole_request_of_alice());
            assert_eq!(shown(&mut request, ids), [""; 0]);
            assert!(user.coverage().is_clear(), "{}", user.coverage());
        });
    }

    fn requests_are_timed_those_in_flight_from_then_on() {
        let router = TapRouter::new();
        install(&router, LevelFilter::INFO);
        runtime::run(async {
            let service = Service::start(TraceLayer::new_for_http().make_span_with(span_of_ones_own)).await;
            let flight = Flight::take_off(service).await;
            let alice = SessionOptions::new(Predicate::eq("user", "alice"));
            let mut stream = router.watch(alice.timings().without_events());
            let mut service = flight.land().await;
            service.ask_on_each_others_connections().await;
            let mut timings = Vec::new();
            // A span closes when its response has been sent, which its client need not wait for.
            testing::runtime::until("all three requests to close", || {
                timings.extend(stream.drain().filter_map(tracing_tap::Item::into_timing));
                timings.len() == 3
            })
            .await;
            let known = timings.iter().map(|timing| {
                let id = timing.field("request_id").and_then(tracing_tap::Value::as_u64);
                (timing.name(), id, timing.is_whole(), timing.polls() >= Some(1))
            });
            let mut known: Vec<_> = known.collect();
            known.sort_unstable();
            let in_flight = [7, 8].map(|id| ("request", Some(id), false, true));
            assert_eq!(known, [in_flight[0], in_flight[1], ("request", Some(9), true, true)]);
        });
    }

    fn trace_layers_debug_span_is_made_for_no_session_by_default() {
        check_with_default_settings(LevelFilter::INFO, LevelFilter::OFF, &[]);
    }

    fn a_session_with_spans_sees_requests_that_begin_later() {
        check_with_default_settings(LevelFilter::INFO, LevelFilter::DEBUG, &a_whole_request_of_alice());
    }

    fn a_neighbours_debug_span_is_seen_if_a_session_was_open() {
        check_with_default_settings(LevelFilter::DEBUG, LevelFilter::OFF, &a_whole_request_of_alice());
    }

    fn events_of_the_trace_layer_without_its_span_are_noted() {
        let router = TapRouter::new();
        install(&router, LevelFilter::INFO);
        runtime::run(async {
            let service = Service::start(TraceLayer::new_for_http()).await;
            let flight = Flight::take_off(service).await;
            let stream = router.watch(Predicate::eq("user", "alice"));
            tracing::info_span!("job", user = "alice").in_scope(|| tracing::info!("inside"));
            flight.land().await.ask_on_each_others_connections().await;
            let coverage = stream.coverage();
            let is_noted = |note: &Note| {
                matches!(note, Note::OutsideSpans { target, spans: Some(level), .. } if target.starts_with("tower_http::") && level == "DEBUG")
            };
            assert!(coverage.notes().iter().any(is_noted), "{coverage}");
            let is_of_library = |found: &Finding| matches!(found, Finding::OutsideSpans { target, .. } if target.starts_with("tower_http"));
            assert!(!coverage.findings().iter().any(is_of_library), "whose they are is not known: {coverage}");
        });
    }

    fn the_service_prints_the_same_with_a_session_as_without() {
        let router = TapRouter::new();
        let output = install(&router, LevelFilter::INFO);
        runtime::run(async {
            let mut printed = Vec::new();
            for watched in [None, Some(Predicate::eq("user", "alice")), None, Some(Predicate::everything())] {
                let service = Service::start(TraceLayer::new_for_http().make_span_with(span_of_ones_own)).await;
                let before = output.lines().len();
                let flight = Flight::take_off(service).await;
                let stream = watched.map(|predicate| router.watch(predicate));
                flight.land().await.ask_on_each_others_connections().await;
                assert_eq!(stream.is_some(), stream.is_some_and(|stream| stream.stats().matched > 0));
                // Requests of different connections are printed in any order.
                let mut lines = output.lines().split_off(before);
                lines.sort();
                printed.push(lines);
            }
            let of_alice = |line: &String| line.contains("request{user=alice request_id=7}") && line.contains("done");
            assert!(printed[0].iter().any(of_alice));
            assert!(printed[0].iter().all(|line| line.contains("INFO")), "{:#?}", printed[0]);
            assert_eq!(printed[0].len(), (FLIGHTS.len() + 2) * 2);
            assert!(printed.iter().all(|lines| *lines == printed[0]), "{printed:#?}");
        });
    }
}

/// The set-up most services have, and a session with `spans` that opens while they are at work: what it shows of the
/// requests that begin later.
#[track_caller]
fn check_with_default_settings(printed: LevelFilter, spans: LevelFilter, later: &[String]) {
    let router = TapRouter::new();
    install(&router, printed);
    runtime::run(async {
        let service = Service::start(TraceLayer::new_for_http()).await;
        let flight = Flight::take_off(service).await;
        let mut stream = router.watch(SessionOptions::new(Predicate::starts_with("uri", "/work/alice/")).spans(spans));
        let mut service = flight.land().await;
        assert_eq!(shown(&mut stream, uri), [""; 0]);
        service.ask_on_each_others_connections().await;
        assert_eq!(shown(&mut stream, uri), later);
        assert_names_the_remedy(&stream);
    });
}

/// The remedies themselves are tried in the tests that match requests in flight.
fn assert_names_the_remedy(stream: &EventStream) {
    let coverage = stream.coverage();
    let of_request = coverage.findings().iter().find_map(|finding| match finding {
        Finding::SpanTooVerbose { span, target, level, field }
        | Finding::SpanNotEnabled { span, target, level, field } => Some((span, target, level, field.as_deref())),
        _ => None,
    });
    let Some((span, target, level, field)) = of_request else { panic!("{coverage}") };
    assert_eq!((&**span, &**level, field), ("request", "DEBUG", Some("uri")));
    assert!(target.starts_with("tower_http::trace"), "{target}");
    let words = coverage.to_string();
    assert!(words.contains("`span_level(LevelFilter::DEBUG)`") && words.contains("`make_span_with`"), "{words}");
}

/// Sets the process up as a service would: its own output up to a level, and the router beside it.
fn install(router: &TapRouter, printed: LevelFilter) -> Output {
    let output = Output::default();
    let fmt = tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer(output.clone());
    tracing_subscriber::registry().with(fmt.with_filter(printed)).with(router.layer()).init();
    output
}

fn span_of_ones_own<B>(request: &Request<B>) -> Span {
    let mut parts = request.uri().path().split('/').skip(2);
    let user = parts.next().unwrap_or_default();
    let request_id: u64 = parts.next().and_then(|id| id.parse().ok()).unwrap_or_default();
    tracing::info_span!("request", %user, request_id)
}

/// The events of a session so far, request by request: the request, the level, the message.
fn shown(stream: &mut EventStream, request: fn(&CapturedEvent) -> String) -> Vec<String> {
    let events = events(stream);
    let mut shown: Vec<_> =
        events.iter().map(|event| format!("{} {} {}", request(event), event.level(), event.message())).collect();
    // Stable: within a request the order is the one they happened in.
    shown.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
    let stats = stream.stats();
    assert_eq!((stats.matched, stats.lost, stats.buffered), (stats.delivered, 0, 0));
    shown
}

fn uri(event: &CapturedEvent) -> String {
    let [span] = event.spans().collect::<Vec<_>>()[..] else { panic!("one span around {event}") };
    assert_eq!((span.name(), span.level()), ("request", Level::DEBUG));
    span.field("uri").expect("a request has a URI").to_string().replace("/work/", "")
}

fn ids(event: &CapturedEvent) -> String {
    let [span] = event.spans().collect::<Vec<_>>()[..] else { panic!("one span around {event}") };
    assert_eq!((span.name(), span.level()), ("request", Level::INFO));
    format!("{}/{}", span.field("user").expect("recorded"), span.field("request_id").expect("recorded"))
}

fn in_flight(user: &str, id: u64) -> Vec<String> {
    ["TRACE let through", "INFO done", "DEBUG finished processing request"]
        .map(|what| format!("{user}/{id} {what}"))
        .into()
}

fn in_flight_of_alice() -> Vec<String> {
    [in_flight("alice", 7), in_flight("alice", 8)].concat()
}

fn a_whole_request_of_alice() -> Vec<String> {
    let begun = ["DEBUG started processing request", "INFO begun"].map(|what| format!("alice/9 {what}"));
    [begun.into(), in_flight("alice", 9)].concat()
}

/// The requests that are in flight when a session opens, one on each connection.
const FLIGHTS: [(&str, u64); 6] = [("alice", 7), ("bob", 17), ("alice", 8), ("bob", 18), ("alicia", 27), ("eve", 0)];

/// A service that runs, and keep-alive connections to it, each used once already.
struct Service {
    clients: Vec<Client>,
    gate: Gate,
    arrivals: mpsc::UnboundedReceiver<()>,
}

#[derive(Clone)]
struct Work {
    gate: Gate,
    arrived: mpsc::UnboundedSender<()>,
}

impl Service {
    async fn start<M>(trace: TraceLayer<tower_http::classify::SharedClassifier<Classifier>, M>) -> Self
    where
        M: tower_http::trace::MakeSpan<axum::body::Body> + Clone + Send + Sync + 'static,
    {
        let gate = Gate::closed();
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let app = axum::Router::new()
            .route("/work/{user}/{id}", get(work))
            .with_state(Work { gate: gate.clone(), arrived })
            .route("/", get(|| async { "hello" }))
            .layer(trace);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = listener.local_addr().expect("a listener has an address");
        tokio::spawn(async { axum::serve(listener, app).await });
        let mut clients = Vec::new();
        for _ in FLIGHTS {
            let mut client = Client::connect(address).await;
            client.send("/").await;
            assert_eq!(client.answer().await, "hello");
            clients.push(client);
        }
        Self { clients, gate, arrivals }
    }

    /// Two more requests, each on a connection that the other user's were on.
    async fn ask_on_each_others_connections(&mut self) {
        for (connection, path) in [(0, "/work/bob/19"), (1, "/work/alice/9")] {
            self.clients[connection].send(path).await;
            assert_eq!(self.clients[connection].answer().await, path.replace("/work/", ""));
        }
    }
}

/// A service with a request blocked on each connection.
struct Flight(Service);

impl Flight {
    async fn take_off(mut service: Service) -> Self {
        for (client, (user, id)) in service.clients.iter_mut().zip(FLIGHTS) {
            client.send(&format!("/work/{user}/{id}")).await;
            soon("a request to reach its handler", service.arrivals.recv()).await.expect("the service runs");
        }
        Self(service)
    }

    /// Lets the requests go on, and ends when each was answered.
    async fn land(self) -> Service {
        let Self(mut service) = self;
        service.gate.open();
        for (client, (user, id)) in service.clients.iter_mut().zip(FLIGHTS) {
            assert_eq!(client.answer().await, format!("{user}/{id}"));
        }
        service
    }
}

async fn work(Path((user, id)): Path<(String, u64)>, State(work): State<Work>) -> String {
    tracing::info!("begun");
    work.arrived.send(()).expect("the test listens");
    work.gate.pass().await;
    tracing::trace!("let through");
    tracing::info!("done");
    format!("{user}/{id}")
}

type Classifier = tower_http::classify::ServerErrorsAsFailures;

/// A client that keeps its connection: just enough of HTTP/1.1.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(soon("a connection", TcpStream::connect(address)).await.expect("the service listens")))
    }

    async fn send(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        soon("a request to be sent", self.0.write_all(request.as_bytes())).await.expect("the connection is kept");
    }

    /// The body of the answer to the oldest request not answered yet.
    async fn answer(&mut self) -> String {
        soon("an answer", async {
            let mut length = 0;
            assert_eq!(self.line().await, "HTTP/1.1 200 OK");
            loop {
                let line = self.line().await;
                match line.split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().expect("a length is a number"),
                    Some(_) => {}
                    None => break assert_eq!(line, ""),
                }
            }
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await.expect("a body is as long as it says");
            String::from_utf8(body).expect("the service answers in text")
        })
        .await
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("the connection is kept");
        line.trim_end().to_owned()
    }
}
