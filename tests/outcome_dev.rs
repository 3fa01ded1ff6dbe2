//! Development only.
#![allow(clippy::unwrap_used)]
#[macro_use]
extern crate testing;
mod it {
    mod outcome;
}
