//! A door over HTTP: the service's own `axum` application has it under `/tap`, for whoever brings the token.
//!
//! `cargo run --features web --example http_door`

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};
use tracing_tap::{TapRouter, web};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(fmt::layer().with_filter(LevelFilter::INFO)).with(router.layer()).init();

    // Take it from the service's secrets. `Auth::check` asks the service's own accounts instead.
    let auth = web::Auth::token("S8uWXu0mEZzN1Fbs")?;
    let application = axum::Router::new().nest("/tap", web::routes(router.clone(), auth));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, application).with_graceful_shutdown(async { drop(stopped.await) });
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

    // First the router, which ends all streams; then the server, which waits for them.
    router.shutdown();
    drop(stop);
    serving.await??;
    Ok(())
}
