//! Two services in one process, and what becomes of tokens between them.

use super::*;
use crate::key::Key;
use crate::local::Listed;
use http::{HeaderValue, Request, Response};
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_layer::Layer;
use tower_service::Service as _;
use tracing::{Dispatch, dispatcher};
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Item, Predicate, SessionOptions};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Service {
    router: TapRouter,
    dispatch: Dispatch,
    local: Arc<LocalSessions>,
    propagator: Propagator,
}

/// A session of the fleet at a service.
struct Watched {
    stream: EventStream,
    _listed: Listed,
}

impl Service {
    fn new() -> Self {
        Self::with_key(7)
    }

    fn with_key(byte: u8) -> Self {
        Self::printing(byte, None)
    }

    fn printing(byte: u8, output: Option<&testing::Output>) -> Self {
        let router = TapRouter::new();
        let printer = output.map(testing::info_printer);
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(printer).with(router.layer()));
        let (local, keys) =
            (Arc::<LocalSessions>::default(), Keys::new(Key::new([byte; 32]).expect("it is long enough")));
        let propagator = Propagator::new(router.clone(), keys, Arc::clone(&local));
        let propagator = propagator.hosts(["orders"]).expect("it is a host");
        Self { router, dispatch, local, propagator }
    }

    fn watch(&self, session: SessionKey, options: SessionOptions) -> Watched {
        let stream = self.router.watch(options.across_services());
        let listed = self.local.list(session, stream.id());
        Watched { stream, _listed: listed }
    }

    /// A request of user 42 that goes to the host `orders`.
    fn send(&self, headers: &mut HeaderMap) {
        self.send_to("orders", headers);
    }

    fn send_to(&self, host: &str, headers: &mut HeaderMap) {
        self.in_request_of(42, || self.propagator.inject(headers, host));
    }

    fn in_request_of<T>(&self, user: u64, act: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.dispatch, || tracing::info_span!("request", user).in_scope(act))
    }

    /// A request arrives, and one event happens in it.
    fn receive(&self, headers: &mut HeaderMap) -> bool {
        dispatcher::with_default(&self.dispatch, || {
            tracing::info_span!("order", path = "/").in_scope(|| {
                let follows = self.propagator.extract(headers);
                tracing::debug!("packs");
                follows
            })
        })
    }

    fn count(&self, outcome: TokenOutcome) -> u64 {
        self.propagator.stats()[outcome]
    }
}

impl Watched {
    fn messages(&mut self) -> Vec<String> {
        self.stream.drain().filter_map(Item::into_event).map(|event| event.message().to_owned()).collect()
    }
}

fn session() -> SessionKey {
    SessionKey::random().expect("there is randomness")
}

fn user() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42))
}

fn traced() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("traceparent"), HeaderValue::from_static(TRACEPARENT))])
}

fn lines(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all("baggage").iter().map(|line| line.to_str().expect("it is ASCII")).collect()
}

fn set(headers: &mut HeaderMap, line: &str) {
    headers.insert("baggage", line.parse().expect("it is a value"));
}

testing::isolated! {

fn a_watched_request_is_followed_and_no_other_is() {
    let (edge, orders, key) = (Service::new(), Service::new(), session());
    let (mut at_edge, mut at_orders) = (edge.watch(key, user()), orders.watch(key, user()));
    let mut headers = traced();
    headers.append("baggage", HeaderValue::from_static("tenant=7;p , x=%20"));
    edge.send(&mut headers);
    assert_eq!(lines(&headers)[0], "tenant=7;p , x=%20");
    assert!(lines(&headers)[1].starts_with("tracing-tap=1."));
    assert!(orders.receive(&mut headers));
    assert_eq!(lines(&headers), ["tenant=7;p , x=%20"], "the token goes no further");
    assert!(!orders.receive(&mut headers), "another request without one");
    assert_eq!(at_orders.messages(), ["packs"]);
    assert_eq!(at_edge.messages(), Vec::<String>::new());
    assert_eq!((edge.count(TokenOutcome::Injected), orders.count(TokenOutcome::Followed)), (1, 1));
    let mut other = traced();
    edge.in_request_of(43, || edge.propagator.inject(&mut other, "orders"));
    assert_eq!(lines(&other), Vec::<&str>::new());
}

fn a_followed_request_is_followed_further() {
    let (edge, orders, billing, key) = (Service::new(), Service::new(), Service::new(), session());
    let _watched = [edge.watch(key, user()), orders.watch(key, user())];
    let mut at_billing = billing.watch(key, user());
    let mut headers = traced();
    edge.send(&mut headers);
    dispatcher::with_default(&orders.dispatch, || {
        let request = tracing::info_span!("order");
        request.in_scope(|| {
            assert!(orders.propagator.extract(&mut headers));
            tracing::info_span!("pay").in_scope(|| orders.propagator.inject(&mut headers, "orders"));
        });
    });
    assert!(billing.receive(&mut headers));
    assert_eq!(at_billing.messages(), ["packs"]);
}

fn a_doubtful_token_does_nothing_but_count() {
    let (edge, orders, key) = (Service::new(), Service::new(), session());
    let _at_edge = edge.watch(key, user());
    let mut at_orders = orders.watch(key, user());
    type Attack = (TokenOutcome, fn(&mut HeaderMap, &str));
    let attacks: [Attack; 12] = [
        (TokenOutcome::Forged, |headers, token| {
            let last = if token.ends_with('0') { "1" } else { "0" };
            set(headers, &format!("{}{last}", &token[..token.len() - 1]));
        }),
        (TokenOutcome::Forged, |headers, token| set(headers, &token.replacen(".0", ".1", 1))),
        (TokenOutcome::OtherTrace, |headers, _| {
            headers.insert("traceparent", TRACEPARENT.replace("0af", "0bf").parse().expect("it is a value"));
        }),
        (TokenOutcome::OtherTrace, |headers, _| drop(headers.remove("traceparent"))),
        (TokenOutcome::Malformed, |headers, token| set(headers, &format!("{token};a=b"))),
        (TokenOutcome::Malformed, |headers, token| set(headers, &token[..40])),
        (TokenOutcome::Malformed, |headers, _| set(headers, "tracing-tap=")),
        (TokenOutcome::Duplicated, |headers, token| set(headers, &format!("{token},{token}"))),
        (TokenOutcome::Duplicated, |headers, token| {
            headers.append("baggage", token.parse().expect("it is a value"));
        }),
        (TokenOutcome::WrongCase, |headers, token| set(headers, &token.replace("tracing-tap", "Tracing-tap"))),
        (TokenOutcome::Oversize, |headers, token| set(headers, &format!("{}{token}", "a=b,".repeat(64)))),
        (TokenOutcome::Oversize, |headers, token| set(headers, &format!("a={},{token}", "b".repeat(8_192)))),
    ];
    for (outcome, attack) in attacks {
        let mut headers = traced();
        edge.send(&mut headers);
        let token = lines(&headers)[0].to_owned();
        attack(&mut headers, &token);
        let before = orders.count(outcome);
        assert!(!orders.receive(&mut headers), "{outcome}");
        assert_eq!(orders.count(outcome), before + 1, "{outcome}: {:?}", orders.propagator);
        assert!(!lines(&headers).concat().contains("tracing-tap"), "it is removed all the same");
    }
    assert_eq!(orders.count(TokenOutcome::Followed), 0);
    assert_eq!(orders.router.stats().open_sessions, 1, "nothing is opened");
    assert_eq!((at_orders.messages(), at_orders.stream.stats().matched), (Vec::new(), 0));
}

fn a_token_counts_once() {
    let (edge, orders, key) = (Service::new(), Service::new(), session());
    let _at_edge = edge.watch(key, user());
    let mut at_orders = orders.watch(key, user());
    for mut headers in [traced(), HeaderMap::new()] {
        edge.send(&mut headers);
        let mut again = headers.clone();
        assert!(orders.receive(&mut headers));
        assert!(!orders.receive(&mut again));
    }
    assert_eq!((orders.count(TokenOutcome::Followed), orders.count(TokenOutcome::Replayed)), (2, 2));
    assert_eq!(at_orders.messages(), ["packs", "packs"]);
}

fn a_token_of_another_key_is_forged() {
    let (edge, orders, key) = (Service::with_key(8), Service::new(), session());
    let _watched = [edge.watch(key, user()), orders.watch(key, user())];
    let mut headers = traced();
    edge.send(&mut headers);
    assert!(!orders.receive(&mut headers));
    assert_eq!(orders.count(TokenOutcome::Forged), 1);
}

fn an_old_token_is_stale() {
    let (orders, key) = (Service::new(), session());
    let mut at_orders = orders.watch(key, user());
    let now = now_us() / 1_000_000;
    for signed_at in [now - 32, now + 90] {
        let token = Token::new(vec![key], token::trace_of(&traced()), signed_at).expect("there is randomness");
        let mut headers = traced();
        set(&mut headers, &format!("tracing-tap={}", token.signed(&orders.propagator.shared.keys)));
        assert!(!orders.receive(&mut headers));
    }
    assert_eq!(orders.count(TokenOutcome::Stale), 2);
    assert_eq!(at_orders.messages(), Vec::<String>::new());
}

fn a_token_opens_no_session() {
    let (edge, orders, key) = (Service::new(), Service::new(), session());
    let _at_edge = edge.watch(key, user());
    // Another session that matches the same user, and one of the same name that is not on several services.
    let mut other = orders.watch(session(), user());
    let mut headers = traced();
    edge.send(&mut headers);
    assert!(!orders.receive(&mut headers));
    assert_eq!((orders.count(TokenOutcome::NotOpen), orders.router.stats().opened_sessions), (1, 1));
    assert_eq!(other.messages(), Vec::<String>::new());
    let alone = orders.router.watch(user());
    let _listed = orders.local.list(key, alone.id());
    let mut headers = traced();
    edge.send(&mut headers);
    assert!(!orders.receive(&mut headers));
    assert_eq!(alone.stats().matched, 0);
}

fn a_token_makes_nothing_more_verbose() {
    let (edge, orders, key) = (Service::new(), Service::new(), session());
    let options = || SessionOptions::new("user = 42 and @level >= info and not @target = secret".parse().expect("it is one"));
    let _at_edge = edge.watch(key, options());
    let mut at_orders = orders.watch(key, options());
    let mut headers = traced();
    edge.send(&mut headers);
    dispatcher::with_default(&orders.dispatch, || {
        tracing::info_span!("order").in_scope(|| {
            assert!(orders.propagator.extract(&mut headers));
            tracing::debug!("too verbose");
            tracing::info!(target: "secret", "hidden by its target");
            tracing::info!("shown");
        });
    });
    assert_eq!(at_orders.messages(), ["shown"]);
}

fn a_request_without_a_span_is_counted() {
    let (edge, orders, key) = (Service::new(), Service::new(), session());
    let _watched = [edge.watch(key, user()), orders.watch(key, user())];
    let mut headers = traced();
    edge.send(&mut headers);
    dispatcher::with_default(&orders.dispatch, || assert!(!orders.propagator.extract(&mut headers)));
    assert_eq!(orders.count(TokenOutcome::NoSpan), 1);
}

fn a_host_that_is_not_listed_never_gets_a_token() {
    let (edge, key) = (Service::new(), session());
    let _at_edge = edge.watch(key, user());
    let mut headers = traced();
    edge.send(&mut headers);
    // As a proxy forwards what it received.
    for host in ["evil.example", "orders.evil.example", "orders@evil.example", "", "a b"] {
        let mut forwarded = headers.clone();
        forwarded.append("baggage", HeaderValue::from_static("x=1"));
        edge.send_to(host, &mut forwarded);
        assert_eq!(lines(&forwarded), ["x=1"], "{host}");
    }
    assert_eq!((edge.count(TokenOutcome::UnlistedHost), edge.count(TokenOutcome::Removed)), (5, 5));
    // Without a session as well.
    let mut forwarded = headers.clone();
    Service::new().send_to("evil.example", &mut forwarded);
    assert_eq!(lines(&forwarded), Vec::<&str>::new());
}

fn a_token_that_does_not_fit_is_left_out() {
    let (edge, key) = (Service::new(), session());
    let _at_edge = edge.watch(key, user());
    for foreign in [vec!["x=1".to_owned(); 64], vec![format!("x={}", "1".repeat(8_100))]] {
        let mut headers = traced();
        headers.extend(foreign.iter().map(|line| (http::HeaderName::from_static("baggage"), line.parse().expect("it is a value"))));
        edge.send(&mut headers);
        assert_eq!(lines(&headers), foreign);
    }
    assert_eq!((edge.count(TokenOutcome::NoRoom), edge.count(TokenOutcome::Injected)), (2, 0));
}

fn a_token_names_all_sessions_up_to_eight() {
    let (edge, orders) = (Service::new(), Service::new());
    let keys: Vec<_> = (0..9).map(|_| session()).collect();
    let watch = |service: &Service| keys.iter().map(|key| service.watch(*key, user())).collect::<Vec<_>>();
    let (_at_edge, mut at_orders) = (watch(&edge), watch(&orders));
    let mut headers = traced();
    edge.send(&mut headers);
    assert!(orders.receive(&mut headers));
    let following = at_orders.iter_mut().filter_map(|watched| (watched.messages() == ["packs"]).then_some(())).count();
    assert_eq!((following, edge.count(TokenOutcome::TooManySessions)), (8, 1));
}

fn refused_tokens_are_in_the_audit() {
    let output = testing::Output::default();
    let orders = Service::printing(7, Some(&output));
    let _at_orders = orders.watch(session(), user());
    let mut headers = traced();
    set(&mut headers, "tracing-tap=forged");
    assert!(!orders.receive(&mut headers));
    testing::wait_until("the audit to log it", || {
        output.all_lines().iter().any(|line| line.contains("message ignored") && line.contains("malformed"))
    });
}

fn a_redirect_to_another_host_carries_no_token() {
    let (edge, key) = (Service::new(), session());
    let _at_edge = edge.watch(key, user());
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let wire = Wire(Arc::clone(&seen), [
        ("http://orders/a", "http://evil.example/b"),
        ("http://evil.example/b", "http://orders/c"),
    ]);
    let mut client = FollowRedirectLayer::new().layer(edge.propagator.client().layer(wire));
    edge.in_request_of(42, || {
        let mut request = Request::new(http_body_util::Empty::<bytes::Bytes>::new());
        *request.uri_mut() = "http://orders/a".parse().expect("it is a URI");
        let answered = polled(client.call(request)).expect("it is answered");
        assert_eq!(answered.status(), 200);
    });
    let seen = seen.lock().expect("nothing panics").clone();
    assert_eq!(seen, [("http://orders/a", 1), ("http://evil.example/b", 0), ("http://orders/c", 1)].map(|(uri, tokens)| (uri.to_owned(), tokens)));
}

fn a_server_follows_in_the_span_of_the_first_poll() {
    let (edge, orders, key) = (Service::new(), Service::new(), session());
    let _at_edge = edge.watch(key, user());
    let mut at_orders = orders.watch(key, user());
    let mut headers = traced();
    edge.send(&mut headers);
    dispatcher::with_default(&orders.dispatch, || {
        let mut server = orders.propagator.server().layer(Handler);
        let connection = tracing::info_span!("connection");
        let mut request = Request::new(());
        *request.headers_mut() = headers;
        let response = connection.in_scope(|| server.call(request));
        // As `tonic` does it.
        let span = connection.in_scope(|| tracing::info_span!("order"));
        span.in_scope(|| polled(response)).expect("it is answered");
        connection.in_scope(|| tracing::debug!("another request"));
    });
    assert_eq!(at_orders.messages(), ["handles"]);
}

}

/// Counts the tokens of each request, and answers with a redirect where there is one.
#[derive(Clone)]
struct Wire(Arc<std::sync::Mutex<Vec<(String, usize)>>>, [(&'static str, &'static str); 2]);

type Answer = Pin<Box<dyn Future<Output = Result<Response<()>, Infallible>> + Send>>;

impl<B> tower_service::Service<Request<B>> for Wire {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let uri = request.uri().to_string();
        let target = self.1.iter().find(|(from, _)| *from == uri).map(|(_, to)| *to);
        let tokens = lines(request.headers()).concat().matches("tracing-tap=").count();
        self.0.lock().expect("nothing panics").push((uri, tokens));
        let response = match target {
            Some(target) => Response::builder().status(307).header("location", target).body(()),
            None => Response::builder().body(()),
        };
        Box::pin(std::future::ready(Ok(response.expect("it is a response"))))
    }
}

#[derive(Clone)]
struct Handler;

impl tower_service::Service<Request<()>> for Handler {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Answer {
        assert_eq!(lines(request.headers()), Vec::<&str>::new());
        Box::pin(async {
            tracing::debug!("handles");
            Ok(Response::new(()))
        })
    }
}

/// The result of a future that waits for nothing but its next poll.
fn polled<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut polls = (0..16).map(|_| future.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    polls.find_map(|poll| if let Poll::Ready(done) = poll { Some(done) } else { None }).expect("it waits for nothing")
}
