//! The command line as its users run it: the binary, against endpoints on real sockets.

#[macro_use]
extern crate testing;

mod ending;
mod fixture;
mod fleet;
mod hostile;
mod listing;
mod otlp;
mod outcome;
mod papers;
mod past;
mod plaintext;
mod profiling;
mod program;
mod reconnecting;
mod refusing;
mod replaying;
mod sources;
mod strangers;
#[cfg(unix)]
mod terminal;
mod tls;
mod watching;
