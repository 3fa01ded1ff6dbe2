//! Forwards a session to an OTLP endpoint, as log records over HTTP.
//!
//! ```no_run
//! use tracing_tap::{Predicate, TapRouter};
//! use tracing_tap_otel::otlp::Collector;
//!
//! # fn forward(router: TapRouter) -> Result<(), Box<dyn std::error::Error>> {
//! let collector = Collector::new("https://collector.example:4318/v1/logs")?
//!     .header("authorization", "Bearer S8uWXu0mEZzN1Fbs")?
//!     .resource("service.name", "chat")
//!     .build()?;
//! let forwarding = collector.forward(router.watch(Predicate::eq("user", 42)))?;
//! # let delivered =
//! forwarding.join().delivered
//! # ; let _ = delivered; Ok(())
//! # }
//! ```
//!
//! - **Each event is a log record**, with its time, severity, message as body, trace and span id, fields, and the fields of the
//!   spans around it. The losses of the session and its end are records of their own, so that nothing is missing silently.
//! - **Producers never wait.** Records are sent in batches by a thread of its own. While the collector does not accept them, the
//!   session's buffer fills, and what does not fit is lost and counted as ever.
//! - **Retries are bounded.** A batch is sent again after 429, 502, 503, 504 and connection errors, with growing pauses or after
//!   the time in `Retry-After`, until [`retry_for`](CollectorBuilder::retry_for) has passed. Then it is dropped, counted, and
//!   reported as a record. A batch whose answer is lost is sent again, so its records may be there twice.
//! - **Headers are secrets.** They are sent without TLS to this machine alone, unless
//!   [`allow_plaintext`](CollectorBuilder::allow_plaintext) says otherwise. Redirects are not followed.

mod client;
mod collector;
mod counts;
mod exporter;
mod record;

pub use collector::{Collector, CollectorBuilder, CollectorError};
pub use counts::Delivery;
pub use exporter::{Exporter, Forwarding};
pub use record::Record;
