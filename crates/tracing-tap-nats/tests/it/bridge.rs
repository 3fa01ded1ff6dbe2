//! Two servers, one for instances and one for watchers, and a bridge between them that sees all messages.

use async_nats::{Client, Message};
use futures_util::StreamExt;
use std::sync::{Arc, Mutex};
use testing::nats_server::{Server, client};

/// What becomes of a message: what is passed on in its place.
type Passes = dyn Fn(&Message) -> Vec<Message> + Send + Sync;

pub(crate) struct Bridge {
    pub(crate) instances: Server,
    /// For a test to take, who then keeps it.
    pub(crate) watchers: Option<Server>,
    pub(crate) to_instances: Client,
    pub(crate) to_watchers: Client,
    passes: Arc<Mutex<Arc<Passes>>>,
}

impl Bridge {
    /// All is passed on as it is.
    pub(crate) async fn new() -> Self {
        let (instances, watchers) = (Server::start(), Server::start());
        let to_instances = client(&instances.url()).await;
        let to_watchers = client(&watchers.url()).await;
        let passes: Arc<Passes> = Arc::new(|message: &Message| vec![message.clone()]);
        let bridge = Self {
            instances,
            watchers: Some(watchers),
            to_instances,
            to_watchers,
            passes: Arc::new(Mutex::new(passes)),
        };
        let (watchers, instances) = (&bridge.to_watchers, &bridge.to_instances);
        bridge.join(watchers, instances, "tap.*.announce").await;
        bridge.join(watchers, instances, "tap.*.grant.*").await;
        bridge.join(instances, watchers, "tap.*.events.*").await;
        bridge
    }

    /// From here on, this is what is passed on.
    pub(crate) fn passes(&self, passes: impl Fn(&Message) -> Vec<Message> + Send + Sync + 'static) {
        *self.passes.lock().expect("nobody panicked") = Arc::new(passes);
    }

    async fn join(&self, from: &Client, to: &Client, subject: &'static str) {
        let mut messages = from.subscribe(subject).await.expect("the client is open");
        from.flush().await.expect("the server is there");
        let (to, passes) = (to.clone(), Arc::clone(&self.passes));
        tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                let passes = Arc::clone(&passes.lock().expect("nobody panicked"));
                for message in passes(&message) {
                    to.publish(message.subject, message.payload).await.expect("the client is open");
                }
            }
        });
    }
}

/// What kind of message it is, by its header.
pub(crate) fn kind(message: &Message) -> String {
    let text = String::from_utf8_lossy(&message.payload);
    let header = text.splitn(3, ' ').nth(2).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let header: serde_json::Value = serde_json::from_str(header).unwrap_or_default();
    header["kind"].as_str().unwrap_or_default().to_owned()
}
