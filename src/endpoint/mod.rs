//! Parts for an endpoint of your own, which carries sessions to readers over gRPC, Kafka or a socket.
//!
//! `examples/line_protocol.rs` is one in sixty lines: a line protocol over TCP, with audit and confinement. An endpoint
//! opens sessions with [`TapRouter::try_watch`](crate::TapRouter::try_watch), so that the router's limits apply, confines
//! each with [`SessionOptions::confined_to`](crate::SessionOptions::confined_to), and logs refusals with
//! [`TapRouter::audit`](crate::TapRouter::audit).

mod quiet;
mod source;

pub use crate::level::level_named;
pub use crate::session::rate::TokenBucket;
pub use quiet::{Quiet, quietly};
pub use source::{OpenError, Opening, SessionSource, SessionStream, StreamItem};
