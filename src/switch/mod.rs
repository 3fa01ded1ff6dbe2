//! Switches for services that have no door: a session that a signal opens and closes, and one from the environment.

mod environment;
#[cfg(all(unix, feature = "signal"))]
mod signal;

pub use environment::WatchEnvError;
#[cfg(all(unix, feature = "signal"))]
pub use signal::{Signal, SignalSwitch};
