//! The command line as its users run it: the binary, against doors on real sockets.
#![cfg(feature = "cli")]

#[macro_use]
#[path = "support/mod.rs"]
mod support;

#[path = "fleet/credentials.rs"]
mod credentials;
#[path = "cli/fixture.rs"]
mod fixture;
#[path = "cli/program.rs"]
mod program;
#[expect(dead_code, reason = "the tests of the fleet use all of it")]
#[path = "fleet/server.rs"]
mod server;
#[path = "cli/strangers.rs"]
mod strangers;
#[path = "cli/watching.rs"]
mod watching;
#[path = "cli/ending.rs"]
mod ending;
#[path = "cli/reconnecting.rs"]
mod reconnecting;
#[path = "cli/refusing.rs"]
mod refusing;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/listing.rs"]
mod listing;
#[path = "cli/papers.rs"]
mod papers;
#[cfg(unix)]
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/tls.rs"]
mod tls;
#[path = "cli/fleet.rs"]
mod fleet;
