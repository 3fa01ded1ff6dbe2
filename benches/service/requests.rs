//! A request/response service as many are: a span for each request, spans for its parts, and events in them.

use axum::Router;
use axum::extract::{Path, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use std::io;
use tokio::net::TcpListener;
use tokio::task::yield_now;
use tracing::{Instrument, Span, debug, info, info_span, instrument, trace};

pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    let routes = Router::new().route("/orders/{id}", get(order)).layer(middleware::from_fn(in_span));
    axum::serve(listener, routes).await
}

async fn in_span(request: Request, next: Next) -> Response {
    let span = span_of(&request);
    async move {
        debug!(version = ?request.version(), "request received");
        let response = next.run(request).await;
        info!(status = response.status().as_u16(), "request answered");
        response
    }
    .instrument(span)
    .await
}

/// The root span says whose request it is.
fn span_of(request: &Request) -> Span {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let user: u64 = header("x-user").parse().unwrap_or_default();
    let (path, request_id) = (request.uri().path(), header("x-request-id"));
    info_span!("request", method = %request.method(), path, request_id, user)
}

#[instrument(name = "handler")]
async fn order(Path(id): Path<u64>) -> String {
    trace!("handler entered");
    let account = authorize("bearer").await;
    let prices = query(id).await;
    render(account, &prices).await
}

#[instrument(name = "auth")]
async fn authorize(scheme: &'static str) -> u64 {
    trace!(scheme, "token read");
    yield_now().await;
    let account = 17;
    debug!(account, cached = true, "token accepted");
    account
}

#[instrument(name = "db", fields(table = "orders"))]
async fn query(order: u64) -> [u64; 3] {
    debug!(statement = "select price from orders where id = $1", "query started");
    yield_now().await;
    let prices = [order, order * 3, order * 7];
    for price in &prices[..2] {
        trace!(price, "row read");
    }
    yield_now().await;
    debug!(rows = prices.len(), "query finished");
    prices
}

#[instrument(name = "render", skip(prices))]
async fn render(account: u64, prices: &[u64]) -> String {
    trace!(template = "order", "rendering");
    yield_now().await;
    let body = format!("account {account}: {prices:?}");
    debug!(bytes = body.len(), "rendered");
    info!(account, items = prices.len(), "order served");
    body
}
