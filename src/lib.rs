//! Producer-side filtered diagnostic sessions for services instrumented with `tracing`.

pub mod event;
mod render;
pub mod value;

pub use event::{CapturedEvent, CapturedSpan};
pub use value::{Text, Value};
