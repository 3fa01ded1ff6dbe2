//! `watch --otlp`: the events arrive at a collector too.

use crate::fixture::Service;
use crate::program::{Folder, run, watch};
use crate::tls::Proxy;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use testing::runtime;
use tokio::runtime::Runtime;

/// What a collector was sent: headers and requests, as far as it does not refuse them.
#[derive(Default)]
struct Got {
    refuses: usize,
    all: Vec<(HeaderMap, ExportLogsServiceRequest)>,
}

pub(crate) struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Got>>,
    _runtime: Runtime,
}

impl Receiver {
    pub(crate) fn start(refuses: usize) -> Self {
        let got = Arc::new(Mutex::new(Got { refuses, all: Vec::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        listener.set_nonblocking(true).expect("it can be");
        let address = listener.local_addr().expect("a listener has an address");
        let application = Router::new().route("/v1/logs", post(logs)).with_state(Arc::clone(&got));
        let runtime = runtime::multi_thread();
        runtime.spawn(async move {
            axum::serve(tokio::net::TcpListener::from_std(listener).expect("a listener"), application).await
        });
        Self { address, got, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1/logs", self.address)
    }

    /// The body of each record, and the service that each request names.
    pub(crate) fn records(&self) -> (Vec<String>, Vec<String>) {
        let got = self.got.lock().expect("nobody panics");
        let text = |value: Option<&Value>| match value {
            Some(Value::StringValue(text)) => text.clone(),
            other => format!("{other:?}"),
        };
        let logs = || got.all.iter().flat_map(|(_, request)| &request.resource_logs);
        let bodies = logs().flat_map(|logs| &logs.scope_logs).flat_map(|logs| &logs.log_records);
        let bodies = bodies.map(|record| text(record.body.as_ref().and_then(|body| body.value.as_ref()))).collect();
        let services = logs()
            .filter_map(|logs| logs.resource.as_ref())
            .map(|resource| text(resource.attributes[0].value.as_ref().and_then(|value| value.value.as_ref())));
        (bodies, services.collect())
    }
}

async fn logs(State(got): State<Arc<Mutex<Got>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut got = got.lock().expect("nobody panics");
    if got.refuses > 0 {
        got.refuses -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    got.all.push((headers, ExportLogsServiceRequest::decode(body).expect("a request of OTLP")));
    StatusCode::OK
}

isolated! {
    fn events_and_the_end_are_sent_to_a_collector_as_well() {
        let (service, receiver, folder) = (Service::start(), Receiver::start(1), Folder::new());
        let endpoint = service.serve();
        let secret = folder.path("secret");
        std::fs::write(&secret, "Bearer keep-it-to-yourself\n").expect("it can be written");
        let program = watch(&[
            &endpoint.url(), "user = 42", "--max", "2", "--otlp", &receiver.url(),
            "--otlp-header", &format!("authorization=@{secret}"), "--otlp-resource", "service.name=chat",
        ]);
        for message in ["first", "second"] {
            tracing::info_span!("conn", user = 42).in_scope(|| tracing::debug!("{message}"));
        }
        let ended = program.end();
        ended.assert(0, &["2 events delivered, 0 lost."]);
        assert!(ended.stdout.contains("second"), "the output has them as ever");
        let (bodies, services) = receiver.records();
        assert_eq!(bodies[..2], ["first", "second"]);
        assert!(bodies[2].contains("session over") && bodies.len() == 3, "{bodies:?}");
        assert!(services.iter().all(|service| service == "chat"), "{services:?}");
        let got = receiver.got.lock().expect("nobody panics");
        assert_eq!(got.all[0].0["authorization"], "Bearer keep-it-to-yourself");
    }

    fn a_collector_behind_tls_is_trusted_by_its_ca_alone() {
        let (service, receiver, folder) = (Service::start(), Receiver::start(0), Folder::new());
        let endpoint = service.serve();
        let proxy = Proxy::to(receiver.address);
        let (url, ca) = (proxy.url("localhost"), folder.write("ca.pem", &proxy.ca));
        let program = watch(&[
            &endpoint.url(), "user = 42", "--max", "1", "--otlp", &url, "--otlp-ca-file", &ca,
            "--otlp-header", "x-key=secret",
        ]);
        tracing::info!(user = 42, "over TLS");
        program.end().assert(0, &["1 event delivered"]);
        assert_eq!(receiver.records().0[0], "over TLS");
    }

    fn what_a_collector_never_accepts_is_reported() {
        let service = Service::start();
        let endpoint = service.serve();
        let receiver = Receiver::start(0);
        // There is no such path.
        let url = format!("http://{}/other", receiver.address);
        let program = watch(&[&endpoint.url(), "user = 42", "--max", "1", "--otlp", &url]);
        tracing::info!(user = 42, "hello");
        let ended = program.end();
        ended.assert(1, &["send everything to the OTLP endpoint", "dropped", "404"]);
        assert!(ended.stdout.contains("hello"));
    }
}

#[test]
fn headers_leave_this_machine_with_tls_alone() {
    let url = "http://127.0.0.1:9/tap";
    let ended = run(&["watch", url, "*", "--otlp", "http://collector.example:4318", "--otlp-header", "x-key=secret"]);
    ended.assert(2, &["without TLS", "--allow-plaintext"]);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    run(&["watch", url, "*", "--otlp-header", "x-key=secret"]).assert(2, &["--otlp <URL>"]);
    let folder = Folder::new();
    let file = folder.path("events.json");
    run(&["watch", url, "*", "--otlp", "nonsense", "--output", &file]).assert(2, &["no address of a collector"]);
    assert!(!std::path::Path::new(&file).exists(), "the same command works once it is mended");
    run(&["watch", url, "*", "--otlp", "http://127.0.0.1:9", "--otlp-header", "secret"])
        .assert(2, &["no `=` behind a name"]);
}
