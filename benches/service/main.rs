//! What tracing-tap costs a whole service: CPU time per request, requests per second and p99, compared with the same
//! service without a router.
//!
//! `cargo bench --bench service [-- [--pairs N] [--slice-ms N] [--against ROW] [PART OF A ROW'S NAME]]`. Linux only. The
//! service is a process of its own; the load comes from this one, over sockets. docs/performance.md describes the method.

mod comparison;
mod configuration;
mod connections;
mod load;
mod log;
mod options;
mod process;
mod readers;
mod requests;
mod row;
#[path = "../../crates/tracing-tap-web/benches/endpoint/schedstat.rs"]
mod schedstat;
mod serve;
mod spread;
mod workload;

use options::Options;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [process::SERVE, workload, configuration] => serve::serve(workload, configuration),
        ref arguments => row::print(&Options::parse(arguments)),
    }
}
