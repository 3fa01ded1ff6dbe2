//! Watching a fleet: on a real server, with instances in the test's own process.

use crate::fixture::{Served, Service, anywhere};
use crate::otlp::Receiver;
use crate::program::{Ended, Folder, Program, command, json_lines, messages, run};
use async_nats::ConnectOptions;
use serde_json::{Value, json};
use testing::credentials::{Certificates, TLS, Tokens};
use testing::nats_server::{Server, client, client_with};
use testing::{runtime, wait_until};
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;
use tracing_tap_nats::{self as fleet, Config, Key};
use tracing_tap_web::{Auth, Endpoint};

const KEY: &str = "a key of thirty-two bytes, or more";
const NEW_KEY: &str = "another key of thirty-two bytes or more";
const KEY_VARIABLE: &str = "TRACING_TAP_FLEET_KEY";

/// A server, and a service whose instances meet there. All have its one router.
struct Fleet {
    service: Service,
    server: Server,
    runtime: Runtime,
}

/// That of instances: the second round of a replacement of their key has begun, and has not reached them.
fn config() -> Config {
    let [old, new] = [KEY, NEW_KEY].map(|key| Key::new(key).expect("it is long enough"));
    Config::new("chat", old).expect("it is a name").accept_key(new).expect("there is room")
}

fn emit(message: &str) {
    tracing::info_span!("conn", user = 42).in_scope(|| tracing::debug!(channel = "orders", "{message}"));
}

impl Fleet {
    fn start(names: &[&str]) -> Self {
        Self::on(Server::start(), names, &ConnectOptions::new)
    }

    fn on(server: Server, names: &[&str], options: &dyn Fn() -> ConnectOptions) -> Self {
        let place = server.url();
        Self::at(server, &place, names, options)
    }

    /// With instances that know the server by this host and port.
    fn at(server: Server, place: &str, names: &[&str], options: &dyn Fn() -> ConnectOptions) -> Self {
        let fleet = Self { service: Service::start(), server, runtime: runtime::multi_thread() };
        // A callsite that is first reached while all are being asked may miss that one event.
        emit("before any session");
        for name in names {
            let client = fleet.runtime.block_on(client_with(options(), place));
            let config = config().instance(name).expect("it is a name");
            fleet.runtime.spawn(fleet::join(fleet.service.router.clone(), client, config, std::future::pending()));
        }
        fleet
    }

    fn url(&self) -> String {
        format!("nats://{}/chat", self.server.url())
    }

    /// Starts a watch, and waits until it is open at so many instances.
    fn watch(&self, arguments: &[&str], instances: usize) -> Program {
        let program = Program::start(&mut self.command(arguments));
        wait_for_instances(&program, instances);
        program
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = command(&[&["watch", &self.url()], arguments].concat());
        command.env(KEY_VARIABLE, KEY);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Program::start(&mut self.command(arguments)).end()
    }
}

/// Waits until so many instances are reported to take part, which is when their producers see the session.
fn wait_for_instances(program: &Program, count: usize) {
    let in_json = || program.stdout.text().matches("\"type\":\"joined\"").count();
    let in_words = || program.stdout.text().matches(": takes part\n").count();
    wait_until("the instances to take part", || in_json() + in_words() >= count);
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

isolated! {
    fn the_times_of_a_fleet_s_spans_name_their_instance() {
        let fleet = Fleet::start(&["chat-1"]);
        for (form, parts) in [
            ("json", ["{\"type\":\"timing\",\"instance\":\"chat-1\",\"session\":", "\"time.busy\":"]),
            ("compact", ["[chat-1] ", "conn{user=42}: close time.busy="]),
        ] {
            let program = fleet.watch(&["user = 42", "--timings", "--max", "2", "--format", form], 1);
            emit("hello");
            let ended = program.end();
            ended.assert(0, &["2 events delivered, 0 lost."]);
            parts.iter().for_each(|part| assert!(ended.stdout.contains(part), "{part:?} in {form}: {}", ended.stdout));
            fleet.service.wait_for_sessions(0);
        }
    }

    fn a_fleet_s_recording_is_replayed_as_it_was() {
        let fleet = Fleet::start(&["chat-1", "chat-2"]);
        let folder = Folder::new();
        let file = folder.path("recording.json");
        let recording = Program::start(&mut fleet.command(&["user = 42", "--capacity", "4", "--output", &file]));
        let count = |kind: &str| std::fs::read_to_string(&file).map_or(0, |text| text.matches(&format!("\"type\":\"{kind}\"")).count());
        wait_until("the instances to take part", || count("joined") >= 2);
        for message in ["first", "second", "third"] {
            emit(message);
        }
        wait_until("the events of both", || count("event") >= 6);
        fleet.service.router.shutdown();
        wait_until("both to have left", || count("left") >= 2);
        recording.signal("INT");
        recording.end();
        let recorded = json_lines(&folder.read("recording.json"));
        let replay = |arguments: &[&str]| run(&[&["replay", &*file], arguments].concat());
        assert_eq!(replay(&[]).stdout, folder.read("recording.json"), "JSON has all of it as it was");
        let second = replay(&["message = second"]);
        second.assert(0, &["2 of 6 events shown"]);
        let is_shown = |line: &&Value| line["type"] != "event" || line["fields"]["message"] == "second";
        assert_eq!(second.json(), recorded.iter().filter(is_shown).cloned().collect::<Vec<_>>());
        let compact = replay(&["message = second", "--format", "compact"]).stdout;
        for instance in ["chat-1", "chat-2"] {
            for words in [format!("-- {instance}: takes part"), format!("-- {instance}: takes no more part")] {
                assert!(compact.contains(&words), "{words}: {compact}");
            }
            let of_instance = format!("[{instance}] ");
            assert_eq!(compact.lines().filter(|line| line.starts_with(&of_instance) && line.contains("second")).count(), 1);
        }
    }

    fn a_fleet_is_profiled() {
        let fleet = Fleet::start(&["chat-1"]);
        let folder = Folder::new();
        let file = folder.path("slow.folded");
        let mut profile = command(&["profile", &fleet.url(), "user = 42", "--output", &file]);
        let program = Program::start(profile.env(KEY_VARIABLE, KEY));
        program.stderr.wait_for("Profiling ");
        fleet.service.wait_for_sessions(1);
        (0..5).for_each(|_| tracing::info_span!("conn", user = 42).in_scope(|| std::thread::sleep(std::time::Duration::from_millis(1))));
        testing::wait_until("the closes to be sent", || fleet.service.router.stats().events.delivered == 5);
        program.signal("INT");
        program.end().assert(0, &["5 spans have closed"]);
        assert!(folder.read("slow.folded").starts_with("conn "), "{}", folder.read("slow.folded"));
    }

    fn each_format_shows_the_instances() {
        let fleet = Fleet::start(&["chat-1"]);
        for (form, parts) in [
            ("json", ["{\"type\":\"joined\",\"instance\":\"chat-1\"}\n", "{\"type\":\"event\",\"instance\":\"chat-1\","]),
            ("human", ["  -- chat-1: takes part\n\n", "[chat-1] hello\n  time: "]),
            ("compact", ["-- chat-1: takes part\n", "[chat-1] "]),
            ("github", ["::notice title=tracing-tap::chat-1: takes part\n", "::debug::it::fleet: hello"]),
        ] {
            let program = fleet.watch(&["user = 42", "--max", "1", "--format", form], 1);
            emit("hello");
            let ended = program.end();
            ended.assert(0, &["Watching user = 42 at nats://127.0.0.1:", "/chat, for 15m; Ctrl-C ends it."]);
            ended.assert(0, &["Session over: reached its number of events. 1 event delivered, 0 lost."]);
            parts.iter().for_each(|part| assert!(ended.stdout.contains(part), "{part:?} in {form}: {}", ended.stdout));
            assert!(!ended.stdout.contains('\u{1b}'), "colours are for terminals");
            fleet.service.wait_for_sessions(0);
        }
        let coloured = fleet.watch(&["user = 42", "--max", "1", "--format", "compact", "--color", "always"], 1);
        emit("hello");
        assert!(coloured.end().stdout.contains("\u{1b}[34m"), "DEBUG is blue");
    }

    fn a_fleet_s_records_name_its_service() {
        let (fleet, receiver) = (Fleet::start(&["chat-1"]), Receiver::start(0));
        let mut watch = command(&["watch", "user = 42", "--max", "1", "--otlp", &receiver.url()]);
        let program = Program::start(watch.env("TRACING_TAP_URL", fleet.url()).env(KEY_VARIABLE, KEY));
        wait_for_instances(&program, 1);
        emit("hello");
        program.end().assert(0, &["1 event delivered, 0 lost."]);
        let (bodies, services) = receiver.records();
        assert!(bodies.iter().any(|body| body == "hello"), "{bodies:?}");
        assert!(services.iter().all(|service| service == "chat"), "{services:?}");
    }

    fn a_session_on_several_services_names_them() {
        let fleet = Fleet::start(&["chat-1"]);
        let url = format!("{},orders%2Ceu", fleet.url());
        let mut watch = command(&["watch", &url, "user = 42", "--max", "1"]);
        let program = Program::start(watch.env(KEY_VARIABLE, KEY));
        wait_for_instances(&program, 1);
        emit("hello");
        let ended = program.end();
        ended.assert(0, &["Watching user = 42 at nats://127.0.0.1:", "/chat,orders,eu, for 15m", "1 event delivered, 0 lost."]);
        let lines = ended.json();
        assert!(lines.iter().filter_map(|line| line["instance"].as_str()).all(|name| name == "chat/chat-1"));
        assert_eq!(messages(&lines), ["hello"]);
        let twice = command(&["watch", &format!("{},chat", fleet.url()), "user = 42"]).env(KEY_VARIABLE, KEY).output();
        let stderr = String::from_utf8(twice.expect("it runs").stderr).expect("it is text");
        assert!(stderr.contains("the service `chat` is named twice"), "{stderr}");
    }

    fn events_of_all_instances_arrive_and_ctrl_c_closes_all() {
        let fleet = Fleet::start(&["chat-1", "chat-2"]);
        let program = fleet.watch(&["user = 42"], 2);
        emit("here");
        wait_until("the event of both", || of_type(&json_lines(&program.stdout.text()), "event").len() == 2);
        program.signal("INT");
        let ended = program.end();
        ended.assert(0, &["Closing the session", "Session over: closed. 2 events delivered, 0 lost."]);
        fleet.service.wait_for_sessions(0);
        let lines = ended.json();
        assert_eq!(messages(&lines), ["here", "here"]);
        for kind in ["joined", "event", "left"] {
            let mut names: Vec<_> = of_type(&lines, kind).iter().filter_map(|line| line["instance"].as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, ["chat-1", "chat-2"], "{kind}");
        }
        assert_eq!(lines.last(), Some(&json!({ "type": "ended", "reason": "closed" })));
    }

    fn each_instance_shows_its_failing_requests_whole() {
        let fleet = Fleet::start(&["chat-1", "chat-2"]);
        let program = fleet.watch(&["*", "--follow", "root", "--only-if", "status >= 500", "--slower-than", "30s"], 2);
        assert!(fleet.service.router.sessions().iter().all(|session| session.only_if.is_some() && session.slower_than.is_some()));
        for status in [200, 503, 404] {
            tracing::info_span!("request", status).in_scope(|| tracing::trace!("accepted"));
            tracing::info_span!("request").in_scope(|| {
                tracing::trace!("accepted");
                tracing::info!(status, "answered");
            });
        }
        wait_until("the events of both", || of_type(&json_lines(&program.stdout.text()), "event").len() == 6);
        program.signal("INT");
        let ended = program.end();
        ended.assert(0, &["6 events delivered, 0 lost", "not chosen"]);
        let lines = ended.json();
        for instance in ["chat-1", "chat-2"] {
            let of: Vec<_> = of_type(&lines, "event").into_iter().filter(|line| line["instance"] == instance).cloned().collect();
            assert_eq!(messages(&of), ["accepted", "accepted", "answered"], "{instance}");
        }
    }

    fn every_limit_reaches_the_instances() {
        let fleet = Fleet::start(&["chat-1"]);
        let program = fleet.watch(
            &["user = 42", "--level", "info", "--rate", "77", "--follow", "named:conn", "--name", "ticket 7", "--spans", "debug"],
            1,
        );
        let session = &fleet.service.router.sessions()[0];
        assert_eq!(session.predicate.to_string(), "user = 42");
        assert_eq!((session.max_level, session.spans), (LevelFilter::INFO, LevelFilter::DEBUG));
        assert!(program.stderr.text().contains("Watching user = 42, events up to info, spans up to debug at nats://"));
        assert_eq!(session.name.as_deref(), Some("ticket 7"));
        drop(program);
        fleet.run(&["user = 42", "--for", "25h"]).assert(2, &["more than the 24 hours"]);
    }

    fn a_wrong_key_opens_nothing_and_is_reported() {
        let fleet = Fleet::start(&["chat-1"]);
        let mut other = fleet.command(&["user = 42"]);
        let program = Program::start(other.env(KEY_VARIABLE, KEY.to_uppercase()));
        program.stderr.wait_for(
            "  ! no instance has answered: the service's name, the key or a clock may be wrong",
        );
        emit("not for you");
        program.signal("INT");
        let ended = program.end();
        ended.assert(0, &["0 events delivered"]);
        assert_eq!(ended.stdout, "{\"type\":\"ended\",\"reason\":\"closed\"}\n");
        assert_eq!(fleet.service.router.stats().opened_sessions, 0);
    }

    fn a_watch_that_expects_events_exits_with_4_without() {
        let fleet = Fleet::start(&["chat-1"]);
        fleet.run(&["user = 42", "--for", "1s", "--expect"]).assert(4, &["error: nothing has matched"]);
        fleet.run(&["user = 42", "--for", "1s"]).assert(0, &["Session over: expired. 0 events delivered"]);
    }

    fn a_watch_signs_with_one_key_and_accepts_others() {
        let fleet = Fleet::start(&["chat-1"]);
        let folder = Folder::new();
        let [old, new] = [("old", KEY), ("new", NEW_KEY)].map(|(name, key)| folder.write(name, key));
        let without = fleet.run(&["user = 42", "--key-file", &new, "--for", "1s"]);
        assert!(!without.stderr.contains("chat-1"), "what the instance signs is forged: {}", without.stderr);
        let program = fleet.watch(&["user = 42", "--max", "1", "--key-file", &new, "--accept-key-file", &old], 1);
        emit("accepted");
        let ended = program.end();
        ended.assert(0, &["1 event delivered"]);
        assert_eq!(messages(&ended.json()), ["accepted"]);

        let profile = format!("[profiles.fleet]\nurl = '{}'\nkey_file = '../new'\naccept_key_files = ['../old']\n", fleet.url());
        folder.write("tracing-tap/config.toml", &profile);
        let mut command = command(&["watch", "--profile", "fleet", "user = 42", "--max", "1"]);
        let program = Program::start(command.env("XDG_CONFIG_HOME", folder.path("")));
        wait_for_instances(&program, 1);
        emit("by a profile");
        assert_eq!(messages(&program.end().json()), ["by a profile"]);
    }

    fn credentials_come_from_a_file_or_a_profile() {
        let instance = || ConnectOptions::with_user_and_password("instance".to_owned(), "instance".to_owned());
        let fleet = Fleet::on(Server::with_configuration("crates/tracing-tap-nats/examples/fleet/nats-server.conf"), &["chat-1"], &instance);
        let folder = Folder::new();
        let [watcher, other, wrong] = [("a", "watcher:watcher\n"), ("b", "instance:instance"), ("c", "watcher:x")]
            .map(|(name, text)| folder.write(name, text));
        let none = fleet.run(&["user = 42"]);
        none.assert(3, &["failed to connect to nats://127.0.0.1:", "denies access", "`--credentials-file`"]);
        fleet.run(&["user = 42", "--credentials-file", &wrong]).assert(3, &["the server denies access"]);
        fleet.run(&["user = 42", "--credentials-file", &other]).assert(3, &["the server refuses: Permissions Violation"]);

        folder.write("key", &format!("{KEY}\n"));
        let profile = format!("[profiles.fleet]\nurl = '{}'\nkey_file = '../key'\n", fleet.url());
        let profile = format!("{profile}credentials_file = '{watcher}'\nsubject_prefix = 'tap'\n");
        folder.write("tracing-tap/config.toml", &profile);
        let mut command = command(&["watch", "--profile", "fleet", "user = 42", "--max", "1"]);
        let program = Program::start(command.env("XDG_CONFIG_HOME", folder.path("")));
        wait_for_instances(&program, 1);
        emit("let in");
        let ended = program.end();
        ended.assert(0, &["1 event delivered"]);
        assert_eq!(messages(&ended.json()), ["let in"]);
    }

    fn a_fleets_own_ca_is_trusted_if_named_only() {
        let certificates = Certificates::new();
        let server = Server::with_settings(TLS, &certificates.files());
        let (ca, port) = (server.file("ca.pem"), server.port());
        let options = || ConnectOptions::new().add_root_certificates(ca.clone());
        let fleet = Fleet::at(server, &format!("localhost:{port}"), &["chat-1"], &options);
        let ca = ca.to_str().expect("it is text");
        let start = |url: &str, arguments: &[&str]| {
            let mut command = command(&[&["watch", url, "user = 42", "--max", "1"], arguments].concat());
            Program::start(command.env(KEY_VARIABLE, KEY))
        };
        let [url, by_number] = ["localhost", "127.0.0.1"].map(|host| format!("tls://{host}:{port}/chat"));
        start(&url, &[]).end().assert(1, &["failed to connect to tls://localhost:", "UnknownIssuer", "`--ca-file`"]);
        start(&by_number, &["--ca-file", ca]).end().assert(1, &["invalid peer certificate"]);
        // At `nats://` too the server asks for TLS.
        for url in [&url, &format!("nats://localhost:{port}/chat")] {
            let program = start(url, &["--ca-file", ca]);
            wait_for_instances(&program, 1);
            emit("kept from others");
            let ended = program.end();
            ended.assert(0, &["1 event delivered"]);
            assert_eq!(messages(&ended.json()), ["kept from others"]);
            fleet.service.wait_for_sessions(0);
        }
        let plain = Server::start();
        let end = start(&format!("tls://localhost:{}/chat", plain.port()), &["--ca-file", ca]).end();
        end.assert(1, &["failed to connect to tls://localhost:", "may offer no TLS: then its URL begins with `nats://`"]);
    }

    fn a_token_of_the_servers_operator_lets_in_whom_it_was_made_for() {
        let (tokens, strangers) = (Tokens::new(), Tokens::new());
        let server = Server::with_settings(&tokens.settings, &[]);
        let instance = || ConnectOptions::with_credentials(&tokens.instance).expect("it is a file `.creds`");
        let fleet = Fleet::on(server, &["chat-1"], &instance);
        let folder = Folder::new();
        let [watcher, stranger, broken] = [
            ("watcher.creds", tokens.watcher.as_str()),
            ("stranger.creds", &strangers.watcher),
            ("broken.creds", tokens.watcher.lines().next().expect("it has lines")),
        ]
        .map(|(name, text)| folder.write(name, text));
        fleet.run(&["user = 42"]).assert(3, &["the server denies access"]);
        fleet.run(&["user = 42", "--credentials-file", &stranger]).assert(3, &["the server denies access"]);
        fleet.run(&["user = 42", "--credentials-file", &broken]).assert(2, &["failed to read the credentials file"]);
        let program = fleet.watch(&["user = 42", "--max", "1", "--credentials-file", &watcher], 1);
        emit("let in");
        let ended = program.end();
        ended.assert(0, &["1 event delivered"]);
        assert_eq!(messages(&ended.json()), ["let in"]);
        assert!(!format!("{ended:?}").contains("SEED"), "nothing of it is shown");
    }

    fn a_server_that_goes_and_returns_is_reported_in_place() {
        let mut fleet = Fleet::start(&["chat-1"]);
        let program = fleet.watch(&["user = 42"], 1);
        emit("before");
        program.stdout.wait_for("\"before\"");
        fleet.server.kill();
        program.stderr.wait_for("connection lost, trying again for 5m: failed to keep the connection to the server");
        fleet.server.restart();
        program.stdout.wait_for("\"type\":\"continued\"}");
        wait_until("events of after that", || {
            emit("after");
            program.stdout.text().contains("\"after\"")
        });
        program.signal("INT");
        program.end().assert(0, &["Session over: closed."]);

        let program = fleet.watch(&["user = 42", "--reconnect-for", "0s"], 1);
        fleet.server.kill();
        program.end().assert(1, &["failed to resume the session: the server is gone"]);
    }

    fn an_endpoint_of_a_fleet_reports_instances_in_place() {
        let fleet = Fleet::start(&["chat-1"]);
        let client = fleet.runtime.block_on(client(&fleet.server.url()));
        let endpoint = Endpoint::new(fleet.service.router.clone(), Auth::loopback_only()).sessions_at(fleet::Fleet::new(client, config()));
        let endpoint = Served::start(endpoint, anywhere());
        for (form, parts) in [
            ("json", ["{\"type\":\"joined\",\"instance\":\"chat-1\"}\n", "{\"type\":\"event\",\"instance\":\"chat-1\","]),
            ("human", ["  -- chat-1: takes part\n\n", "[chat-1] hello\n  time: "]),
            ("compact", ["-- chat-1: takes part\n", "[chat-1] "]),
            ("github", ["::notice title=tracing-tap::chat-1: takes part\n", "::debug::it::fleet: hello"]),
        ] {
            let program = crate::program::watch(&[&endpoint.url(), "user = 42", "--max", "1", "--format", form]);
            wait_for_instances(&program, 1);
            emit("hello");
            let ended = program.end();
            ended.assert(0, &["1 event delivered, 0 lost."]);
            parts.iter().for_each(|part| assert!(ended.stdout.contains(part), "{part:?} in {form}: {}", ended.stdout));
            assert!(ended.stdout.contains("1 matched, 1 arrived, 0 lost") || ended.stdout.contains("\"arrived\":1"));
            fleet.service.wait_for_sessions(0);
        }
    }
}

#[test]
fn invalid_fleet_arguments_fail_before_any_request() {
    let folder = Folder::new();
    let short = folder.write("short", "short\n");
    let odd = folder.write("odd", "nothing that is known\n");
    let url = "nats://127.0.0.1:1/chat";
    let with_key = |arguments: &[&str]| Program::start(command(arguments).env(KEY_VARIABLE, KEY)).end();
    run(&["watch", url, "*"]).assert(
        2,
        &["failed to find the fleet's key: no file or variable has it\n  set TRACING_TAP_FLEET_KEY, or give"],
    );
    run(&["watch", url, "*", "--key-file", &short]).assert(2, &["short`: the fleet's key has 5 bytes"]);
    run(&["watch", url, "*", "--key-file", "/nowhere/key"]).assert(2, &["read the key file `/nowhere/key`: No such"]);
    let credentials = with_key(&["watch", url, "*", "--credentials-file", &odd]);
    credentials.assert(2, &["odd`: it contains no credentials\n  it must be a NATS `.creds` file"]);
    with_key(&["watch", url, "*", "--subject-prefix", "tap.>"]).assert(2, &["invalid subject prefix: expected"]);
    with_key(&["watch", url, "*", "--token-file", &short]).assert(2, &["`--token-file` is for HTTP endpoints"]);
    with_key(&["watch", "nats://127.0.0.1:1", "*"])
        .assert(2, &["no service after the host\n  write `nats://host:4222/"]);
    let secret = with_key(&["watch", "nats://ann:secret@127.0.0.1:1/chat", "*"]);
    secret.assert(2, &["a name or a password", "`--credentials-file`"]);
    assert!(!secret.stderr.contains("secret"));
    run(&["watch", "http://127.0.0.1:1", "*", "--key-file", &short]).assert(2, &["`--key-file` is for fleets"]);
    with_key(&["watch", url, "*", "--accept-key-file", &short]).assert(2, &["short`: the fleet's key has 5 bytes"]);
    let key = folder.write("key", KEY);
    let accepted = ["--accept-key-file", &key].repeat(4);
    with_key(&[&["watch", url, "*"], &*accepted].concat()).assert(2, &["more than 4 keys are accepted"]);
    for asks_a_door in [&["sessions", url][..], &["close", url, "ab"], &["catalog", url]] {
        run(asks_a_door)
            .assert(2, &["`sessions`, `close` and `catalog` are for HTTP endpoints", "there is only `watch`"]);
    }
    let nobody = with_key(&["watch", url, "*"]);
    nobody.assert(1, &["failed to connect to nats://127.0.0.1:1: ", "refused", "\n  check that a NATS server runs"]);
}
