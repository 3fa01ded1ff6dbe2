//! The demo of a fleet, on a real `nats-server`.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use testing::program::{Ended, Folder, Program};
#[cfg(target_os = "linux")]
use testing::wait_until;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Ended {
    Program::start(&mut command(arguments)).end()
}

/// The demo, and where its server was.
#[track_caller]
fn check_demo(ended: &Ended) {
    ended.assert(0, &["Starting a NATS server and 3 instances", "Watching user 42 at all 3"]);
    let (events, summary) =
        ended.stdout.split_once("Summary of user 42: 3 of 3 instances took part\n").expect("it ends so");
    let mut sums = [0; 3];
    for name in ["chat-1", "chat-2", "chat-3"] {
        let counts = row(summary, name);
        assert_eq!(counts[0], counts[1] + counts[2], "{summary}");
        assert!(counts[0] > 0 && events.contains(&format!("[{name}] ")), "{summary}");
        sums = std::array::from_fn(|place| sums[place] + counts[place]);
    }
    assert_eq!(row(summary, "all"), sums, "{summary}");
    assert!(summary.contains(" printed above, "));
    assert!(!events.contains("user: 41") && events.contains("        user: 42\n"));
    let port =
        ended.stderr.split_once("nats://127.0.0.1:").and_then(|(_, rest)| rest.split(',').next()).expect("it says");
    let port: u16 = port.parse().expect("it is a port");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "its server ends with it");
}

fn row(summary: &str, name: &str) -> [u64; 3] {
    let row = summary.lines().find_map(|line| line.trim_start().strip_prefix(name)).expect("there is such a row");
    let numbers: Vec<_> = row.split_whitespace().map(|number| number.replace(',', "").parse()).collect();
    std::array::from_fn(|place| numbers[place].clone().expect("it is a number"))
}

#[test]
fn the_demo_of_a_fleet_accounts_for_all_its_instances() {
    check_demo(&run(&["--fleet", "3", "--seconds", "2", "--connections", "150"]));
}

#[test]
fn ctrl_c_ends_the_fleet_with_a_summary_and_no_process_left() {
    let program = Program::start(&mut command(&["--fleet", "3", "--seconds", "3600", "--connections", "150"]));
    ["[chat-1] ", "[chat-2] ", "[chat-3] "].iter().for_each(|name| program.stdout.wait_for(name));
    program.signal("INT");
    check_demo(&program.end());
}

#[test]
fn a_demo_that_cannot_be_is_refused_before_anything_is_started() {
    run(&["--fleet", "0"]).assert(2, &["0 is not in 1..=16"]);
    run(&["--fleet", "3", "--port", "1"]).assert(2, &["cannot be used with"]);
    run(&["--fleet", "3", "--connections", "126"]).assert(1, &["42 connections have the users 0 to 41"]);
    run(&["--fleet", "3", "--connections", "2"]).assert(1, &["share 2 connections among 3 instances"]);
}

#[test]
fn a_demo_of_a_fleet_without_a_nats_server_says_what_to_install() {
    let folder = Folder::new();
    let demo = |path: &str| Program::start(command(&["--fleet", "3"]).env("PATH", path)).end();
    let advice = "; install it: `apt install nats-server`, `brew install nats-server`, or see https://nats.io/download";
    let ended = demo(&folder.path("bin"));
    ended.assert(1, &["failed to start a NATS server: there is no `nats-server` on this machine", advice]);
    assert_eq!(ended.stdout, "");
}

#[cfg(unix)]
#[test]
fn a_nats_server_that_does_not_start_is_an_error() {
    let folder = Folder::new();
    let program = folder.write("sbin/nats-server", "#!/bin/sh\nexit 1\n");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("it is ours");
    let demo = Program::start(command(&["--fleet", "3"]).env("PATH", folder.path("bin"))).end();
    demo.assert(1, &["failed to start a NATS server: it ended 5 times", "see what `nats-server --addr"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_demo_of_a_fleet_that_was_killed_leaves_no_process() {
    let mut demo = Program::start(&mut command(&["--fleet", "3", "--seconds", "3600", "--connections", "150"]));
    ["[chat-1] ", "[chat-2] ", "[chat-3] "].iter().for_each(|name| demo.stdout.wait_for(name));
    let started = descendants(demo.child.id());
    assert_eq!(started.len(), 5, "three instances, a server and its keeper");
    demo.signal("KILL");
    demo.wait();
    wait_until("all of them to end", || !started.iter().any(|process| is_alive(*process)));
}

/// What a process has started, and what that has.
#[cfg(target_os = "linux")]
fn descendants(process: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("it is there").flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let own: Vec<u32> = numbers.filter(|child| stat(*child).is_some_and(|(_, parent)| parent == process)).collect();
    let further: Vec<_> = own.iter().flat_map(|child| descendants(*child)).collect();
    [own, further].concat()
}

/// A process that has ended and that nobody has asked about is none any more.
#[cfg(target_os = "linux")]
fn is_alive(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z")
}

/// Its state and its parent.
#[cfg(target_os = "linux")]
fn stat(process: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut words = text.rsplit_once(") ")?.1.split(' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}
