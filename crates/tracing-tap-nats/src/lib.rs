//! One session over every instance of a service, on NATS.
//!
//! A service runs as fifty instances behind a load balancer, and any of them may serve user 42. Each instance
//! [joins](join) the fleet with its router. A watcher opens one session on all instances with [`watch`], and reads one
//! merged stream of the matching events.
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
//! - **Filtering stays in the instances.** An instance opens an ordinary session of its router, within its own
//!   [limits](tracing_tap::TapRouterBuilder), and sends the session's items. Apart from those, about 170 bytes a second
//!   cross the network for each instance and session.
//! - **A session is a lease.** The watcher announces it every two seconds, and an instance closes it when three
//!   announcements are missing. There is no coordinator, and nothing is stored: a process that dies leaves no session
//!   behind, and an instance that starts takes part within one renewal.
//! - **Every loss is counted** and reported with its instance and place: the instance's ring, the network, or the
//!   watcher. See [`FleetStats`].
//! - **Messages are signed** with a key that instances and watchers share; [`Config::accept_key`] replaces it while the
//!   fleet runs. They are not encrypted: the permissions of the server decide who may read and write which subjects.
//! - **Memory is bounded** at instances and watchers, in sessions of any length.
//!
//! Events of the NATS client itself, target `async_nats`, are in no session of the fleet, because each message would
//! cause further events. The file `docs/fleet.md` describes subjects, messages, trust, losses and size.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attention;
mod batch;
mod config;
mod counts;
mod event;
#[cfg(any(test, fuzzing))]
mod fuzzed;
mod inbox;
mod item;
mod key;
mod limits;
mod link;
mod local;
mod member;
mod merge;
mod message;
mod messages;
mod opening;
mod pack;
mod peer;
mod peers;
#[cfg(feature = "tower")]
pub mod propagation;
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
#[cfg(fuzzing)]
pub use fuzzed::check as check_fuzzed;
pub use item::{FleetItem, Gap, GapPlace, InstanceAccount};
pub use key::{Key, KeyError};
pub use message::LeaveReason;
#[cfg(feature = "tower")]
pub use propagation::Propagator;
pub use source::Fleet;
pub use stats::FleetStats;
pub use stream::FleetStream;

use async_nats::{Client, Message, Subscriber};
use counts::Counts;
use futures_core::Stream;
use inbox::Inbox;
use local::LocalSessions;
use member::Member;
use message::{Announcement, SessionKey};
use messages::Messages;
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

/// Joins an instance to the fleet until `shutdown` completes. The future is for `tokio::spawn`.
///
/// It never blocks the service, and it survives failures of the server: while the server is away, there are no
/// sessions. Dropping the future ends its sessions at once; `shutdown` lets them send waiting events first.
pub fn join(
    router: TapRouter,
    client: Client,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Membership {
    let counts = Arc::new(Counts::default());
    let local = Arc::<LocalSessions>::default();
    #[cfg(feature = "tower")]
    let propagator = Propagator::new(router.clone(), config.keys.clone(), Arc::clone(&local));
    let member = Member::new(router, client, config, (Arc::clone(&counts), local));
    let work = async move {
        // Without random numbers the instance has no id of its own, and takes no part.
        if let Some(member) = member {
            member.run(shutdown).await;
        }
    };
    Membership {
        counts,
        #[cfg(feature = "tower")]
        propagator,
        work: Some(Box::pin(Quiet::new(work))),
        runtime: None,
    }
}

/// Opens a session on all instances of a service, or of [several](Config::also_on), until the stream is dropped.
///
/// [`max_events`](SessionOptions::max_events) and [`max_rate`](SessionOptions::max_rate) limit the events of all
/// instances together. Each instance has a ring of its own.
///
/// # Errors
/// - If the session cannot be announced: its predicate or confinement has no equal text form, or a name is longer than
///   256 bytes.
/// - If the client is closed.
/// - If the system provides no random numbers.
pub async fn watch(
    client: Client,
    config: &Config,
    session: impl Into<SessionOptions>,
) -> Result<FleetStream, FleetError> {
    let mut session = session.into();
    if config.is_on_several() {
        session = session.across_services();
    }
    let announcement =
        Announcement::of(&session, config.renewal).map_err(|error| FleetError(Trouble::Announce(error)))?;
    let key = SessionKey::random().map_err(|_| FleetError(Trouble::NoRandomness))?;
    // Before the announcement, so that no answer is missed.
    let mut messages = Messages::default();
    for service in config.services() {
        let subscribed = client.subscribe(service.events(key)).await;
        messages.add(subscribed.map_err(|_| FleetError(Trouble::Closed))?);
    }
    let inbox = Arc::new(Inbox::default());
    let watcher = Watcher::new(client, config.clone(), key, (&session, announcement), Arc::clone(&inbox));
    tokio::spawn(Quiet::new(watcher.run(messages)));
    Ok(FleetStream::new(inbox))
}

/// An instance's membership in the fleet: a future that completes when the instance has left.
#[must_use = "an instance takes part only while this future is polled"]
pub struct Membership {
    counts: Arc<Counts>,
    #[cfg(feature = "tower")]
    propagator: Propagator,
    /// `None` once it is done or dropped.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The runtime that polls it: the client's subscriptions panic if they are dropped outside a runtime.
    runtime: Option<Handle>,
}

/// Error of [`watch`].
#[derive(Debug)]
pub struct FleetError(Trouble);

#[derive(Debug)]
enum Trouble {
    Announce(OpeningError),
    Closed,
    NoRandomness,
}

impl Membership {
    /// A function that returns the number of rejected messages so far, also while the membership is polled elsewhere.
    pub fn ignored(&self) -> impl Fn() -> IgnoredMessages + Send + Sync + use<> {
        let counts = Arc::clone(&self.counts);
        move || counts.read()
    }

    /// Follows watched requests from the previous service into this one, and on into the next.
    #[cfg(feature = "tower")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
    pub fn propagator(&self) -> Propagator {
        self.propagator.clone()
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
        f.write_str("the session was not opened on the fleet: ")?;
        match &self.0 {
            Trouble::Announce(error) => error.fmt(f),
            Trouble::Closed => f.write_str("the NATS client is closed"),
            Trouble::NoRandomness => f.write_str("the system provides no random numbers"),
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

/// The next message; `None` once the client is closed. Cancel safe.
async fn next_message(messages: &mut Subscriber) -> Option<Message> {
    poll_fn(|context| Pin::new(&mut *messages).poll_next(context)).await
}
