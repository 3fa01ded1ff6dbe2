//! Producer-side filtered diagnostic sessions for services instrumented with `tracing`.

mod config;
mod control;
pub mod event;
mod layer;
pub mod predicate;
mod render;
mod router;
mod session;
pub mod stream;
pub mod value;

pub use event::{CapturedEvent, CapturedSpan};
pub use layer::TapLayer;
pub use predicate::{Keys, Predicate, PredicateError};
pub use router::{RouterStats, TapRouter, TapRouterBuilder, WatchError};
pub use session::{Session, SessionId, SessionInfo};
pub use stream::{EndReason, EventStream, Item, LossReason, Lost, Overflow, SessionStats, TryRecvError};
pub use value::{Text, Value};
