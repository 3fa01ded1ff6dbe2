//! The layers in a client and a server of `tonic`, over the wire. Both services are in one process, with one router.

use super::{config, events, expected, joined};
use crate::instance::KEY;
use bytes::{Buf, BufMut};
use http::uri::PathAndQuery;
use http::{Request, Response};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use testing::nats_server::{Server, client};
use testing::runtime::{run, soon};
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tower_layer::Layer;
use tracing::Instrument;
use tracing_subscriber::prelude::*;
use tracing_tap::{SessionOptions, TapRouter};
use tracing_tap_nats::propagation::TokenOutcome;
use tracing_tap_nats::{self as fleet, Config, Key, Propagator};

/// Joins a service, with a router that both services share.
async fn join(router: &TapRouter, url: &str, name: &str) -> Propagator {
    let config = Config::new(name, Key::new(KEY).expect("it is long enough")).and_then(|config| config.instance(name));
    let nats = client(url).await;
    let membership = fleet::join(router.clone(), nats, config.expect("it is a name"), std::future::pending());
    let propagator = membership.propagator().hosts(["billing"]).expect("it is a host");
    tokio::spawn(membership);
    propagator
}

/// Serves, and returns where.
async fn serve(propagator: &Propagator) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let address = listener.local_addr().expect("it has one");
    let server = tonic::transport::Server::builder().trace_fn(|_| tracing::info_span!("rpc"));
    let mut server = server.layer(propagator.server());
    tokio::spawn(server.add_service(Billing).serve_with_incoming(TcpIncoming::from(listener)));
    address
}

/// Charges for a user, by a client that is in the span of the user's request.
async fn charge(propagator: &Propagator, channel: &Channel, user: u64) -> String {
    let origin = "billing:50051".parse().expect("it is an authority");
    let mut client = tonic::client::Grpc::new(propagator.client().origin(origin).layer(channel.clone()));
    let call = async {
        client.ready().await.expect("the server is there");
        let path = PathAndQuery::from_static("/shop.Billing/Charge");
        let request = tonic::Request::new("seven".to_owned());
        client.unary(request, path, Text).await.expect("it answers").into_inner()
    };
    soon("an answer", call.instrument(tracing::info_span!("request", user))).await
}

isolated! {

fn a_call_of_tonic_is_followed_into_the_next_service() {
    run(async {
        let (server, router) = (Server::start(), TapRouter::new());
        tracing_subscriber::registry().with(router.layer()).init();
        let edge = join(&router, &server.url(), "edge").await;
        let billing = join(&router, &server.url(), "billing").await;
        let address = serve(&billing).await;
        let channel = Endpoint::from_shared(format!("http://{address}")).expect("it is one").connect_lazy();
        let session = SessionOptions::new("user = 42 and @target = it".parse().expect("it is one"));
        let nats = client(&server.url()).await;
        let mut stream = fleet::watch(nats, &config(), session).await.expect("the session is announced");
        joined(&mut stream, 2).await;
        for user in [7, 42, 8] {
            assert_eq!(charge(&edge, &channel, user).await, "charged seven");
        }
        assert_eq!(events(&mut stream, 1).await, expected(&[("billing/billing", "charges")]));
        assert_eq!((edge.stats()[TokenOutcome::Injected], billing.stats()[TokenOutcome::Followed]), (1, 1));
        stream.close();
        crate::watching::read_all(&mut stream).await;
        assert_eq!(stream.stats().matched, 1, "no other call");
    });
}

}

/// The service, as generated code would be.
#[derive(Clone)]
struct Billing;

struct Charge;

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl NamedService for Billing {
    const NAME: &'static str = "shop.Billing";
}

impl tower_service::Service<Request<Body>> for Billing {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async { Ok(tonic::server::Grpc::new(Text).unary(Charge, request).await) })
    }
}

impl UnaryService<String> for Charge {
    type Response = String;
    type Future = Answer<tonic::Response<String>, Status>;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        assert!(request.metadata().get("baggage").is_none(), "the token goes no further");
        Box::pin(async move {
            tracing::debug!("charges");
            Ok(tonic::Response::new(format!("charged {}", request.into_inner())))
        })
    }
}

/// Messages of text.
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
