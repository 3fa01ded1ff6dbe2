//! How long the command line takes from its start to its end, where there is next to nothing to do.

use crate::clients::TRACING_TAP;
use crate::service::Service;
use crate::table::median;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Odd, so that there is a middle one.
const ROUNDS: usize = 41;

const CHECK: &str = "start: tracing-tap check";
const SESSIONS: &str = "start: tracing-tap sessions";

/// Prints the rows whose name contains `part`; whether there are any.
pub(crate) fn print(part: &str) -> bool {
    let rows: Vec<_> = [CHECK, SESSIONS].into_iter().filter(|name| name.contains(part)).collect();
    let Some(binary) = TRACING_TAP.filter(|_| !rows.is_empty()) else { return false };
    let service = Service::start();
    let url = format!("http://{}", service.address);
    println!("\n| {:<38} | ms, the middle | ms, the most |", "from start to end");
    println!("|{:-<40}|--------------:|-------------:|", "");
    for name in rows {
        let arguments = if name == CHECK { ["check", "user = 42"] } else { ["sessions", &*url] };
        let mut took: Vec<_> = (0..ROUNDS).map(|_| run(binary, &arguments)).collect();
        took.sort_by(f64::total_cmp);
        let most = took[ROUNDS - 1];
        println!("| {name:<38} | {:>13.1} | {most:>12.1} |", median(took));
    }
    true
}

fn run(binary: &str, arguments: &[&str]) -> f64 {
    let mut command = Command::new(binary);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().expect("the binary can be started");
    assert!(status.success(), "{arguments:?}");
    start.elapsed().as_secs_f64() * 1e3
}
