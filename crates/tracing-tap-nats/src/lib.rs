//! One session over every instance of a service, on NATS.
//!
//! A service runs as fifty instances behind a balancer, and user 42 may land on any. Each instance [joins](join) the
//! fleet with its router; a watcher opens one session on all of them with [`watch`], and gets what matched, merged.
//!
//! ```no_run
//! use tracing_subscriber::prelude::*;
//! use tracing_tap_nats::{self as fleet, Config, Key};
//! use tracing_tap::{Predicate, SessionOptions, TapRouter};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Key::new(std::env::var("TAP_KEY")?)?;
//! let config = Config::new("chat", key)?;
//!
//! // In the service:
//! let router = TapRouter::new();
//! tracing_subscriber::registry().with(router.layer()).init();
//! let client = async_nats::connect("nats.example.org").await?;
//! tokio::spawn(fleet::join(router, client, config.clone().instance("chat-7f9c")?, std::future::pending()));
//!
//! // Anywhere else:
//! let client = async_nats::connect("nats.example.org").await?;
//! let mut stream = fleet::watch(client, &config, SessionOptions::remote(Predicate::eq("user", 42))).await?;
//! while let Some(item) = stream.recv().await {
//!     println!("{item}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - **Filtering stays with the producers.** An instance opens an ordinary session of its router, within its own
//!   [limits](tracing_tap::TapRouterBuilder), and sends what that gives. Nothing else crosses the network but about 170 bytes a
//!   second for each instance and session.
//! - **A session is a lease.** The watcher announces it every two seconds; an instance closes it when three announcements
//!   are missed. There is no coordinator and nothing is stored, so whoever dies leaves nothing behind, and an instance
//!   that starts takes part within one renewal.
//! - **Every loss is seen**, and said where and at whom: in the ring, on the way, here. See [`FleetStats`] for the
//!   account.
//! - **Messages are signed** by a key that instances and watchers share. Who may read and write which subjects is for the
//!   server's permissions.
//!
//! What the NATS client itself logs, target `async_nats`, is in no session of the fleet: it would feed on itself.
//! Subjects, messages, trust and losses are told in `docs/fleet.md`.

mod attention;
mod batch;
mod config;
mod counts;
mod event;
mod inbox;
mod item;
mod key;
mod limits;
mod link;
mod member;
mod merge;
mod message;
mod opening;
mod pack;
mod peer;
mod peers;
mod publisher;
mod replay;
mod seal;
mod source;
mod stats;
mod stream;
mod subject;
mod watcher;

pub use config::{Config, ConfigError};
pub use counts::IgnoredMessages;
pub use event::{FleetEvent, FleetEventError};
pub use item::{FleetItem, Gap, GapPlace, InstanceAccount};
pub use key::{Key, KeyError};
pub use message::LeaveReason;
pub use source::Fleet;
pub use stats::FleetStats;
pub use stream::FleetStream;

use async_nats::{Client, Message, Subscriber};
use counts::Counts;
use futures_core::Stream;
use inbox::Inbox;
use member::Member;
use message::{Announcement, SessionKey};
use opening::OpeningError;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tracing_tap::SessionOptions;
use tracing_tap::TapRouter;
use tracing_tap::endpoint::Quiet;
use watcher::Watcher;

/// Has an instance take part in the fleet until `shutdown` is done; give it to `tokio::spawn`.
///
/// It never holds up the service, and no trouble with the server ends it: while that is away there are no sessions.
/// Dropping it ends its sessions at once; `shutdown` lets them send what waits.
pub fn join(
    router: TapRouter,
    client: Client,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Membership {
    let counts = Arc::new(Counts::default());
    let member = Member::new(router, client, config, Arc::clone(&counts));
    let work = async move {
        // Where the system gives no randomness, the instance cannot be told from others and takes no part.
        if let Some(member) = member {
            member.run(shutdown).await;
        }
    };
    Membership { counts, work: Some(Box::pin(Quiet::new(work))), runtime: None }
}

/// Opens a session on all instances of a service, and keeps it open until the stream is dropped.
///
/// The session's limits hold for the whole fleet: [`max_events`](SessionOptions::max_events) and
/// [`max_rate`](SessionOptions::max_rate) are never exceeded by all instances together; its ring is each instance's own.
///
/// # Errors
/// If the session cannot be announced: its predicate or scope has no text form that stands for it, or a name is longer
/// than 256 bytes; if the client is closed; or if the system gives no randomness.
pub async fn watch(
    client: Client,
    config: &Config,
    session: impl Into<SessionOptions>,
) -> Result<FleetStream, FleetError> {
    let session = session.into();
    let announcement =
        Announcement::of(&session, config.renewal).map_err(|error| FleetError(Trouble::Announce(error)))?;
    let key = SessionKey::random().map_err(|_| FleetError(Trouble::NoRandomness))?;
    // Before the announcement, so that no answer is missed.
    let subscribed = client.subscribe(config.subjects.events(key)).await;
    let messages = subscribed.map_err(|_| FleetError(Trouble::Closed))?;
    let inbox = Arc::new(Inbox::default());
    let watcher = Watcher::new(client, config.clone(), key, (&session, announcement), Arc::clone(&inbox));
    tokio::spawn(Quiet::new(watcher.run(messages)));
    Ok(FleetStream::new(inbox))
}

/// An instance's part in the fleet, as a future that is done once it has left.
#[must_use = "an instance takes part for as long as this is polled"]
pub struct Membership {
    counts: Arc<Counts>,
    /// Nothing once it is done or dropped.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Where it is polled: the client's subscriptions panic where they are dropped outside a runtime.
    runtime: Option<Handle>,
}

/// Why a session could not be opened on a fleet.
#[derive(Debug)]
pub struct FleetError(Trouble);

#[derive(Debug)]
enum Trouble {
    Announce(OpeningError),
    Closed,
    NoRandomness,
}

impl Membership {
    /// How many messages were not heeded so far: a function, to be asked while the membership is polled elsewhere.
    pub fn ignored(&self) -> impl Fn() -> IgnoredMessages + Send + Sync + use<> {
        let counts = Arc::clone(&self.counts);
        move || counts.read()
    }
}

impl Future for Membership {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.runtime.is_none() {
            self.runtime = Handle::try_current().ok();
        }
        let Some(work) = &mut self.work else { return Poll::Ready(()) };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let _runtime = self.runtime.as_ref().map(Handle::enter);
        self.work = None;
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("ignored", &self.counts.read()).finish_non_exhaustive()
    }
}

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("open a session on the fleet: ")?;
        match &self.0 {
            Trouble::Announce(error) => error.fmt(f),
            Trouble::Closed => f.write_str("the NATS client is closed"),
            Trouble::NoRandomness => f.write_str("the system gives no random numbers"),
        }
    }
}

impl std::error::Error for FleetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Trouble::Announce(error) => std::error::Error::source(error),
            Trouble::Closed | Trouble::NoRandomness => None,
        }
    }
}

/// The next message; nothing once the client is closed. Cancel safe.
async fn next_message(messages: &mut Subscriber) -> Option<Message> {
    poll_fn(|context| Pin::new(&mut *messages).poll_next(context)).await
}

/// The next message that is there already.
async fn ready_message(messages: &mut Subscriber) -> Option<Message> {
    poll_fn(|context| match Pin::new(&mut *messages).poll_next(context) {
        Poll::Ready(message) => Poll::Ready(message),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
