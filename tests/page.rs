//! The page in a real browser: Chromium without a window, driven through `chromedriver`.
//!
//! Each test has a browser of its own and plays several scenarios in it; the name of the scenario that fails is printed.
#![cfg(feature = "web")]

#[macro_use]
#[path = "support/mod.rs"]
mod support;

#[path = "page/browser.rs"]
mod browser;
#[path = "page/driver.rs"]
mod driver;
#[path = "page/stage.rs"]
mod stage;
#[path = "page/opening.rs"]
mod opening;
