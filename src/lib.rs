//! Producer-side filtered diagnostic sessions for services instrumented with `tracing`.

// In the order of dependence: each uses only those above it.
mod guard;
mod level;
pub mod value;
pub mod event;
pub mod predicate;
mod config;
mod queue;
mod session;
mod stream;
mod render;
mod inbox;
mod shared;
mod layer;
mod router;

pub use event::{CapturedEvent, CapturedSpan};
pub use layer::TapLayer;
pub use predicate::{Keys, Predicate, PredicateError};
pub use queue::Overflow;
pub use router::{RouterStats, TapRouter, TapRouterBuilder, WatchError};
pub use session::{EndReason, Session, SessionId, SessionInfo, SessionStats};
pub use stream::{EventStream, Item, LossReason, Lost, TryRecvError};
pub use value::{Text, Value};
