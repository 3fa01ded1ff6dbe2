//! What a session's reader is given, and how it gets from the producers to the reader.

mod budget;
mod ring;
mod wait;

pub use ring::Overflow;
