//! Arbitrary bytes as messages of a fleet, signed and forged: none causes a panic, none that is not signed counts, and a
//! stream gives what is counted.
//!
//! The first byte chooses the bit of a signed message that is turned to forge it. Messages follow, separated by 0x1E: a
//! header, a line break, and lines. `{now}` stands for the time. Each is received as an instance's and as a watcher's.

use crate::config::Config;
use crate::inbox::Inbox;
use crate::item::FleetItem;
use crate::key::{Key, Keys, Role};
use crate::message::{Announcement, SessionKey, WatcherHeader, WatcherMessage};
use crate::seal::{VERSION, now_us, seal_body, unseal};
use crate::stream::FleetStream;
use crate::watcher::Watcher;
use async_nats::{Client, ConnectOptions, Message};
use bytes::Bytes;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tracing_tap::render::Format;
use tracing_tap::{EndReason, Predicate, SessionOptions};

const MAX_MESSAGES: usize = 8;
const SEPARATOR: u8 = 0x1E;
const RENEWAL: Duration = Duration::from_secs(2);
const FORMATS: [Format; 4] = [Format::Json, Format::Human, Format::Compact, Format::GithubActions];

/// What all inputs share: a client that is not connected, and a key.
struct Place {
    runtime: Runtime,
    client: Client,
    config: Config,
    session: SessionKey,
}

static PLACE: LazyLock<Mutex<Place>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let connecting = ConnectOptions::new().retry_on_initial_connect().connect("127.0.0.1:1");
    let client = runtime.block_on(connecting).expect("it connects later");
    let config = Config::new("chat", Key::new([7; 32]).expect("it is long enough")).expect("it is a name");
    let session = serde_json::from_str("\"07070707070707070707070707070707\"").expect("it names a session");
    Mutex::new(Place { runtime, client, config, session })
});

/// Receives the messages that some bytes stand for.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "it is exported for the fuzz target alone"))]
pub fn check(bytes: &[u8]) {
    let Some((bit, messages)) = bytes.split_first() else { return };
    let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    let _runtime = place.runtime.enter();
    let (mut watcher, mut stream) = place.watcher();
    for body in messages.split(|byte| *byte == SEPARATOR).take(MAX_MESSAGES) {
        let body = filled_in(body);
        place.check_seal(*bit, &body);
        place.check_announcement(&body);
        let subject = place.config.subjects.events(place.session);
        let payload = seal_body(VERSION, place.config.keys.signing(), Role::Instance, &subject, &body);
        // A message that is rejected changes nothing that is checked here.
        let _ = watcher.accept(&message(subject, payload));
    }
    watcher.end(EndReason::Closed);
    check_items(&mut stream);
}

/// The body with the time in it.
fn filled_in(body: &[u8]) -> Vec<u8> {
    const NOW: &[u8] = b"{now}";
    let mut filled = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.windows(NOW.len()).position(|window| window == NOW) {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(now_us().to_string().as_bytes());
        rest = &rest[at + NOW.len()..];
    }
    filled.extend_from_slice(rest);
    filled
}

impl Place {
    fn watcher(&self) -> (Watcher, FleetStream) {
        let session = SessionOptions::new(Predicate::everything()).max_events(1_000);
        let announcement = Announcement::of(&session, RENEWAL).expect("it has a text");
        let inbox = Arc::new(Inbox::default());
        let announced = (&session, announcement);
        let watcher =
            Watcher::new(self.client.clone(), self.config.clone(), self.session, announced, Arc::clone(&inbox));
        (watcher, FleetStream::new(inbox))
    }

    /// Only what is signed, whole, in this role and for this subject, is read, and it is read as it was.
    fn check_seal(&self, bit: u8, body: &[u8]) {
        let (keys, subject) = (&self.config.keys, "s");
        let is_read =
            |role, subject: &str, message: &[u8]| unseal(keys, role, subject, &Bytes::copy_from_slice(message)).is_ok();
        for (role, other) in [(Role::Watcher, Role::Instance), (Role::Instance, Role::Watcher)] {
            assert!(!is_read(role, subject, body), "nobody has signed it");
            let message = seal_body(VERSION, keys.signing(), role, subject, body);
            if let Ok(unsealed) = unseal(keys, role, subject, &message) {
                assert_eq!([&unsealed.header[..], b"\n", &unsealed.lines].concat(), body);
            }
            assert!(!is_read(other, subject, &message) && !is_read(role, "t", &message));
            let mut forged = message.to_vec();
            let place = usize::from(bit >> 3) * forged.len() / 32;
            forged[place] ^= 1 << (bit & 7);
            assert!(!is_read(role, subject, &forged), "byte {place} was changed");
            let stranger = Keys::new(Key::new([8; 32]).expect("it is long enough"));
            assert!(unseal(&stranger, role, subject, &message).is_err());
        }
    }

    /// A session that is announced is announced again as the same.
    fn check_announcement(&self, body: &[u8]) {
        let message = seal_body(VERSION, self.config.keys.signing(), Role::Watcher, "s", body);
        let Ok(unsealed) = unseal(&self.config.keys, Role::Watcher, "s", &message) else { return };
        let Ok(header) = unsealed.read::<WatcherHeader>() else { return };
        let again = serde_json::to_string(&header).expect("a header is JSON");
        let again: WatcherHeader = serde_json::from_str(&again).expect("what is written can be read");
        let (WatcherMessage::Open(announced), WatcherMessage::Open(again)) = (header.message, again.message) else {
            return;
        };
        assert_eq!(again, announced);
        if let Ok(session) = announced.session() {
            assert!(session.max_events.is_none(), "only the watcher counts the events of a fleet");
        }
    }
}

/// As the server would deliver it.
fn message(subject: String, payload: Bytes) -> Message {
    let length = payload.len();
    Message { subject: subject.into(), reply: None, payload, headers: None, status: None, description: None, length }
}

/// Every item is shown in every form without control characters, and the counts are those of the items.
fn check_items(stream: &mut FleetStream) {
    let mut events = 0;
    while let Ok(item) = stream.try_recv() {
        events += u64::from(matches!(item, FleetItem::Event(_)));
        for format in FORMATS {
            let mut out = Vec::new();
            item.write(&mut out, format);
            let text = String::from_utf8(out).expect("it is text");
            let hidden = text.chars().find(|character| *character != '\n' && character.is_control());
            assert_eq!(hidden, None, "{format}: {text:?}");
        }
    }
    let stats = stream.stats();
    assert_eq!((stats.delivered, stats.buffered), (events, 0), "{stats:?}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_of_the_fuzz_target_is_received() {
        testing::corpus::replay("fleet", 50, super::check);
    }
}
