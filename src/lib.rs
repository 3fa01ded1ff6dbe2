//! Producer-side filtered diagnostic sessions for services instrumented with `tracing`.

pub mod event;
pub mod predicate;
pub mod value;

pub use event::{CapturedEvent, CapturedSpan};
pub use predicate::{Keys, Predicate, PredicateError};
pub use value::{Text, Value};
