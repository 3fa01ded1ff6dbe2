//! A service in a process of its own: this test binary, started again.

use super::json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, Uri};
use axum::routing::get;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use testing::PATIENCE;
use testing::nats_server::client;
use testing::runtime::soon;
use tower_http::trace::TraceLayer;
use tower_layer::Layer;
use tracing::field::Empty;
use tracing_subscriber::prelude::*;
use tracing_tap::TapRouter;
use tracing_tap_nats::propagation::Inject;
use tracing_tap_nats::{self as fleet, Config, Key, Propagator};

const URL: &str = "TRACING_TAP_ACROSS_URL";
const NAME: &str = "TRACING_TAP_ACROSS_NAME";
const SECRET: &str = "TRACING_TAP_ACROSS_KEY";
const NEXT: &str = "TRACING_TAP_ACROSS_NEXT";
const ADDRESS: &str = "address: ";

/// The process of a service; killed when dropped.
pub(crate) struct Remote {
    child: Child,
    address: String,
}

impl Remote {
    /// Starts a service that sends its requests on to `next`, if that is an address.
    pub(crate) fn start(url: &str, name: &str, key: &str, next: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a test is a file"));
        command.args(["across::service::process", "--exact", "--nocapture"]);
        command.envs([(URL, url), (NAME, name), (SECRET, key), (NEXT, next)]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a test can start itself");
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once(ADDRESS) {
                    let _ = say.send(address.to_owned());
                }
            }
        });
        let address = said.recv_timeout(PATIENCE * 3).expect("the service starts");
        Self { child, address }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// How many tokens have had this outcome there.
    pub(crate) async fn count(&self, outcome: &str) -> u64 {
        json(&get_text(&self.address, "/stats", "").await)[outcome].as_u64().expect("it is a number")
    }

    /// Kills it, as a machine that fails does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request of a user, and returns the answer.
pub(crate) async fn fetch(address: &str, user: u64, baggage: &str) -> String {
    get_text(address, &format!("/users/{user}"), baggage).await
}

async fn get_text(address: &str, path: &str, baggage: &str) -> String {
    let mut headers = HeaderMap::new();
    if !baggage.is_empty() {
        headers.append("baggage", baggage.parse().expect("it is a value"));
    }
    headers.append("traceparent", traceparent().parse().expect("it is a value"));
    let client = Client::builder(TokioExecutor::new()).build_http();
    soon("an answer", ask(client, &format!("http://{address}{path}"), headers)).await.expect("it answers")
}

/// The header of a new trace.
fn traceparent() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later");
    format!("00-{:032x}-b7ad6b7169203331-01", now.as_nanos())
}

/// Sends a request with any client of `tower`.
async fn ask<S, R>(mut client: S, uri: &str, headers: HeaderMap) -> Option<String>
where
    S: tower_service::Service<Request<Body>, Response = axum::http::Response<R>>,
    R: axum::body::HttpBody<Data: Send, Error: std::fmt::Debug>,
{
    let mut request = Request::new(Body::empty());
    (*request.uri_mut(), *request.headers_mut()) = (uri.parse::<Uri>().expect("it is one"), headers);
    std::future::poll_fn(|context| client.poll_ready(context)).await.ok()?;
    let answer = client.call(request).await.ok()?;
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    Some(String::from_utf8(body.to_vec()).expect("it is text"))
}

/// The process of a service. In an ordinary run of the tests it does nothing.
#[test]
fn process() {
    let Ok(url) = std::env::var(URL) else { return };
    let variable = |name: &str| std::env::var(name).expect("a service has it in its environment");
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    testing::runtime::multi_thread().block_on(serve(router, &url, &variable(NAME), &variable(SECRET), variable(NEXT)));
}

/// What a handler has.
#[derive(Clone)]
struct Service {
    propagator: Propagator,
    client: Inject<Client<HttpConnector, Body>>,
    next: String,
}

async fn serve(router: TapRouter, url: &str, name: &str, key: &str, next: String) {
    let key = Key::new(key).expect("it is long enough");
    let config = Config::new(name, key).and_then(|config| config.instance(name)).expect("it is a name");
    let membership = fleet::join(router, client(url).await, config, std::future::pending());
    let propagator = membership.propagator().hosts(["127.0.0.1"]).expect("it is a host");
    tokio::spawn(membership);
    let client = propagator.client().layer(Client::builder(TokioExecutor::new()).build_http());
    let service = Service { propagator: propagator.clone(), client, next };
    let handler = match name {
        "edge" => get(edge),
        "orders" => get(orders),
        _ => get(billing),
    };
    let app = Router::new().route("/users/{user}", handler).route("/stats", get(stats)).with_state(service);
    // The user is not known until the handler has looked.
    let span = |request: &Request<Body>| tracing::info_span!("request", path = request.uri().path(), user = Empty);
    let app = app.layer(propagator.server()).layer(TraceLayer::new_for_http().make_span_with(span));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    println!("{ADDRESS}{}", listener.local_addr().expect("it has one"));
    axum::serve(listener, app).await.expect("it serves");
}

async fn edge(State(service): State<Service>, Path(user): Path<u64>, headers: HeaderMap) -> String {
    tracing::Span::current().record("user", user);
    tracing::debug!("accepts");
    if user == 13 {
        tracing::warn!("is unlucky");
    }
    let answer = forward(&service, headers).await;
    match answer {
        Some(answer) => {
            tracing::debug!("answers");
            answer
        }
        None => {
            tracing::debug!("fails");
            "gone".to_owned()
        }
    }
}

async fn orders(State(service): State<Service>, headers: HeaderMap) -> String {
    tracing::debug!("packs");
    forward(&service, headers).await.unwrap_or_default()
}

/// Answers with the baggage it received.
async fn billing(headers: HeaderMap) -> String {
    tracing::debug!("charges");
    let lines = headers.get_all("baggage").iter().map(|line| line.to_str().expect("it is ASCII"));
    lines.collect::<Vec<_>>().join("|")
}

/// Sends the request on, with the trace and the baggage it arrived with.
async fn forward(service: &Service, received: HeaderMap) -> Option<String> {
    if service.next.is_empty() {
        return Some(String::new());
    }
    let is_context = |name: &axum::http::HeaderName| name == "baggage" || name == "traceparent";
    let context = received.iter().filter(|(name, _)| is_context(name));
    let headers = context.map(|(name, value)| (name.clone(), value.clone())).collect();
    let uri = format!("http://{}/users/0", service.next);
    ask(service.client.clone(), &uri, headers).await
}

async fn stats(State(service): State<Service>) -> String {
    let stats = service.propagator.stats();
    let counts = stats.iter().map(|(outcome, count)| (outcome.word().to_owned(), count.into()));
    serde_json::Value::Object(counts.collect()).to_string()
}
