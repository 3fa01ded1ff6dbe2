//! The queue between producers and one reader: bounded, lock-free, exact about what it loses.

pub(crate) mod budget;
pub(crate) mod ring;
pub(crate) mod wait;

pub use ring::Overflow;
