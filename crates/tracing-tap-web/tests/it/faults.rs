//! Faults at the endpoint: readers that stop, die, come and go, hooks that panic, a server that ends.

mod ending;
mod hooks;
mod readers;
