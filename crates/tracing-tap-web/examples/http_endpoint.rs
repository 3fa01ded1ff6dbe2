//! An endpoint over HTTP: the service's own `axum` application has it under `/tap`, for clients with the token.
//!
//! `cargo run -p tracing-tap-web --example http_endpoint`

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};
use tracing_tap::TapRouter;
use tracing_tap_web as web;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(fmt::layer().with_filter(LevelFilter::INFO)).with(router.layer()).init();

    // Take it from the service's secrets. `Auth::check` asks the service's own accounts instead.
    let auth = web::Auth::token("S8uWXu0mEZzN1Fbs")?;
    // Both get the signal: the server does not end before its connections do, and the routes end those who watch.
    let (stop, stopping) = watch::channel(false);
    let tap = web::Endpoint::new(router, auth).with_graceful_shutdown(stopped(stopping.clone())).routes();
    let application = axum::Router::new().nest("/tap", tap);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = axum::serve(listener, application).with_graceful_shutdown(stopped(stopping));
    let serving = tokio::spawn(async { serving.await });

    // curl -N -H 'Authorization: Bearer S8uWXu0mEZzN1Fbs' 'http://…/tap/watch?q=user%3D42&format=compact'
    let connection = tracing::info_span!("conn", user = 42);
    let mut client = TcpStream::connect(address).await?;
    let head = "GET /tap/watch?q=user%3D42&format=compact HTTP/1.1\r\nhost: service\r\n";
    client.write_all(format!("{head}authorization: Bearer S8uWXu0mEZzN1Fbs\r\n\r\n").as_bytes()).await?;
    let mut lines = BufReader::new(client).lines();
    while !lines.next_line().await?.ok_or("the stream ended")?.is_empty() {}
    connection.in_scope(|| tracing::debug!(channel = "orders", "subscribed"));
    loop {
        let line = lines.next_line().await?.ok_or("the stream ended")?;
        println!("{line}");
        if line.contains("conn{user=42}: subscribed channel=orders") {
            break;
        }
    }

    // The client still watches: its stream ends with the reason.
    stop.send(true)?;
    serving.await??;
    let last = lines.next_line().await?.ok_or("the stream ended without a word")?;
    println!("{last}");
    Ok(())
}

/// In a service: `tokio::signal::ctrl_c()`, or what else ends it.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // Nobody will say so where the sender is gone, so that is an end too.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}
