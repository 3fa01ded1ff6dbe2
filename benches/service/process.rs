//! A service process, as the parent has it.

use crate::configuration::Configuration;
use crate::schedstat::nanoseconds_of_threads;
use crate::workload::Workload;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr;

/// Starts this program as a service.
pub(crate) const SERVE: &str = "--serve";

/// Ends when it is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    child: Child,
    output: BufReader<ChildStdout>,
}

/// What a service says at its end.
pub(crate) struct Account {
    /// Events that matched a session, over all sessions.
    pub(crate) matched: u64,
    pub(crate) lost: u64,
    /// Lines of its log.
    pub(crate) lines: u64,
}

impl Service {
    pub(crate) fn start(workload: Workload, configuration: &Configuration) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a bench is a file"));
        command.args([SERVE, workload.name(), configuration.name]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a bench can start itself");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut address = String::new();
        output.read_line(&mut address).expect("it prints its address");
        Self { address: address.trim().parse().expect("it prints its address"), child, output }
    }

    /// CPU time it has used so far, in nanoseconds; exact while nothing is asked of it.
    pub(crate) fn cpu_nanoseconds(&self) -> f64 {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        nanoseconds_of_threads(&process, |_| true).expect("Linux tells the CPU time of threads in /proc")
    }

    pub(crate) fn end(mut self) -> Account {
        drop(self.child.stdin.take());
        let mut account = String::new();
        self.output.read_to_string(&mut account).expect("it prints its account");
        account.parse().expect("its account is numbers")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended, and be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.matched, self.lost, self.lines)
    }
}

impl FromStr for Account {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [matched, lost, lines] = numbers[..] else { return Err("not three numbers") };
        Ok(Self { matched, lost, lines })
    }
}
