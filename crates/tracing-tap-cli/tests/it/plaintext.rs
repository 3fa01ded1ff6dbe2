//! Secrets and connections without TLS. `0.0.0.0` reaches this machine, and is no loopback address.

use crate::fixture::{Service, TOKEN};
use crate::program::{Ended, Folder, Program, command};
use crate::strangers::{Stranger, respond};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use testing::wait_until;

const KEY: (&str, &str) = ("TRACING_TAP_FLEET_KEY", "a key of thirty-two bytes, or more");
const PASSWORD: &str = "keep-it-to-yourself";

/// A NATS server without TLS, as far as a client needs one to connect.
struct PlainServer {
    address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl PlainServer {
    /// Announces that more servers are at `others`.
    fn start(others: &[SocketAddr]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let others: Vec<_> = others.iter().map(ToString::to_string).collect();
        let information = serde_json::json!({
            "server_id": "plain", "server_name": "plain", "host": "127.0.0.1", "port": address.port(), "version": "2.10.0",
            "go": "go1.22", "max_payload": 1_048_576, "proto": 1, "headers": true, "client_id": 1, "nonce": "abc",
            "tls_required": false, "connect_urls": others,
        });
        let server = Self { address, received: Arc::default(), connections: Arc::default() };
        let (received, connections) = (Arc::clone(&server.received), Arc::clone(&server.connections));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let copy = stream.try_clone().expect("a socket can be shared");
                connections.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
                let _ = stream.write_all(format!("INFO {information}\r\n").as_bytes());
                let received = Arc::clone(&received);
                std::thread::spawn(move || answer_pings(stream, &received));
            }
        });
        server
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn connections(&self) -> usize {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Ends the newest connection.
    fn cut(&self) {
        if let Some(stream) = self.connections.lock().unwrap_or_else(PoisonError::into_inner).last() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn url(&self, host: &str) -> String {
        format!("nats://{host}:{}/chat", self.address.port())
    }
}

/// Hangs up on what is no line of the protocol, such as the beginning of TLS.
fn answer_pings(mut stream: TcpStream, received: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(count) = stream.read(&mut piece) {
        let piece = &piece[..count];
        received.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(piece);
        if count == 0 || piece[0] == 0x16 {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        for _ in piece.windows(6).filter(|six| six == b"PING\r\n") {
            let _ = stream.write_all(b"PONG\r\n");
        }
    }
}

fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    Program::start(command(arguments).envs(variables.iter().copied())).end()
}

#[test]
fn a_server_without_tls_never_sees_user_and_password() {
    let (server, folder) = (PlainServer::start(&[]), Folder::new());
    let credentials = folder.write("credentials", &format!("ann:{PASSWORD}"));
    let watch = ["watch", &server.url("0.0.0.0"), "*", "--credentials-file", &credentials];
    let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it can be signed").cert.pem();
    let system = folder.write("system.pem", &ca);
    let refused = run_with(&watch, &[KEY, ("SSL_CERT_FILE", &system)]);
    refused.assert(1, &["failed to connect to nats://0.0.0.0:", "may offer no TLS", "`--allow-plaintext`"]);
    assert!(server.connections() > 0);
    assert!(!server.received().contains("CONNECT") && !server.received().contains(PASSWORD), "{}", server.received());

    let allowed = Program::start(command(&[&watch[..], &["--allow-plaintext"]].concat()).envs([KEY]));
    allowed.stderr.wait_for("warning: the credentials go to nats://0.0.0.0:");
    wait_until("the password to arrive", || server.received().contains(PASSWORD));
}

#[test]
fn a_ca_file_requires_tls_of_a_nats_server() {
    let (server, folder) = (PlainServer::start(&[]), Folder::new());
    let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it can be signed").cert.pem();
    let (ca, credentials) = (folder.write("ca.pem", &ca), folder.write("credentials", &format!("ann:{PASSWORD}")));
    for more in [&["--credentials-file", &credentials][..], &[], &["--allow-plaintext"]] {
        let watch = ["watch", &server.url("127.0.0.1"), "*", "--ca-file", &ca];
        run_with(&[&watch[..], more].concat(), &[KEY]).assert(1, &["may offer no TLS, which `--ca-file` requires"]);
    }
    assert!(!server.received().contains("CONNECT"), "{}", server.received());
}

#[test]
fn credentials_go_to_no_server_that_a_server_names() {
    let (other, folder) = (PlainServer::start(&[]), Folder::new());
    let server = PlainServer::start(&[other.address]);
    let credentials = folder.write("credentials", &format!("ann:{PASSWORD}"));
    let url = server.url("127.0.0.1");
    let program = Program::start(command(&["watch", &url, "*", "--credentials-file", &credentials]).envs([KEY]));
    program.stderr.wait_for("Watching ");
    for connections in 2..6 {
        server.cut();
        other.cut();
        wait_until("the next connection", || server.connections() + other.connections() >= connections);
    }
    assert!(server.received().contains(PASSWORD), "this machine needs no TLS");
    assert_eq!(other.connections(), 0);
}

#[test]
fn a_token_goes_unencrypted_nowhere_but_to_this_machine() {
    let (folder, stranger) = (Folder::new(), Stranger::start(|_, stream| respond(stream, "200 OK", "a/b", "")));
    let token = folder.write("token", TOKEN);
    let url = format!("http://0.0.0.0:{}", stranger.address.port());
    let sessions = ["sessions", &url, "--token-file", &token];
    let refused = run_with(&sessions, &[]);
    refused.assert(2, &["failed to send the token to http://0.0.0.0:", "without TLS", "`--allow-plaintext`"]);
    let pair = [("TRACING_TAP_URL", url.as_str()), ("TRACING_TAP_TOKEN", TOKEN)];
    run_with(&["sessions"], &pair).assert(2, &["failed to send the token to http://0.0.0.0:"]);
    assert_eq!(stranger.requests(), [""; 0]);
    let allowed = run_with(&[&sessions[..], &["--allow-plaintext"]].concat(), &[]);
    allowed.assert(1, &["warning: the token goes to http://0.0.0.0:", "without TLS"]);
    assert!(stranger.requests()[0].contains(TOKEN));
}

isolated! {
    fn the_environments_token_goes_to_the_environments_url() {
        let service = Service::start();
        let endpoint = service.serve_with_token();
        let (url, folder) = (endpoint.url(), Folder::new());
        let profiles = format!("[profiles.here]\nurl = '{url}/'\n[profiles.there]\nurl = 'http://127.0.0.1:1'\n");
        folder.write("tracing-tap/config.toml", &profiles);
        let home = folder.path("");
        let run = |arguments: &[&str], variables: &[(&str, &str)]| {
            let token = [("TRACING_TAP_TOKEN", TOKEN), ("XDG_CONFIG_HOME", &home)];
            run_with(&[&["sessions"], arguments].concat(), &[variables, &token].concat())
        };
        let (here, there) = (("TRACING_TAP_URL", url.as_str()), ("TRACING_TAP_URL", "http://127.0.0.1:1"));
        for (arguments, variables) in [
            (&[][..], &[here][..]),
            (&[], &[("TRACING_TAP_PROFILE", "here")]),
            (&[&*url], &[here]),
            (&[&*url], &[("TRACING_TAP_PROFILE", "here")]),
            (&["--profile", "here"], &[here]),
        ] {
            let ended = run(arguments, variables);
            ended.assert(0, &[]);
            assert_eq!(ended.stderr, "", "{arguments:?} {variables:?}");
        }
        for (arguments, variables) in [
            (&[&*url][..], &[][..]),
            (&[&url], &[there]),
            (&[&url], &[("TRACING_TAP_PROFILE", "there")]),
            (&[&url], &[("TRACING_TAP_PROFILE", "nowhere")]),
            (&["--profile", "here"], &[]),
            (&["--profile", "here"], &[there]),
        ] {
            let refused = run(arguments, variables);
            refused.assert(3, &["warning: TRACING_TAP_TOKEN is not sent to http://127.", "not-authenticated, 401"]);
        }
    }
}
