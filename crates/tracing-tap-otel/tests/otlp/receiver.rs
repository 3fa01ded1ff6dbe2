//! A collector that keeps what it accepts, and refuses a given number of requests.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use testing::{address, runtime};
use tokio::runtime::Runtime;
use tracing_tap_otel::otlp::{Collector, CollectorBuilder};

/// What the receiver answers.
#[derive(Clone, Debug)]
pub(crate) enum Answers {
    Accepts,
    /// This many requests, with this status.
    Refuses(u16, usize),
    /// Every request, with 503 and this `Retry-After`.
    Postpones(&'static str),
    /// This many records of each request that it accepts.
    Rejects(i64),
}

#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) requests: Vec<ExportLogsServiceRequest>,
    pub(crate) headers: Vec<HeaderMap>,
    pub(crate) refused: usize,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<(Answers, Got)>>,
    runtime: Option<Runtime>,
}

impl Receiver {
    pub(crate) fn start(answers: Answers) -> Self {
        Self::start_at((address::own_loopback(), 0).into(), answers)
    }

    pub(crate) fn start_at(address: SocketAddr, answers: Answers) -> Self {
        let shared = Arc::new(Mutex::new((answers, Got::default())));
        let listener = address::listen(address);
        let address = listener.local_addr().unwrap();
        let runtime = runtime::multi_thread();
        let application = Router::new().route("/v1/logs", post(logs)).with_state(Arc::clone(&shared));
        runtime
            .spawn(async move { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), application).await });
        Self { address, shared, runtime: Some(runtime) }
    }

    pub(crate) fn collector(&self) -> CollectorBuilder {
        Collector::new(&format!("http://{}", self.address)).unwrap()
    }

    /// Ends all connections at once, and frees the port.
    pub(crate) fn die(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(testing::PATIENCE);
        }
    }

    pub(crate) fn got<T>(&self, look: impl FnOnce(&Got) -> T) -> T {
        look(&self.shared.lock().unwrap().1)
    }

    pub(crate) fn records(&self) -> Vec<LogRecord> {
        let logs =
            |got: &Got| got.requests.iter().flat_map(|request| request.resource_logs.clone()).collect::<Vec<_>>();
        self.got(logs).into_iter().flat_map(|logs| logs.scope_logs).flat_map(|logs| logs.log_records).collect()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.records().iter().map(|record| body_of(record).to_owned()).collect()
    }
}

pub(crate) fn body_of(record: &LogRecord) -> &str {
    match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn attribute<'r>(record: &'r LogRecord, key: &str) -> Option<&'r Value> {
    let found: Vec<_> = record.attributes.iter().filter(|attribute| attribute.key == key).collect();
    assert!(found.len() <= 1, "{key} is there twice");
    found.first()?.value.as_ref()?.value.as_ref()
}

async fn logs(State(shared): State<Arc<Mutex<(Answers, Got)>>>, headers: HeaderMap, body: Bytes) -> Response {
    let request = ExportLogsServiceRequest::decode(body).expect("it is a request of OTLP");
    let (answers, got) = &mut *shared.lock().unwrap();
    let rejected = match answers {
        Answers::Refuses(status, left) if *left > 0 => {
            *left -= 1;
            got.refused += 1;
            return (StatusCode::from_u16(*status).unwrap(), [("retry-after", "0")]).into_response();
        }
        Answers::Postpones(after) => {
            got.refused += 1;
            return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", *after)]).into_response();
        }
        Answers::Rejects(count) => *count,
        _ => 0,
    };
    got.requests.push(request);
    got.headers.push(headers);
    let error_message = if rejected > 0 { "no room".to_owned() } else { String::new() };
    let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records: rejected, error_message });
    ExportLogsServiceResponse { partial_success }.encode_to_vec().into_response()
}
