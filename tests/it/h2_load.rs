//! An `h2` server under load, watched at TRACE for one of its users: `h2` itself is the noisiest neighbour there is.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::{Connection, SendResponse};
use http::{Request, Response};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use testing::runtime::{self, soon};
use testing::{Output, events};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Level, info_span};
use tracing_subscriber::prelude::*;
use tracing_tap::{CapturedEvent, EventStream, Item, Predicate, SessionOptions, SessionStats, TapRouter};

const USERS: u64 = 4;
const WATCHED: u64 = 2;

isolated! {
    fn under_load_h2s_trace_events_of_the_users_connection_arrive() {
        const STREAMS: u64 = 4;
        const REQUESTS: u64 = 250;
        let router = TapRouter::new();
        let output = install(&router);
        runtime::run(async {
            let service = Service::start(USERS).await;
            // The connections are older than the sessions. One session reads as fast as it can, the other later.
            let stream = router.watch(SessionOptions::new(Predicate::eq("user", WATCHED)).spans(LevelFilter::TRACE));
            let of_user = Predicate::eq("user", WATCHED);
            let mut served = router.watch(of_user & Predicate::target("it::h2_load") & Predicate::level(Level::INFO));
            let id = stream.id();
            let reader = tokio::spawn(tally(stream));
            service.load(STREAMS, REQUESTS).await;
            router.close(id);
            let (tally, stats) = soon("the reader to end", reader).await.expect("the reader does not panic");

            assert!(tally.of_h2 > 0 && tally.within_buffering_of_a_frame > 0, "{tally:?}");
            assert_eq!((tally.events, tally.lost), (stats.delivered, stats.lost));
            assert_eq!((stats.matched, stats.buffered), (stats.delivered + stats.lost, 0));
            // Each request makes h2 say more than this.
            assert!(stats.matched > STREAMS * REQUESTS * 10, "{stats:?}");
            assert_eq!(events(&mut served).len() as u64, STREAMS * REQUESTS);
            assert_eq!(served.stats().lost, 0);
            let printed = output.lines();
            assert_eq!(printed.len() as u64, USERS * (1 + STREAMS * REQUESTS));
            let of_the_service = |line: &String| line.contains("INFO") && line.contains("it::h2_load: served");
            assert!(printed.iter().all(of_the_service), "{}", printed[0]);
        });
    }

    fn under_load_trace_spans_are_formatted_for_the_user_alone() {
        let router = TapRouter::new();
        install(&router);
        runtime::run(async {
            let service = Service::start(USERS).await;
            let stream = router.watch(SessionOptions::new(Predicate::eq("user", WATCHED)).spans(LevelFilter::TRACE));
            let reader = tokio::spawn(tally(stream));
            // What the service's other layers want of a callsite is learned in the background, from when it is first
            // reached; until then its arguments are evaluated for everybody.
            let others = async || {
                let before = service.formatted.load(Ordering::SeqCst);
                for user in (0..USERS).filter(|user| *user != WATCHED) {
                    service.ask(user).await;
                }
                service.formatted.load(Ordering::SeqCst) - before
            };
            soon("the callsites to be learned", async { while others().await > 0 {} }).await;
            let before = service.formatted.load(Ordering::SeqCst);
            service.load(2, 100).await;
            assert_eq!(service.formatted.load(Ordering::SeqCst) - before, 2 * 100);
            router.shutdown();
            let (tally, stats) = soon("the reader to end", reader).await.expect("the reader does not panic");
            assert_eq!((tally.events, tally.lost), (stats.delivered, stats.lost));
        });
    }

    fn without_spans_h2s_polling_is_in_its_connections_scope() {
        let router = TapRouter::new();
        install(&router);
        runtime::run(async {
            let mut user = router.watch(SessionOptions::new(Predicate::eq("user", WATCHED)).capacity(1 << 16));
            let mut polling = router.watch(Predicate::span("Connection"));
            let service = Service::start(USERS).await;
            service.load(1, 10).await;
            let (user, polling) = (events(&mut user), events(&mut polling));
            assert_eq!(user.iter().filter(|event| event.message() == "served").count(), 1 + 10);
            // What `h2` logs while it is polled, inside its own DEBUG and TRACE spans if those existed.
            assert!(user.iter().any(|event| event.target().starts_with("h2::proto")));
            assert!(user.iter().all(|event| event.spans().map(|span| span.name()).eq(["conn"])));
            assert_eq!(polling.len(), 0);
        });
    }

    fn with_spans_h2s_polling_has_a_root_span_of_its_own() {
        let router = TapRouter::new();
        install(&router);
        runtime::run(async {
            let mut user = router.watch(Predicate::eq("user", WATCHED));
            let polling = SessionOptions::new(Predicate::span("Connection")).max_events(1000);
            let mut polling = router.watch(polling.spans(LevelFilter::TRACE));
            let service = Service::start(USERS).await;
            service.load(1, 10).await;
            let (user, polling) = (events(&mut user), events(&mut polling));
            assert_eq!(user.iter().filter(|event| event.message() == "served").count(), 1 + 10);
            assert!(user.iter().any(|event| event.message() == "received incoming" && event.target() == "h2::server"));
            assert!(user.iter().all(|event| event.spans().all(|span| !["Connection", "poll"].contains(&span.name()))));
            // It is `parent: None` and entered inside `conn`: a scope is the chain of parents, not what is entered.
            assert_eq!(polling.len(), 1000);
            assert!(polling.iter().all(|event| event.spans().next().is_some_and(|span| span.name() == "Connection")));
        });
    }
}

/// Sets the process up as a service would: its own output at INFO, and the router beside it.
fn install(router: &TapRouter) -> Output {
    let output = Output::default();
    let fmt = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(output.clone());
    tracing_subscriber::registry().with(fmt.with_filter(LevelFilter::INFO)).with(router.layer()).init();
    output
}

/// What a reader saw.
#[derive(Debug, Default)]
struct Tally {
    events: u64,
    lost: u64,
    of_h2: u64,
    within_buffering_of_a_frame: u64,
}

/// Reads a session to its end and checks each event on the way.
async fn tally(mut stream: EventStream) -> (Tally, SessionStats) {
    let mut tally = Tally::default();
    let mut next = 0;
    while let Some(item) = stream.recv().await {
        match item {
            Item::Event { sequence, event, .. } => {
                assert_eq!(sequence, next);
                next += 1;
                tally.count(&event);
            }
            Item::Missing(missing) => {
                next += missing.count;
                tally.lost += missing.count;
            }
            _ => {}
        }
    }
    (tally, stream.stats())
}

impl Tally {
    fn count(&mut self, event: &CapturedEvent) {
        let conn = event.spans().next().expect("what happens outside of all connections does not match");
        assert_eq!((conn.name(), conn.field("user").and_then(|user| user.as_u64())), ("conn", Some(WATCHED)));
        assert!(event.spans().skip(1).all(|span| span.name() != "conn"));
        self.events += 1;
        self.of_h2 += u64::from(event.target().starts_with("h2::"));
        let frame = event.spans().find(|span| span.name() == "FramedWrite::buffer").map(|span| span.field("frame"));
        if let Some(frame) = frame {
            assert!(frame.is_some_and(|frame| frame.to_string().contains("StreamId(")), "{event}");
            self.within_buffering_of_a_frame += 1;
        }
    }
}

/// A service and one connection of each user to it, used once already.
struct Service {
    clients: Vec<SendRequest<Bytes>>,
    /// How often the handlers' TRACE span formatted its argument.
    formatted: Arc<AtomicU64>,
}

impl Service {
    async fn start(users: u64) -> Self {
        let formatted = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = listener.local_addr().expect("a listener has an address");
        tokio::spawn(accept(listener, Arc::clone(&formatted)));
        let mut clients = Vec::new();
        for _ in 0..users {
            let socket = TcpStream::connect(address).await.expect("the service listens");
            let (client, connection) = h2::client::handshake(socket).await.expect("the service speaks HTTP/2");
            tokio::spawn(connection);
            soon("a first answer", ask(client.clone())).await;
            clients.push(client);
        }
        Self { clients, formatted }
    }

    async fn ask(&self, user: u64) {
        soon("an answer", ask(self.clients[user as usize].clone())).await;
    }

    /// Requests of all users at once, in several streams of each connection.
    async fn load(&self, streams: u64, requests: u64) {
        let mut load = JoinSet::new();
        for client in self.clients.iter().flat_map(|client| (0..streams).map(|_| client.clone())) {
            load.spawn(async move {
                for _ in 0..requests {
                    soon("an answer", ask(client.clone())).await;
                }
            });
        }
        load.join_all().await;
    }
}

/// Connections are of user 0, 1, 2, and so on.
async fn accept(listener: TcpListener, formatted: Arc<AtomicU64>) {
    for user in 0.. {
        let (socket, _) = listener.accept().await.expect("the listener stays");
        let formatted = Arc::clone(&formatted);
        let connection = async move {
            let connection = h2::server::handshake(socket).await.expect("clients speak HTTP/2");
            serve(connection, formatted).await;
        };
        tokio::spawn(connection.instrument(info_span!("conn", user)));
    }
}

async fn serve(mut connection: Connection<TcpStream, Bytes>, formatted: Arc<AtomicU64>) {
    while let Some(Ok((request, respond))) = connection.accept().await {
        let handle = handle(request.uri().path().to_owned(), respond, Arc::clone(&formatted));
        tokio::spawn(handle.in_current_span());
    }
}

async fn handle(path: String, mut respond: SendResponse<Bytes>, formatted: Arc<AtomicU64>) {
    let _handling = tracing::trace_span!("handling", argument = %Counted(&formatted)).entered();
    tracing::info!(path, "served");
    let mut body = respond.send_response(Response::new(()), false).expect("the client waits");
    body.send_data(Bytes::from_static(b"pong"), true).expect("the client waits");
}

async fn ask(client: SendRequest<Bytes>) {
    let request = Request::get("http://localhost/ping").body(()).expect("a request is well formed");
    let mut client = client.ready().await.expect("the connection stays");
    let (response, _) = client.send_request(request, true).expect("the connection stays");
    let mut body = response.await.expect("the service answers").into_body();
    let mut received = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.expect("the connection stays");
        body.flow_control().release_capacity(chunk.len()).expect("it was received");
        received.extend_from_slice(&chunk);
    }
    assert_eq!(received, b"pong");
}

/// Counts how often it is formatted.
struct Counted<'a>(&'a AtomicU64);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fetch_add(1, Ordering::SeqCst);
        f.write_str("formatted")
    }
}
