//! The HTTP endpoint over real sockets: with `curl`, with a client of server-sent events, and with hostile bytes.

mod events;
mod half_closed;
mod keeping;
mod mounting;
mod page;
mod past;
mod pressing;
mod refusing;
mod shutdown;
mod timing;
mod watching;
