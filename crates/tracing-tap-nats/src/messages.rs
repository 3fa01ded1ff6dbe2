//! The messages about one session, from the instances of all its services.

use async_nats::{Message, Subscriber};
use futures_core::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// One subscription for each service.
#[derive(Debug, Default)]
pub(super) struct Messages {
    subscriptions: Vec<Subscriber>,
    /// The one to look at first, so that no service waits for the others.
    first: usize,
}

impl Messages {
    pub(super) fn add(&mut self, subscription: Subscriber) {
        self.subscriptions.push(subscription);
    }

    /// The next message; `None` once the client is closed. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Message> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next message if one is waiting.
    pub(super) async fn ready(&mut self) -> Option<Message> {
        poll_fn(|context| match self.poll_next(context) {
            Poll::Ready(message) => Poll::Ready(message),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let count = self.subscriptions.len();
        let mut is_closed = count == 0;
        for place in (self.first..self.first + count).map(|place| place % count) {
            match Pin::new(&mut self.subscriptions[place]).poll_next(context) {
                Poll::Ready(Some(message)) => {
                    self.first = (place + 1) % count;
                    return Poll::Ready(Some(message));
                }
                Poll::Ready(None) => is_closed = true,
                Poll::Pending => {}
            }
        }
        if is_closed { Poll::Ready(None) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::nats_server::{Server, client};
    use testing::runtime::{run, soon, until};

    #[test]
    fn services_whose_messages_wait_take_turns() {
        run(async {
            const SERVICES: [&str; 3] = ["a", "b", "c"];
            let server = Server::start();
            let client = client(&server.url()).await;
            let mut messages = Messages::default();
            for service in SERVICES {
                messages.add(client.subscribe(service).await.expect("the client is open"));
            }
            assert!(messages.ready().await.is_none());
            for service in SERVICES.into_iter().flat_map(|service| [service; 2]) {
                client.publish(service, "x".into()).await.expect("the client is open");
            }
            let all_wait = || client.statistics().in_messages.load(std::sync::atomic::Ordering::Relaxed) == 6;
            until("all to wait", all_wait).await;
            let mut order = Vec::new();
            for _ in 0..3 {
                order.push(messages.ready().await.expect("it waits").subject.to_string());
                order.push(soon("a message", messages.next()).await.expect("the client is open").subject.to_string());
            }
            assert_eq!(order, ["a", "b", "c", "a", "b", "c"]);
            assert!(messages.ready().await.is_none());
        });
    }
}
