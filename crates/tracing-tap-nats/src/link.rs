//! The way of one instance's session to its watcher: signed, numbered messages.

use super::key::{Key, Voice};
use super::message::{FromInstance, InstanceWord, MemberId};
use super::seal::{now_us, seal};
use async_nats::Client;
use async_nats::client::PublishErrorKind;

/// A batch goes out when it has as many bytes; it is larger by the rest of its last item.
const BATCH_BYTES: usize = 64 << 10;

/// What an instance says of one opening of a session.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    key: Key,
    subject: String,
    member: MemberId,
    instance: String,
    opening: u64,
    number: u64,
}

/// Why a message was not taken by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    /// The server takes no message as large.
    TooLarge,
    /// The client is closed for good.
    Closed,
}

impl Link {
    pub(super) fn new(
        client: Client,
        key: Key,
        subject: String,
        (member, instance): (MemberId, String),
        opening: u64,
    ) -> Self {
        Self { client, key, subject, member, instance, opening, number: 0 }
    }

    /// When a batch goes out, in bytes: where the server takes little at once, earlier.
    pub(super) fn batch_bytes(&self) -> usize {
        BATCH_BYTES.min(self.client.max_payload() / 4)
    }

    /// Hands a message to the client, which keeps it while the server is away.
    pub(super) async fn say(&mut self, word: InstanceWord, lines: &[u8]) -> Result<(), LinkError> {
        let header = FromInstance {
            member: self.member,
            opening: self.opening,
            number: self.number,
            time: now_us(),
            instance: self.instance.clone(),
            word,
        };
        let message = seal(&self.key, Voice::Instance, &self.subject, &header, lines);
        let published = self.client.publish(self.subject.clone(), message).await;
        match published.map_err(|error| error.kind()) {
            Ok(()) => {
                self.number += 1;
                Ok(())
            }
            Err(PublishErrorKind::MaxPayloadExceeded) => Err(LinkError::TooLarge),
            Err(_) => Err(LinkError::Closed),
        }
    }

    /// Returns once the client has written all to the server's connection. While the server is away that takes until it
    /// is back, so that what waits here waits in the session's ring instead.
    pub(super) async fn flush(&self) -> Result<(), LinkError> {
        self.client.flush().await.map_err(|_| LinkError::Closed)
    }
}
