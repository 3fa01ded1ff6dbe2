//! Signs messages as `docs/fleet.md` describes it, apart from the tested code.

use async_nats::Client;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing_tap::MissingReason;

/// The version that counts as many reasons why events are missing as there are.
pub(crate) const VERSION: u32 = MissingReason::ALL.len() as u32 - 1;

/// A tally of so many events, none of them missing.
pub(crate) fn tally(events: u64) -> Vec<u64> {
    let mut tally = vec![0; 1 + MissingReason::ALL.len()];
    tally[0] = events;
    tally
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// A message of a watcher or an instance: `watchers` or `instances`.
pub(crate) fn sealed(secret: &str, version: u32, voice: &str, subject: &str, header: &Value, lines: &str) -> String {
    let key = hmac(secret.as_bytes(), format!("tracing-tap fleet {voice}").as_bytes());
    let signature = hmac(&key, format!("tap{version} {subject}\n{header}\n{lines}").as_bytes());
    let hex: String = signature[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("tap{version} {hex} {header}\n{lines}")
}

pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than that");
    u64::try_from(since.as_micros()).expect("not for long enough")
}

pub(crate) async fn publish(client: &Client, subject: &str, text: String) {
    client.publish(subject.to_owned(), text.into()).await.expect("the client is open");
    client.flush().await.expect("the server is there");
}

/// The session that is announced.
pub(crate) fn session_of(announcement: &async_nats::Message) -> String {
    let text = String::from_utf8_lossy(&announcement.payload).into_owned();
    let header: Value = serde_json::from_str(text.splitn(3, ' ').nth(2).expect("it has a header")).expect("it is JSON");
    header["session"].as_str().expect("it is text").to_owned()
}
