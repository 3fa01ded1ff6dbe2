//! How fast a recording is read: `tracing-tap replay` next to `grep` and `jq`.
//!
//! `cargo bench -p tracing-tap-cli --bench replay [-- --mib N] [PART OF A NAME]`. Writes a recording of `N` MiB, 128 by
//! default, in the folder for temporary files. One event in a hundred is of user 42, and another one in a hundred has the
//! status 500. Prints the best of three runs of each row, which is the one that others disturbed least; `jq` runs once.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Format, Predicate, SessionOptions, TapRouter, write_item};

const ROUNDS: usize = 3;
const MIB: u64 = 1 << 20;
/// Fewer than the session's buffer holds.
const EVENTS_AT_ONCE: u64 = 1_000;

/// A row of the table: its name, the program, and the arguments before the file.
struct Row {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// Arguments behind the file.
    more: &'static [&'static str],
    rounds: usize,
}

const REPLAY: &str = env!("CARGO_BIN_EXE_tracing-tap");

const fn replay(name: &'static str, more: &'static [&'static str]) -> Row {
    Row { name, program: REPLAY, arguments: &["replay", "--quiet"], more, rounds: ROUNDS }
}

const ROWS: &[Row] = &[
    replay("replay 'user = 42', JSON lines", &["user = 42", "--format", "json"]),
    replay("replay 'user = 42', compact", &["user = 42", "--format", "compact"]),
    replay("replay 'status >= 500', JSON lines", &["status >= 500", "--format", "json"]),
    replay("replay 'user = 42 or status >= 500', JSON lines", &["user = 42 or status >= 500", "--format", "json"]),
    replay("replay 'attempt exists and not user < 99'", &["attempt exists and not user < 99", "--format", "json"]),
    replay("replay '*', JSON lines", &["*", "--format", "json"]),
    replay("replay '*', compact", &["*", "--format", "compact"]),
    Row { name: "grep '\"user\":42,'", program: "grep", arguments: &["-F", "\"user\":42,"], more: &[], rounds: ROUNDS },
    Row {
        name: "grep -E '\"status\":5[0-9]{2}'",
        program: "grep",
        arguments: &["-E", "\"status\":5[0-9]{2}"],
        more: &[],
        rounds: ROUNDS,
    },
    Row {
        name: "jq 'select(user is 42)'",
        program: "jq",
        arguments: &["-c", "select(any(.spans[]?; .user == 42) or .fields.user == 42)"],
        more: &[],
        rounds: 1,
    },
    Row {
        name: "jq 'select(.fields.status >= 500)'",
        program: "jq",
        arguments: &["-c", "select(.fields.status >= 500)"],
        more: &[],
        rounds: 1,
    },
    Row { name: "wc -l", program: "wc", arguments: &["-l"], more: &[], rounds: ROUNDS },
];

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (mib, part) = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--mib", mib] => (mib.parse().expect("a number follows --mib"), ""),
        ["--mib", mib, part, ..] => (mib.parse().expect("a number follows --mib"), *part),
        [] => (128, ""),
        [part, ..] => (128, *part),
    };
    let path = std::env::temp_dir().join(format!("tracing-tap-replay-{}.json", std::process::id()));
    let bytes = record(&path, mib * MIB)?;
    println!("| {} MB, 1 % passing unless the row says otherwise | MB/s |", bytes / 1_000_000);
    println!("|---|--:|");
    for row in ROWS.iter().filter(|row| row.name.contains(part)) {
        let best = (0..row.rounds).map(|_| row.time(&path)).min().unwrap_or_default();
        println!("| {} | {:.0} |", row.name, bytes as f64 / 1e6 / best.as_secs_f64());
    }
    std::fs::remove_file(path)
}

impl Row {
    fn time(&self, path: &PathBuf) -> Duration {
        let mut command = Command::new(self.program);
        // A pipe: `grep` stops at the first match if its output is /dev/null.
        command.args(self.arguments).arg(path).args(self.more).stdout(Stdio::piped());
        let begun = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{} can be started: {error}", self.program));
        let mut output = child.stdout.take().expect("it is a pipe");
        io::copy(&mut output, &mut io::sink()).expect("a pipe can be read");
        let status = child.wait().expect("a child can be waited for");
        assert!(status.success(), "{} succeeds", self.name);
        begun.elapsed()
    }
}

/// Writes what a session on everything records, as a watch does. Returns the bytes.
fn record(path: &Path, bytes: u64) -> io::Result<u64> {
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let session = SessionOptions::new(Predicate::everything()).capacity(4_096);
    let mut stream = router.watch(session);
    let mut file = BufWriter::new(File::create(path)?);
    let (mut written, mut number) = (0, 0);
    while written < bytes {
        (number..number + EVENTS_AT_ONCE).for_each(emit);
        number += EVENTS_AT_ONCE;
        written += write(&mut stream, &mut file)?;
    }
    file.flush()?;
    Ok(written)
}

fn write(stream: &mut EventStream, file: &mut impl Write) -> io::Result<u64> {
    let mut lines = Vec::new();
    stream.drain().for_each(|item| write_item(&mut lines, &item, Format::Json));
    file.write_all(&lines)?;
    Ok(lines.len() as u64)
}

fn emit(number: u64) {
    let conn =
        tracing::info_span!("conn", conn_id = 9_000 + number % 1_000, user = number % 100, peer = "10.0.7.31:50412");
    let _conn = conn.entered();
    let status = if number % 100 == 7 { 500 } else { 200 };
    let request = tracing::info_span!("request", method = "GET", path = "/api/v1/orders/7", request_id = "3f2c9a7e");
    request.in_scope(|| {
        tracing::debug!(
            status,
            latency_ms = number % 97,
            attempt = 1,
            cache = "miss",
            "query finished, rows returned to the caller"
        );
    });
}
