//! Requests that are shown for their outcome: a real `axum` service, watched from the command line.

use crate::fixture::Service;
use crate::program::{messages, run};
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use testing::{PATIENCE, runtime};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing::Instrument;

/// A service of some layers: a span of its own for each request, a handler, a task that outlives it.
struct Shop {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Shop {
    fn open() -> Self {
        let runtime = runtime::multi_thread();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a port");
        let address = listener.local_addr().expect("a listener has an address");
        let routes = axum::Router::new().route("/{status}/{number}", get(handler)).layer(from_fn(in_a_span));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { address, _runtime: runtime }
    }

    /// Makes a request, and reads the status.
    fn ask(&self, status: u16, number: u32) {
        let mut stream = TcpStream::connect(self.address).expect("the shop is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        write!(stream, "GET /{status}/{number} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
            .expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it is answered");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

async fn in_a_span(request: Request, next: Next) -> Response {
    let span = tracing::info_span!("request", path = %request.uri().path());
    let work = async move {
        tracing::trace!("accepted");
        let response = next.run(request).await;
        tracing::info!(status = response.status().as_u16(), "answered");
        response
    };
    work.instrument(span).await
}

async fn handler(Path((status, number)): Path<(u16, u32)>) -> StatusCode {
    let work = async move {
        tracing::debug!(number, "looked up");
        tokio::task::yield_now().await;
        tracing::trace!(number, "row read");
    };
    tokio::spawn(work.instrument(tracing::info_span!("database"))).await.expect("it does not panic");
    tracing::debug!(number, "handled");
    StatusCode::from_u16(status).expect("a status")
}

isolated! {
    fn each_failing_request_is_shown_whole_and_nothing_else() {
        let service = Service::start();
        let endpoint = service.serve();
        let shop = Shop::open();
        shop.ask(200, 0);
        let url = endpoint.url();
        let program = crate::program::watch(&[&url, "*", "--follow", "root", "--only-if", "status >= 500"]);
        for (number, status) in [200, 503, 404, 500, 200].into_iter().enumerate() {
            shop.ask(status, number as u32);
        }
        testing::wait_until("both requests", || program.stdout.text().matches("\"answered\"").count() == 2);
        program.signal("INT");
        let ended = program.end();
        ended.assert(0, &["10 events delivered, 0 lost", "not chosen"]);
        let lines: Vec<_> = ended.json().into_iter().filter(|line| line["type"] == "event").collect();
        let whole = ["accepted", "looked up", "row read", "handled", "answered"];
        assert_eq!(messages(&lines), [whole, whole].concat());
        let paths: Vec<_> = lines.iter().filter_map(|line| line["spans"][0]["path"].as_str()).collect();
        assert_eq!(paths, [["/503/1"; 5], ["/500/3"; 5]].concat());
        service.wait_for_sessions(0);
    }

    fn the_outcome_reaches_the_session() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        let _program = crate::program::watch(&[&url, "*", "--only-if", "status >= 500", "--slower-than", "1500ms"]);
        let session = &service.router.sessions()[0];
        assert_eq!(session.only_if.as_ref().map(ToString::to_string).as_deref(), Some("status >= 500"));
        assert_eq!(session.slower_than, Some(std::time::Duration::from_millis(1_500)));
        let listed = &run(&["sessions", &url, "--format", "json"]).json()[0];
        assert_eq!((&listed["only_if"], &listed["slower_than_ms"]), (&"status >= 500".into(), &1500.0.into()));
    }

    fn an_outcome_that_cannot_be_kept_is_refused() {
        let service = Service::start();
        let endpoint = service.serve();
        let url = endpoint.url();
        run(&["watch", &url, "*", "--only-if", "status => 500"]).assert(2, &["status => 500"]);
        run(&["watch", &url, "*", "--slower-than", "2"]).assert(2, &["did you mean `2s`?"]);
        run(&["watch", &url, "*", "--slower-than", "2h"]).assert(3, &["max_hold_time"]);
    }
}
