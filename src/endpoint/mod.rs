//! What an endpoint of your own needs besides the router: a way to carry sessions to their readers that this project does
//! not bring, over gRPC, Kafka or a socket.
//!
//! `examples/line_protocol.rs` is one in sixty lines: a line protocol over TCP, with audit and confinement.

mod quiet;
mod source;

pub use crate::level::level_named;
pub use crate::session::rate::TokenBucket;
pub use quiet::{Quiet, quietly};
pub use source::{OpenError, Opening, SessionSource, SessionStream, StreamItem};
