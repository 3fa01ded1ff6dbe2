//! Authentication by the server: TLS, keys and tokens of NATS. The fleet uses the client as it is given.

use crate::instance::Instance;
use crate::process::{CA, CREDENTIALS, SEED};
use crate::watching::{joined, numbers, read_all, read_events, user, watch};
use async_nats::{ConnectErrorKind, ConnectOptions};
use nkeys::KeyPair;
use testing::credentials::{Certificates, TLS, Tokens};
use testing::nats_server::{Server, client_with};
use testing::runtime::run;

/// An instance that brings this, and a watcher that brings that, are in one fleet.
async fn check_fleet(server: &Server, url: &str, brings: (&str, &str), watcher: ConnectOptions) {
    let mut instance = Instance::start_with(url, "chat", |command| {
        command.env(brings.0, brings.1);
    });
    let mut stream = watch(&client_with(watcher, url).await, user(42).max_rate(1000)).await;
    joined(&mut stream, 1).await;
    instance.emit(3, 42);
    assert_eq!(numbers(&read_events(&mut stream, 3).await)["chat"], [0, 1, 2]);
    stream.close();
    read_all(&mut stream).await;
    assert_eq!((stream.stats().matched, stream.stats().delivered), (3, 3), "{}", server.log());
}

async fn refusal(options: ConnectOptions, url: &str) -> ConnectErrorKind {
    options.connect(url).await.expect_err("the server or the client refuses").kind()
}

isolated! {

fn a_fleet_works_over_tls_with_a_trusted_certificate() {
    run(async {
        let certificates = Certificates::new();
        let server = Server::with_settings(TLS, &certificates.files());
        let url = format!("tls://localhost:{}", server.port());
        let ca = server.file("ca.pem");
        let trusting = || ConnectOptions::new().add_root_certificates(ca.clone()).require_tls(true);
        check_fleet(&server, &url, (CA, ca.to_str().expect("it is text")), trusting()).await;
        assert_eq!(refusal(ConnectOptions::new(), &url).await, ConnectErrorKind::Io, "nobody knows this CA");
        let other_name = format!("tls://{}", server.url());
        assert_eq!(refusal(trusting(), &other_name).await, ConnectErrorKind::Io, "the certificate is of localhost");
    });
}

fn a_fleet_works_with_nkeys() {
    run(async {
        let [instance, watcher, stranger] = [(); 3].map(|()| KeyPair::new_user());
        let users = format!("{{ nkey: {} }}, {{ nkey: {} }}", instance.public_key(), watcher.public_key());
        let server = Server::with_settings(&format!("authorization {{ users: [ {users} ] }}"), &[]);
        let [instance, watcher, stranger] = [instance, watcher, stranger].map(|pair| pair.seed().expect("it has one"));
        check_fleet(&server, &server.url(), (SEED, &instance), ConnectOptions::with_nkey(watcher)).await;
        let refused = refusal(ConnectOptions::with_nkey(stranger), &server.url()).await;
        assert_eq!(refused, ConnectErrorKind::AuthorizationViolation);
    });
}

fn a_fleet_works_with_tokens_of_the_servers_operator() {
    run(async {
        let (tokens, strangers) = (Tokens::new(), Tokens::new());
        let server = Server::with_settings(&tokens.settings, &[]);
        let options = |token: &str| ConnectOptions::with_credentials(token).expect("it is a file `.creds`");
        check_fleet(&server, &server.url(), (CREDENTIALS, &tokens.instance), options(&tokens.watcher)).await;
        let refused = refusal(options(&strangers.watcher), &server.url()).await;
        assert_eq!(refused, ConnectErrorKind::AuthorizationViolation);
    });
}

}
