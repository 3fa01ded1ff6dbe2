//! The signed, numbered messages from one opening of a session to its watcher.

use super::key::{Keys, Role};
use super::message::{InstanceHeader, InstanceMessage, MemberId};
use super::seal::{now_us, seal};
use async_nats::Client;
use async_nats::client::PublishErrorKind;

/// A batch is sent when it has this many bytes; the rest of its last item comes on top.
const BATCH_BYTES: usize = 64 << 10;

/// Sends the messages of one opening of a session.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    keys: Keys,
    subject: String,
    member: MemberId,
    instance: String,
    opening: u64,
    number: u64,
}

/// Why the client did not accept a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    /// The server accepts no message of this size.
    TooLarge,
    /// The client is closed for good.
    Closed,
}

impl Link {
    pub(super) fn new(
        client: Client,
        keys: Keys,
        subject: String,
        (member, instance): (MemberId, String),
        opening: u64,
    ) -> Self {
        Self { client, keys, subject, member, instance, opening, number: 0 }
    }

    /// The size at which a batch is sent, in bytes; less if the server accepts only small messages.
    pub(super) fn batch_bytes(&self) -> usize {
        BATCH_BYTES.min(self.client.max_payload() / 4)
    }

    /// Gives a message to the client, which keeps it while the server is away.
    pub(super) async fn send(&mut self, message: InstanceMessage, lines: &[u8]) -> Result<(), LinkError> {
        let header = InstanceHeader {
            member: self.member,
            opening: self.opening,
            number: self.number,
            time: now_us(),
            instance: self.instance.clone(),
            message,
        };
        let sealed = seal(&self.keys, Role::Instance, &self.subject, &header, lines);
        let published = self.client.publish(self.subject.clone(), sealed).await;
        match published.map_err(|error| error.kind()) {
            Ok(()) => {
                self.number += 1;
                Ok(())
            }
            Err(PublishErrorKind::MaxPayloadExceeded) => Err(LinkError::TooLarge),
            Err(_) => Err(LinkError::Closed),
        }
    }

    /// Returns once the client has written all messages to the server's connection. While the server is away, that takes
    /// until it is back; meanwhile events wait in the session's ring.
    pub(super) async fn flush(&self) -> Result<(), LinkError> {
        self.client.flush().await.map_err(|_| LinkError::Closed)
    }
}
