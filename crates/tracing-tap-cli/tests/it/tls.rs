//! Endpoints behind TLS, with certificates of an own CA.

use crate::fixture::{Served, Service, TOKEN};
use crate::program::{Folder, Program, command, messages};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

/// A proxy that adds TLS, with a certificate for `localhost` of a CA that no system knows.
pub(crate) struct Proxy {
    address: SocketAddr,
    pub(crate) ca: String,
}

impl Proxy {
    fn before(endpoint: &Served) -> Self {
        Self::to(endpoint.address)
    }

    pub(crate) fn to(endpoint: SocketAddr) -> Self {
        let (ca, config) = certificates();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = testing::runtime::multi_thread();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        std::thread::spawn(move || {
            runtime.block_on(async {
                while let Ok((client, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        let mut client = acceptor.accept(client).await?;
                        let mut endpoint = TcpStream::connect(endpoint).await?;
                        tokio::io::copy_bidirectional(&mut client, &mut endpoint).await
                    });
                }
            });
        });
        Self { address, ca }
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.address.port())
    }
}

fn certificates() -> (String, ServerConfig) {
    let key = || KeyPair::generate().expect("there is randomness");
    let (ca_key, own_key) = (key(), key());
    let mut ca = CertificateParams::new([]).expect("no names");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).expect("it can be signed");
    let own = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let own = own.signed_by(&own_key, &Issuer::new(ca, ca_key)).expect("it can be signed");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], own_key.into())
        .expect("the key is the certificate's");
    (ca_certificate.pem(), config)
}

isolated! {
    fn an_own_ca_is_trusted_if_named_only() {
        let service = Service::start();
        let endpoint = service.serve_with_token();
        let (proxy, folder) = (Proxy::before(&endpoint), Folder::new());
        let ca = folder.write("ca.pem", &proxy.ca);
        let start = |arguments: &[&str]| {
            Program::start(command(arguments).env("TRACING_TAP_TOKEN", TOKEN).env("TRACING_TAP_URL", arguments[1]))
        };
        let url = proxy.url("localhost");

        let refused = start(&["sessions", &url]).end();
        refused.assert(1, &["invalid peer certificate: UnknownIssuer", "give that of the CA with `--ca-file`"]);
        start(&["sessions", &proxy.url("127.0.0.1"), "--ca-file", &ca]).end().assert(1, &["invalid peer certificate"]);
        start(&["sessions", &format!("http://{}", proxy.address)]).end().assert(1, &["failed to list the sessions"]);
        start(&["sessions", &format!("https://{}", endpoint.address), "--ca-file", &ca]).end().assert(1, &["`http://`"]);

        let program = start(&["watch", &url, "user = 42", "--max", "1", "--ca-file", &ca]);
        program.stderr.wait_for("Watching ");
        tracing::info!(user = 42, "kept from others");
        let ended = program.end();
        ended.assert(0, &["1 event delivered"]);
        assert_eq!(messages(&ended.json()), ["kept from others"]);

        // Of a profile, relative to its file.
        folder.write("tracing-tap/config.toml", &format!("[profiles.own]\nurl = '{url}'\nca_file = '../ca.pem'\n"));
        let mut listing = command(&["sessions", "--profile", "own"]);
        listing.env("TRACING_TAP_TOKEN", TOKEN).env("TRACING_TAP_URL", &url).env("XDG_CONFIG_HOME", folder.path(""));
        Program::start(&mut listing).end().assert(0, &[]);
    }
}
