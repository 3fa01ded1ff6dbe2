//! Producer-side filtered diagnostic sessions for services instrumented with `tracing`.

pub mod event;
pub mod stream;
pub mod value;

pub use event::{CapturedEvent, CapturedSpan};
pub use stream::Overflow;
pub use value::{Text, Value};
