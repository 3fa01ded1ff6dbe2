//! The page in a real browser: Chromium without a window, driven through `chromedriver`.
//!
//! Each test has a browser of its own and plays several scenarios in it; the name of the scenario that fails is printed.

mod digging;
mod flames;
mod interrupted;
mod line;
mod looking;
mod opening;
mod past;
mod pressing;
mod processor;
mod reading;
mod recordings;
mod stage;
mod timing;
mod tracing;
