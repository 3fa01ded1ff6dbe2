//! The HTTP endpoint over real sockets: with `curl`, with a client of server-sent events, and with hostile bytes.

mod events;
mod half_closed;
mod keeping;
mod mounting;
mod page;
mod past;
mod pressing;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod profiling;
mod refusing;
mod shutdown;
mod timing;
mod watching;
