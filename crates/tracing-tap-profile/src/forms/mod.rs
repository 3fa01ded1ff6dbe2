//! The forms in which profiles are written: folded stacks, pprof, the Firefox Profiler's, flame graphs.

mod about;
mod firefox;
#[cfg(feature = "flamegraph")]
mod flamegraph;
mod folded;
mod form;
mod pprof;
mod profile;

pub use about::About;
pub use form::Form;
pub use profile::{Line, Measure, Profile};
