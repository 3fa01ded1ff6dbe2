//! The demo as its users run it, and its page in a browser.

mod demo;
#[cfg(feature = "fleet")]
mod fleet;
mod picture;
