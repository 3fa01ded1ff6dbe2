//! An `axum` service that can be watched: a span for each request, the router's layer, a session on one user.
//!
//! `cargo run --example axum_service`

use axum::{extract::Path, http::Request, routing::get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_http::trace::TraceLayer;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{fmt, prelude::*};
use tracing_tap::{Item, Predicate, TapRouter};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // The service's own log stays at INFO, with a session open or without.
    let router = TapRouter::new();
    tracing_subscriber::registry().with(fmt::layer().with_filter(LevelFilter::INFO)).with(router.layer()).init();

    // `TraceLayer`'s own span is DEBUG, and without a session only spans up to INFO are kept: requests in flight
    // when a session opens would not match. So: a span at INFO that says whose request it is. (Or keep theirs,
    // with `TapRouter::builder().span_level(LevelFilter::DEBUG)`.)
    let trace = TraceLayer::new_for_http().make_span_with(|request: &Request<_>| {
        let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
        tracing::info_span!("request", path = request.uri().path(), user)
    });
    let service = axum::Router::new().route("/orders/{id}", get(order)).layer(trace);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, service).await });

    // An operator asks about alice.
    let mut stream = router.watch(Predicate::eq("user", "alice"));
    for user in ["alice", "bob"] {
        let mut client = TcpStream::connect(address).await?;
        let request = format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\nx-user: {user}\r\nconnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await?;
        client.read_to_string(&mut String::new()).await?;
    }

    let seen: Vec<_> = stream.drain().filter_map(Item::into_event).collect();
    seen.iter().for_each(|event| println!("{event}"));
    let messages: Vec<_> = seen.iter().map(|event| event.message()).collect();
    assert_eq!(messages, ["started processing request", "looking up", "finished processing request"]);
    Ok(())
}

async fn order(Path(id): Path<u64>) -> String {
    tracing::trace!(id, "looking up");
    format!("order {id}")
}
