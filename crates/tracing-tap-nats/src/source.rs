//! A fleet as the session source of an endpoint.

use super::config::Config;
use super::item::FleetItem;
use super::stream::FleetStream;
use super::{FleetEvent, watch};
use async_nats::Client;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tracing_tap::endpoint::{Opening, SessionSource, SessionStream, StreamItem};
use tracing_tap::render::FormatOptions;
use tracing_tap::stream::TryRecvError;
use tracing_tap::{EndReason, SessionOptions};

/// All instances of a service, for an endpoint whose sessions are on all of them instead of on its own router.
///
/// Streams then have the items of a [`FleetStream`]: lines with an `instance`, and also `joined`, `left`, `silent`,
/// `refused` and `gap`.
#[derive(Clone, Debug)]
pub struct Fleet {
    client: Client,
    config: Config,
}

impl Fleet {
    /// The instances that [join](super::join) with the same service, prefix and keys.
    pub fn new(client: Client, config: Config) -> Self {
        Self { client, config }
    }
}

impl SessionSource for Fleet {
    fn open(&self, session: SessionOptions) -> Opening<'_> {
        Box::pin(async move {
            let stream = watch(self.client.clone(), &self.config, session).await?;
            Ok(Box::new(stream) as Box<dyn SessionStream>)
        })
    }
}

impl SessionStream for FleetStream {
    fn try_recv(&mut self) -> Result<Arc<dyn StreamItem>, TryRecvError> {
        Self::try_recv(self).map(|item| Arc::new(item) as Arc<dyn StreamItem>)
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<dyn StreamItem>>> {
        let next = futures_core::Stream::poll_next(Pin::new(self), context);
        next.map(|item| item.map(|item| Arc::new(item) as Arc<dyn StreamItem>))
    }

    fn buffered(&self) -> u64 {
        Self::stats(self).buffered
    }

    fn stats(&self) -> Value {
        serde_json::to_value(Self::stats(self)).expect("numbers are JSON")
    }

    fn end(&self, reason: EndReason) {
        Self::end(self, reason);
    }
}

impl StreamItem for FleetItem {
    fn kind(&self) -> Option<&'static str> {
        Some(Self::kind(self)).filter(|kind| *kind != "event")
    }

    fn is_end(&self) -> bool {
        matches!(self, Self::Ended(_))
    }

    fn write(&self, out: &mut Vec<u8>, options: FormatOptions) {
        Self::write(self, out, options);
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::Event(event) => FleetEvent::held_bytes(event),
            _ => 0,
        }
    }
}
