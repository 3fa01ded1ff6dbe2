//! How captured events are written, one file per form; nothing here knows of sessions or sockets.

mod human;

mod message;
mod time;
mod yaml;

mod escape;

#[cfg(test)]
mod testing;
