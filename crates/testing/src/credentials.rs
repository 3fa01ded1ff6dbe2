//! What lets a client in: certificates, and keys and tokens of NATS, made for one test.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer};
use serde_json::{Value, json};

/// A CA that no system trusts, and what it has signed for `localhost`: all as PEM.
pub struct Certificates {
    pub ca: String,
    pub own: String,
    pub key: String,
}

/// Settings of a server that trusts its operator alone, and the credentials of two users.
pub struct Tokens {
    pub settings: String,
    pub instance: String,
    pub watcher: String,
}

/// For a server with these files; clients must speak TLS.
pub const TLS: &str = "tls { cert_file: \"FOLDER/own.pem\", key_file: \"FOLDER/key.pem\" }";

impl Certificates {
    pub fn new() -> Self {
        let key = || rcgen::KeyPair::generate().expect("there is randomness");
        let (ca_key, own_key) = (key(), key());
        let mut ca = CertificateParams::new([]).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).expect("it can be signed");
        let own = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let own = own.signed_by(&own_key, &Issuer::new(ca, ca_key)).expect("it can be signed");
        Self { ca: ca_certificate.pem(), own: own.pem(), key: own_key.serialize_pem() }
    }

    pub fn files(&self) -> [(&'static str, &str); 3] {
        [("ca.pem", &self.ca), ("own.pem", &self.own), ("key.pem", &self.key)]
    }
}

impl Tokens {
    /// An operator, one account, and in it an instance and a watcher with no more than their part.
    pub fn new() -> Self {
        let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
        let of_operator = token(&operator, &operator, json!({"type": "operator", "version": 2}));
        let limits = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1});
        let of_account = token(&operator, &account, json!({"type": "account", "version": 2, "limits": limits}));
        let (up, down) = (["tap.*.events.*"].as_slice(), ["tap.*.announce", "tap.*.grant.*"].as_slice());
        let settings = format!(
            "operator: {of_operator}, resolver: MEMORY, resolver_preload: {{ {}: {of_account} }}",
            account.public_key()
        );
        Self { settings, instance: user(&account, up, down), watcher: user(&account, down, up) }
    }
}

/// A file `.creds`.
fn user(account: &KeyPair, publish: &[&str], subscribe: &[&str]) -> String {
    let user = KeyPair::new_user();
    let claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
        "pub": {"allow": publish}, "sub": {"allow": subscribe}});
    let (token, seed) = (token(account, &user, claims), user.seed().expect("it has one"));
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

/// What an issuer says of a subject, signed.
fn token(issuer: &KeyPair, subject: &KeyPair, claims: Value) -> String {
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let body = json!({"jti": "none", "iat": 1, "iss": issuer.public_key(), "sub": subject.public_key(), "name": "test",
        "nats": claims});
    let [header, body] = [header, body].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let said = format!("{header}.{body}");
    let signature = issuer.sign(said.as_bytes()).expect("it has a seed");
    format!("{said}.{}", BASE64URL_NOPAD.encode(&signature))
}
