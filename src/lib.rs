//! Watch one user of a running service: sessions that route exactly the matching `tracing` events, down to TRACE,
//! while everyone else's cost nothing.
//!
//! A service with thousands of live connections runs at INFO. User 42 says it is broken. An operator opens a
//! *session*, `user = 42`, and at once reads, live, every event of that user, from spans opened hours ago as well.
//! Nobody else's events are formatted, their arguments are not even evaluated; when the session closes, events cost
//! nothing again.
//!
//! ```
//! use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};
//! use tracing_tap::{Item, Predicate, TapRouter};
//!
//! let router = TapRouter::new();
//! tracing_subscriber::registry()
//!     .with(fmt::layer().with_filter(LevelFilter::INFO))
//!     .with(router.layer())
//!     .init();
//! let connection = tracing::info_span!("conn", user = 42); // opened hours before the session
//!
//! let mut stream = router.watch(Predicate::eq("user", 42));
//! connection.in_scope(|| tracing::trace!(channel = "orders", "subscribed"));
//! for item in stream.drain() {
//!     if let Item::Event { event, .. } = item {
//!         assert_eq!(event.message(), "subscribed");
//!         println!("{event}\n");
//!     }
//! }
//! ```
//!
//! - [`TapRouter`] is created once; its [`layer`](TapRouter::layer) goes beside the service's own layers.
//! - [`Predicate`] says which events, built by calls or read from text, see [`predicate::syntax`]; [`SessionOptions`] how many of
//!   them to keep and for how long, and what it [follows](Follow).
//! - [`EventStream`] gives [`Item`]s: events, losses where they happened, the end. Its [account](missing) is exact.
//! - An [`Item`]'s [`CapturedEvent`] has its own fields and those of its spans, as they were; `Display` is for people.
//! - [`write_item`] writes one as JSON, for people, as a line for a terminal or as a command for GitHub Actions, see
//!   [`Format`]; an item can be read back from JSON, whose form is told in [`wire`].
//!   [`forward_to`](EventStream::forward_to) writes all of a session.
//! - [`try_watch`](TapRouter::try_watch) opens sessions on behalf of others, within caps and [`SessionOptions::scope`]. The
//!   service's logs tell of all that are opened, refused and ended: the target `tracing_tap::audit`.
//!   [`watch_env`](TapRouter::watch_env) is for services without a door.
//! - [`coverage`](EventStream::coverage) tells why a session sees nothing, [`catalog`](TapRouter::catalog) what there
//!   is to ask for.
//!
//! # What it promises
//! It never harms the host: idle, events cost nothing and spans the keeping of their fields; with sessions open,
//! producers never block, nothing grows without bound, and other layers see what they would see without it. It never
//! lies: exactly the matching events, every loss counted.
//!
//! # Features
//! - `log` (on by default): records of the `log` crate count as what they are, and those too verbose for the service's own
//!   logs come while a session wants them. They come through `tracing-log`, which `tracing_subscriber`'s `init()` installs.
//! - `signal`: sessions that a signal opens and the next one closes, on Unix.
//! - `prometheus`: the router's own health as a Prometheus scrape.
//! - `web`: the HTTP door, with `prometheus`.
//! - `nats`: one session over every instance of a service, on NATS.
//! - `cli`: the `tracing-tap` binary.

// In the order of dependence: each uses only those above it.
mod sync;
mod guard;
pub mod escape;
mod level;
mod time;
pub mod value;
pub mod event;
pub mod predicate;
mod config;
mod queue;
pub mod coverage;
pub mod catalog;
pub mod missing;
pub mod session;
pub mod stream;
pub mod render;
pub mod wire;
pub mod forward;
pub mod audit;
mod inbox;
mod span_limit;
mod shared;
mod layer;
pub mod router;
#[cfg(feature = "prometheus")]
pub mod prometheus;
pub mod switch;
pub mod endpoint;

pub use coverage::{Coverage, Verdict};
pub use event::{CapturedEvent, CapturedSpan};
pub use layer::TapLayer;
pub use missing::{Missing, MissingReason};
pub use predicate::{Predicate, PredicateError};
pub use render::{Format, write_item};
pub use router::{TapRouter, TapRouterBuilder, WatchError};
pub use session::{EndReason, Follow, Overflow, SessionId, SessionInfo, SessionOptions, SessionStats};
pub use stream::{EventStream, Item};
pub use value::Value;

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
