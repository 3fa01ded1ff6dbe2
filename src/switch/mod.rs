//! Sessions for services without an endpoint: opened and closed by a signal, or opened from the environment.

mod environment;
#[cfg(all(unix, feature = "signal"))]
mod signal;

pub use environment::WatchEnvError;
#[cfg(all(unix, feature = "signal"))]
pub use signal::{Signal, SignalSwitch};
