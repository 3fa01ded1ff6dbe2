//! An HTTP endpoint whose sessions are on all instances.

use crate::bridge::{Bridge, kind};
use crate::fixture::{Served, Service, TOKEN};
use crate::instance::{Instance, often};
use serde_json::{Value, json};
use std::net::SocketAddr;
use testing::client::{Curl, get, post, request};
use testing::nats_server::{Server, client};
use testing::runtime::multi_thread;
use testing::wait_until;
use tokio::runtime::Runtime;
use tracing_tap::TapRouter;

/// An endpoint, and two instances that are not in its process.
struct Stage {
    service: Service,
    served: Served,
    instances: [Instance; 2],
    server: Server,
    _runtime: Runtime,
}

impl Stage {
    fn start(max_sessions_per_opener: usize) -> Self {
        let server = Server::start();
        let instances = ["chat-1", "chat-2"].map(|name| Instance::start(&server.url(), name));
        Self::around(server, instances, max_sessions_per_opener)
    }

    fn around(server: Server, instances: [Instance; 2], max_sessions_per_opener: usize) -> Self {
        let router = TapRouter::builder().max_sessions_per_opener(max_sessions_per_opener).build();
        let (service, runtime) = (Service::start_with(router), multi_thread());
        let client = runtime.block_on(client(&server.url()));
        let served = Served::start(service.endpoint().sessions_at(tracing_tap_nats::Fleet::new(client, often())));
        Self { service, served, instances, server, _runtime: runtime }
    }

    fn wait_for_sessions(&mut self, count: usize) {
        self.instances.iter_mut().for_each(|instance| instance.wait_for_sessions(count));
    }

    fn emit(&mut self, count: usize) {
        self.instances.iter_mut().for_each(|instance| instance.emit(count, 42));
    }

    fn address(&self) -> SocketAddr {
        self.served.address
    }

    /// Opens a session and returns its path.
    #[track_caller]
    fn open(&self, body: &str) -> String {
        let answer = post(self.address(), "/sessions", body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.header("location").expect("it says where it is").to_owned()
    }

    fn reader(&self, session: &str, last: Option<&str>) -> Curl {
        let authorization = format!("Authorization: Bearer {TOKEN}");
        let last = last.map(|last| format!("Last-Event-ID: {last}"));
        let mut arguments = vec!["-H", "Accept: text/event-stream", "-H", &authorization];
        arguments.extend(last.iter().flat_map(|last| ["-H", last.as_str()]));
        Curl::with(self.address(), &format!("{session}/stream"), &arguments)
    }
}

/// A server-sent event.
#[derive(Clone, Debug, PartialEq)]
struct Sent {
    id: String,
    name: String,
    data: Value,
}

/// The next one; nothing at the end.
fn next(curl: &mut Curl) -> Option<Sent> {
    let mut sent = Sent { id: String::new(), name: String::new(), data: Value::Null };
    loop {
        let line = curl.line()?;
        match line.split_once(": ") {
            Some(("id", text)) => sent.id = text.to_owned(),
            Some(("event", text)) => sent.name = text.to_owned(),
            Some(("data", text)) => sent.data = serde_json::from_str(text).expect("data is JSON"),
            _ if line.is_empty() && !sent.data.is_null() => return Some(sent),
            _ => assert!(line.is_empty() || line == ":" || line.starts_with("retry: "), "{line}"),
        }
    }
}

/// The next so many, with these names in whatever order.
#[track_caller]
fn expect(curl: &mut Curl, names: &[&str]) -> Vec<Sent> {
    let sent: Vec<_> = names.iter().map(|_| next(curl).expect("the stream goes on")).collect();
    let mut came: Vec<_> = sent.iter().map(|sent| sent.name.as_str()).collect();
    let mut names = names.to_vec();
    came.sort_unstable();
    names.sort_unstable();
    assert_eq!(came, names, "{sent:?}");
    sent
}

isolated! {

fn a_watch_streams_the_items_of_all_instances() {
    let mut stage = Stage::start(8);
    let mut curl = Curl::get(stage.address(), "/watch?q=user%3D42&max=6");
    // An instance lists a session a moment before its producers see it; it has joined when they do.
    let mut lines: Vec<Value> = vec![curl.json(), curl.json()];
    stage.emit(3);
    while lines.last().is_none_or(|line| line["type"] != "ended") {
        lines.push(curl.json());
    }
    assert_eq!(lines.last().map(|line| &line["reason"]), Some(&"max_events".into()));
    for name in ["chat-1", "chat-2"] {
        let own: Vec<_> = lines.iter().filter(|line| line["instance"] == name).collect();
        let kinds: Vec<_> = own.iter().map(|line| line["type"].as_str().expect("it has a type")).collect();
        assert_eq!(kinds, ["joined", "event", "event", "event", "left"]);
        let numbers: Vec<_> = own[1..4].iter().map(|line| line["fields"]["number"].as_u64()).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
        assert_eq!((&own[4]["matched"], &own[4]["arrived"]), (&3.into(), &3.into()));
    }
    assert_eq!(curl.line(), None);
    stage.wait_for_sessions(0);
    stage.served.stop();
}

fn a_reader_resumes_and_a_close_ends_all_instances() {
    let mut stage = Stage::start(8);
    let session = stage.open(r#"{"q":"user = 42","name":"ticket 7"}"#);
    let mut curl = stage.reader(&session, None);
    expect(&mut curl, &["joined", "joined"]);
    stage.emit(2);
    let seen = expect(&mut curl, &["", "", "", ""]);
    drop(curl);
    let shown = |stage: &Stage| get(stage.address(), &session).json();
    wait_until("the reader to be gone", || shown(&stage)["is_read"] == false);
    stage.instances[0].emit(1, 42);
    let mut curl = stage.reader(&session, Some(&seen[0].id));
    assert_eq!(expect(&mut curl, &["", "", ""]), seen[1..], "what it has not seen is sent again");
    let more = expect(&mut curl, &[""]);
    assert_eq!((&more[0].data["instance"], &more[0].data["sequence"]), (&"chat-1".into(), &2.into()));
    wait_until("the account to be told", || shown(&stage)["stats"]["matched"] == 5);
    assert_eq!((&shown(&stage)["stats"]["instances"], &shown(&stage)["stats"]["delivered"]), (&2.into(), &5.into()));

    assert_eq!(request(stage.address(), TOKEN, "DELETE", &session, None).status, 204);
    expect(&mut curl, &["left", "left"]);
    assert_eq!(next(&mut curl).map(|sent| sent.name), Some("ended".to_owned()));
    assert_eq!(next(&mut curl), None);
    stage.wait_for_sessions(0);
    assert_eq!(get(stage.address(), &session).status, 404);
    stage.served.stop();
}

fn a_shutdown_ends_the_sessions_everywhere() {
    let mut stage = Stage::start(8);
    let mut curl = Curl::get(stage.address(), "/watch?q=user%3D42");
    stage.wait_for_sessions(1);
    stage.service.router.shutdown();
    assert!(curl.rest().ends_with("{\"type\":\"ended\",\"reason\":\"shutdown\"}\n"));
    stage.wait_for_sessions(0);

    let mut curl = Curl::get(stage.address(), "/watch?q=user%3D42");
    let session = stage.open(r#"{"q":"user = 42"}"#);
    let mut kept = stage.reader(&session, None);
    // A connection that was not accepted yet would be reset, and not ended.
    expect(&mut kept, &["joined", "joined"]);
    stage.wait_for_sessions(2);
    let Stage { served, mut instances, server: _server, _runtime, .. } = stage;
    served.stop();
    assert!(curl.rest().ends_with("{\"type\":\"ended\",\"reason\":\"shutdown\"}\n"));
    assert!(kept.rest().contains("event: ended\n"));
    instances.iter_mut().for_each(|instance| instance.wait_for_sessions(0));
}

fn the_limit_of_sessions_for_each_opener_holds_for_a_fleet() {
    let mut stage = Stage::start(2);
    let sessions = [stage.open(r#"{"q":"user = 42"}"#), stage.open(r#"{"q":"user = 42"}"#)];
    let refused = post(stage.address(), "/sessions", r#"{"q":"user = 42"}"#);
    assert_eq!((refused.problem().as_str(), &refused.json()["limit"]), ("too-many-sessions", &2.into()));
    stage.wait_for_sessions(2);
    assert_eq!(request(stage.address(), TOKEN, "DELETE", &sessions[0], None).status, 204);
    stage.open(r#"{"q":"user = 42"}"#);
    stage.served.stop();
}

fn refusing_and_silent_instances_are_reported_and_delay_none() {
    let server = Server::start();
    let instances =
        [Instance::with_policy(&server.url(), "full", "no sessions"), Instance::start(&server.url(), "steady")];
    let frail = Instance::start(&server.url(), "frail");
    let mut stage = Stage::around(server, instances, 8);
    let session = stage.open(r#"{"q":"user = 42"}"#);
    let mut curl = stage.reader(&session, None);
    let sent = expect(&mut curl, &["joined", "joined", "refused"]);
    let refused = sent.iter().find(|sent| sent.name == "refused").expect("it is one of them");
    let error = "the session was not opened: 0 are open, which is the limit `max_sessions`";
    let told = json!({"type": "refused", "instance": "full", "reason": "max_sessions", "error": error});
    assert_eq!(refused.data, told);

    frail.kill();
    stage.instances[1].emit(1, 42);
    assert_eq!(expect(&mut curl, &[""])[0].data["instance"], "steady");
    assert_eq!(expect(&mut curl, &["silent"])[0].data, json!({"type": "silent", "instance": "frail"}));
    stage.instances[1].emit(1, 42);
    assert_eq!(expect(&mut curl, &[""])[0].data["instance"], "steady");
    let stats = get(stage.address(), &session).json()["stats"].clone();
    assert_eq!((&stats["instances"], &stats["delivered"]), (&1.into(), &2.into()), "{stats}");
    // A silent one has told nothing of its end.
    assert_eq!(request(stage.address(), TOKEN, "DELETE", &session, None).status, 204);
    let left = expect(&mut curl, &["left", "left"]);
    let reasons = |name: &str| left.iter().filter(|sent| sent.data["instance"] == name).map(|sent| &sent.data["reason"]).collect::<Vec<_>>();
    assert_eq!((reasons("steady"), reasons("frail")), (vec![&json!("closed")], vec![&json!("lost")]));
    assert_eq!(next(&mut curl).map(|sent| sent.name), Some("ended".to_owned()));
    stage.served.stop();
}

fn a_loss_before_the_endpoint_is_a_gap_of_its_instance() {
    let runtime = multi_thread();
    let mut bridge = runtime.block_on(Bridge::new());
    let instances = ["chat-1", "chat-2"].map(|name| Instance::start(&bridge.instances.url(), name));
    let watchers = bridge.watchers.take().expect("it was not taken yet");
    let mut stage = Stage::around(watchers, instances, 8);
    let session = stage.open(r#"{"q":"user = 42"}"#);
    let mut curl = stage.reader(&session, None);
    expect(&mut curl, &["joined", "joined"]);
    stage.emit(1);
    expect(&mut curl, &["", ""]);
    bridge.passes(|message| if kind(message) == "batch" { Vec::new() } else { vec![message.clone()] });
    stage.instances[0].emit(7, 42);
    // Only the beat that follows shows it.
    let gap = expect(&mut curl, &["gap"]).remove(0);
    assert_eq!(gap.data, json!({"type": "gap", "instance": "chat-1", "count": 7, "place": "network"}));
    bridge.passes(|message| vec![message.clone()]);
    stage.emit(1);
    expect(&mut curl, &["", ""]);
    let shown = |stage: &Stage| get(stage.address(), &session).json()["stats"].clone();
    wait_until("the account to be told", || shown(&stage)["matched"] == 11);
    let stats = shown(&stage);
    assert_eq!((&stats["delivered"], &stats["lost"], &stats["lost_on_the_way"]), (&4.into(), &7.into(), &7.into()), "{stats}");
    stage.served.stop();
}

fn a_session_opened_without_a_server_waits_for_it() {
    let mut stage = Stage::start(8);
    stage.server.kill();
    let session = stage.open(r#"{"q":"user = 42"}"#);
    let mut curl = stage.reader(&session, None);
    stage.server.restart();
    expect(&mut curl, &["joined", "joined"]);
    stage.emit(1);
    expect(&mut curl, &["", ""]);
    stage.served.stop();
}

}
