//! Watch one user of a running service, live and down to TRACE, while everybody else's events cost almost nothing.
//!
//! A service with thousands of live connections runs at INFO, and user 42 reports a bug. An operator opens a *session* on
//! `user = 42` in the running process and reads that user's events at once, from spans opened hours ago too. Events of
//! others are not formatted, and their arguments are not evaluated. Once the session closes, events cost nothing again.
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
//! - [`TapRouter`] is created once. Its [`layer`](TapRouter::layer) goes next to the service's own layers.
//! - A [`Predicate`] says which events to show; it is built by methods or parsed from text, see [`predicate::syntax`].
//!   [`SessionOptions`] add limits, and what else to show once an event has matched ([`Follow`]).
//! - An [`EventStream`] yields [`Item`]s: events, the number of missing events, and the end. Its counts are exact, see
//!   [`SessionStats`].
//! - A [`CapturedEvent`] holds the event's own fields and those of its spans, with their values at that moment.
//! - [`write_item`] writes an item as JSON, as YAML for people, as a line for a terminal, or as a command for GitHub
//!   Actions, see [`Format`]. [`wire`] documents the JSON, which can be read back.
//!   [`forward_to`](EventStream::forward_to) writes a whole session.
//! - [`try_watch`](TapRouter::try_watch) opens sessions on behalf of others, within the router's limits and
//!   [`SessionOptions::confined_to`]. The service's own log records every session that is opened, refused or ended, see
//!   [`audit`]. [`watch_env`](TapRouter::watch_env) opens a session from environment variables.
//! - [`context`] has adaptors for work that leaves its span, next to those of `tracing`.
//! - [`coverage`](EventStream::coverage) explains why a session sees nothing. [`catalog`](TapRouter::catalog) lists the
//!   callsites reached so far.
//!
//! Other crates watch from elsewhere: `tracing-tap-web` over HTTP, with a page for the browser; `tracing-tap-nats` over all
//! instances of a service; `tracing-tap-cli` in a terminal; `tracing-tap-profile` samples the CPU time of watched spans. [`endpoint`] has the parts for an endpoint of your own.
//!
//! # Promises
//! 1. It never harms the host. Without a session, events cost nothing, and a span costs a copy of its fields. With a
//!    session, producers never block, memory is bounded, and other layers see the same as without it.
//! 2. It never lies. A session shows exactly the matching events, and counts every missing one.
//!
//! # Features
//! - `log` (default): records of the `log` crate are events too. A session raises `log::max_level`, so it also gets records
//!   that are too verbose for the service's own log. They arrive through `tracing-log`, which `tracing_subscriber`'s
//!   `init()` installs.
//! - `regex` (default): the operator `~` and [`Predicate::regex`].
//! - `signal`: a signal opens a session and the next one closes it, on Unix.
//! - `prometheus`: the router's own metrics as a Prometheus scrape.
//! - `tokio`: coverage names span guards that a local task of `tokio` holds across `.await`. While a session is open, each span
//!   entered and each event that is not vetoed costs a look at the task's id, some 30 and 25 instructions.
//! - `usdt`: probes for `bpftrace` and its like, on Linux; a probe that nobody has attached to is a no-op instruction.

#![cfg_attr(docsrs, feature(doc_cfg))]

// In the order of dependence: each uses only those above it.
mod usdt;
mod sync;
mod guard;
pub mod escape;
mod level;
mod time;
pub mod value;
pub mod trace;
pub mod event;
pub mod predicate;
pub mod past;
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
pub mod intervals;
mod shared;
mod layer;
pub mod context;
pub mod router;
#[cfg(feature = "prometheus")]
pub mod prometheus;
pub mod switch;
pub mod endpoint;

pub use coverage::{Coverage, Verdict};
pub use event::{CapturedEvent, CapturedSpan, RequestId, RequestIdError, SpanTiming};
pub use layer::TapLayer;
pub use missing::{Missing, MissingReason};
pub use past::{Horizon, LookBack};
pub use predicate::{Predicate, PredicateError};
pub use render::{Format, write_item};
pub use router::{TapRouter, TapRouterBuilder, WatchError};
pub use session::{EndReason, Follow, Overflow, SessionId, SessionInfo, SessionOptions, SessionStats};
pub use stream::{EventStream, Item};
pub use trace::{TraceContext, TraceSource};
pub use value::Value;

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
