//! The page in a real browser: Chromium without a window, driven through `chromedriver`.
//!
//! Each test has a browser of its own and plays several scenarios in it; the name of the scenario that fails is printed.
#![cfg(feature = "web")]

#[macro_use]
#[path = "support/mod.rs"]
mod support;

#[path = "page/browser.rs"]
mod browser;
#[path = "web/client.rs"]
#[expect(dead_code, reason = "the tests of the door use more of it")]
mod client;
#[path = "page/driver.rs"]
mod driver;
/// What the clients bring as their token.
mod fixture {
    pub(crate) use crate::stage::TOKEN;
}
#[path = "page/line.rs"]
mod line;
#[path = "page/processor.rs"]
mod processor;
#[path = "page/stage.rs"]
mod stage;
#[path = "page/opening.rs"]
mod opening;
#[path = "page/reading.rs"]
mod reading;
#[path = "page/digging.rs"]
mod digging;
#[path = "page/interrupted.rs"]
mod interrupted;
#[path = "page/looking.rs"]
mod looking;
#[path = "page/pressing.rs"]
mod pressing;
#[cfg(feature = "cli")]
#[path = "page/picture.rs"]
mod picture;
