//! The demo as its users run it, and its page in a browser.

mod demo;
mod picture;
