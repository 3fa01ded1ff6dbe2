//! The demo as its users run it.

use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use testing::wait_for;

const BINARY: &str = env!("CARGO_BIN_EXE_demo");
/// Long enough that a demo which ends has not ended because its time was over.
const FOREVER: &str = "3600";

/// A demo that is running, and is not left behind by a test that fails.
struct Demo(Child);

/// A demo that has ended.
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        Self::spawn(Command::new(BINARY).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    fn spawn(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().expect("the demo can be started"))
    }

    fn end(mut self) -> Ended {
        let (stdout, stderr) = (read_to_end(self.0.stdout.take()), read_to_end(self.0.stderr.take()));
        let status = self.wait();
        let text = |reading: JoinHandle<String>| reading.join().expect("the output is text");
        Ended { status, stdout: text(stdout), stderr: text(stderr) }
    }

    fn wait(&mut self) -> ExitStatus {
        wait_for("the demo to end", || self.0.try_wait().expect("a child can be waited for"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Ended {
    fn events(&self) -> Vec<&str> {
        let (events, _) = self.stdout.split_once("Summary of").expect("there is a summary");
        events.split_terminator("\n\n").collect()
    }

    /// The number of a row of the summary.
    #[track_caller]
    fn number(&self, row: &str) -> u64 {
        let (_, summary) = self.stdout.split_once("Summary of").expect("there is a summary");
        let rest = summary.lines().find_map(|line| line.trim_start().strip_prefix(row));
        let number = rest.and_then(|rest| rest.split_whitespace().next()).unwrap_or_else(|| panic!("no row `{row}`"));
        number.replace(',', "").parse().unwrap_or_else(|_| panic!("`{row}` is {number}"))
    }

    #[track_caller]
    fn assert_failed_with(&self, message: &str) {
        assert!(!self.status.success(), "it failed");
        assert!(self.stderr.contains(message), "`{message}` is not in: {}", self.stderr);
        assert_eq!(self.stdout, "");
    }
}

fn read_to_end(source: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || source.map_or(Ok(String::new()), io::read_to_string).expect("the output is text"))
}

#[track_caller]
fn assert_is_human_form_of_user_42(event: &str) {
    let lines: Vec<_> = event.lines().collect();
    assert!(!lines[0].starts_with(' '), "{event}");
    for (line, start) in
        lines[1..].iter().zip(["  time: 20", "  level: ", "  target: demo::chat", "  source: crates/demo/src"])
    {
        assert!(line.starts_with(start), "{event}");
    }
    let users: Vec<_> = lines.iter().filter(|line| line.trim_start().starts_with("user:")).collect();
    assert_eq!(users, [&"        user: 42"], "{event}");
    assert!(event.contains("  spans:\n    - conn:\n        conn_id: "), "{event}");
}

#[test]
fn it_prints_the_events_of_one_user_and_accounts_for_all() {
    let ended = Demo::start(&["--connections", "60", "--seconds", "2"]).end();
    assert!(ended.status.success(), "{}", ended.stderr);
    let events = ended.events();
    events.iter().for_each(|event| assert_is_human_form_of_user_42(event));
    for part in ["level: TRACE", "level: DEBUG", "- message:\n        kind: publish", "kind: subscribe", "kind: ping"] {
        assert!(events.iter().any(|event| event.contains(part)), "some event has `{part}`");
    }

    assert_eq!(ended.number("connections"), 60);
    assert_eq!(ended.number("delivered"), events.len() as u64);
    assert_eq!(ended.number("matched"), ended.number("delivered") + ended.number("lost"));
    assert!(ended.number("with the session open") > ended.number("matched"));
    assert!(ended.number("events that happened") > ended.number("with the session open"));
    assert!(ended.number("messages/s, closed") > 0 && ended.number("messages/s, open") > 0);
}

#[test]
fn the_services_own_log_stays_at_info() {
    let ended = Demo::start(&["--connections", "60", "--seconds", "1"]).end();
    assert!(ended.stderr.contains(" INFO demo::chat: listening"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("DEBUG demo") && !ended.stderr.contains("TRACE demo"));
}

#[test]
fn its_start_up_print_ends_with_the_page_and_stays_in_sight() {
    let mut demo = Demo::start(&["--connections", "50", "--seconds", "2"]);
    let stdout = read_to_end(demo.0.stdout.take());
    let mut lines =
        BufReader::new(demo.0.stderr.take().expect("it is a pipe")).lines().map(|line| line.expect("it is text"));
    let line = lines.find(|line| line.contains("in a browser: ")).expect("it says where the page is");
    let (_, page) = line.split_once("in a browser: ").expect("it was found by that");
    let curl = |address: &str| {
        let output =
            Command::new("curl").args(["--silent", "--noproxy", "*", address]).output().expect("there is curl");
        String::from_utf8(output.stdout).expect("it is text")
    };
    assert!(curl(page).to_lowercase().starts_with("<!doctype html>"), "{page}");
    // The log has a session of another client, and none of the demo's own.
    assert!(curl(&format!("{page}watch?q=user%3D42&max=1")).contains("max_events"));
    let rest: Vec<_> = lines.collect();
    assert!(demo.end().status.success());
    assert!(stdout.join().expect("it was read").contains("Summary of"));
    let is_audit = |line: &&String| line.contains("tracing_tap::audit");
    let audits: Vec<_> = rest.iter().filter(is_audit).collect();
    assert_eq!(audits.len(), 2, "{rest:#?}");
    assert!(audits.iter().all(|line| line.contains("opener=\"loopback\"")), "{audits:#?}");
    // Of the demo itself there is nothing more, and of the service what it logs every five seconds.
    assert!(rest.iter().all(|line| line.starts_with("20") && line.contains(" INFO ")), "{rest:#?}");
}

#[test]
fn a_slow_reader_gets_an_account_that_adds_up() {
    let mut demo = Demo::start(&["--connections", "1", "--user", "0", "--seconds", "1"]);
    let mut stdout = demo.0.stdout.take().expect("it is piped");
    let reading = thread::spawn(move || {
        let (mut text, mut byte) = (Vec::new(), [0]);
        while stdout.read(&mut byte).expect("a pipe can be read") > 0 {
            text.extend_from_slice(&byte);
        }
        String::from_utf8(text).expect("the output is text")
    });
    let ended = Ended { stdout: reading.join().expect("it was read"), ..demo.end() };
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(ended.number("matched"), ended.number("delivered") + ended.number("lost"));
    let printed = ended.events().iter().filter(|event| !event.starts_with('[')).count();
    assert_eq!(ended.number("delivered"), printed as u64);
}

#[test]
fn a_taken_port_is_said_to_be_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let port = listener.local_addr().expect("it listens").port().to_string();
    let ended = Demo::start(&["--port", &port, "--connections", "50"]).end();
    ended.assert_failed_with(&format!("error: failed to listen on 127.0.0.1:{port}: Address already in use"));
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for (arguments, message) in [
        (["--connections", "0"], "invalid value '0' for '--connections <NUMBER>'"),
        (["--seconds", "0"], "invalid value '0' for '--seconds <SECONDS>'"),
        (["--port", "65536"], "invalid value '65536' for '--port <PORT>'"),
        (["--user", "alice"], "invalid value 'alice' for '--user <USER>'"),
        (["--user", "1000"], "failed to watch user 1000: 2000 connections have the users 0 to 999"),
        (["--connections", "42"], "failed to watch user 42: 42 connections have the users 0 to 41"),
        (["--conections", "50"], "unexpected argument '--conections'"),
    ] {
        Demo::start(&arguments).end().assert_failed_with(message);
    }
}

#[test]
fn the_end_of_its_reader_is_its_quiet_end() {
    let mut demo = Demo::start(&["--connections", "50", "--seconds", FOREVER]);
    let mut stdout = BufReader::new(demo.0.stdout.take().expect("it is piped"));
    stdout.read_line(&mut String::new()).expect("it prints");
    drop(stdout);
    let ended = demo.end();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(!ended.stderr.contains("error") && !ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn the_end_of_the_reader_of_both_its_outputs_is_its_quiet_end() {
    let (reader, writer) = io::pipe().expect("a pipe can be made");
    let mut command = Command::new(BINARY);
    command.args(["--connections", "50", "--seconds", FOREVER]);
    command.stdout(writer.try_clone().expect("it can be shared")).stderr(writer);
    let mut demo = Demo::spawn(&mut command);
    // Its ends of the pipe.
    drop(command);
    let mut lines = BufReader::new(reader).lines();
    assert!(lines.any(|line| line.expect("it prints").starts_with("  time: ")), "an event was printed");
    drop(lines);
    assert!(demo.wait().success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_with_a_summary() {
    let mut demo = Demo::start(&["--connections", "50", "--seconds", FOREVER]);
    let mut stdout = BufReader::new(demo.0.stdout.take().expect("it is piped"));
    stdout.read_line(&mut String::new()).expect("it prints");
    let killed = Command::new("kill").args(["-INT", &demo.0.id().to_string()]).status().expect("there is `kill`");
    assert!(killed.success());
    let stdout = read_to_end(Some(stdout));
    let ended = Ended { stdout: stdout.join().expect("it was read"), ..demo.end() };
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(ended.number("matched"), ended.number("delivered") + ended.number("lost"));
}

/// Starts the demo under limits set by the shell.
#[cfg(unix)]
fn under_limits(limits: &str, arguments: &[&str]) -> Ended {
    let script = format!("{limits} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, BINARY]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    Demo::spawn(&mut command).end()
}

#[cfg(unix)]
#[test]
fn it_raises_its_own_limit_of_file_descriptors() {
    let ended = under_limits("ulimit -Sn 64", &["--connections", "60", "--seconds", "1"]);
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(ended.number("connections"), 60);
}

#[cfg(unix)]
#[test]
fn a_low_limit_of_file_descriptors_is_named_in_the_error() {
    let ended = under_limits("ulimit -n 128", &["--connections", "60"]);
    ended.assert_failed_with("they need 184 file descriptors, and this process may have 128");
    ended.assert_failed_with("at most `--connections 32`");
}

#[test]
fn the_curl_line_it_prints_shows_the_users_events() {
    let mut demo = Demo::start(&["--connections", "50", "--seconds", FOREVER]);
    let stderr = BufReader::new(demo.0.stderr.take().expect("its standard error is a pipe"));
    let stdout = read_to_end(demo.0.stdout.take());
    let mut lines = stderr.lines().map(|line| line.expect("it is text"));
    let line = lines.find(|line| line.starts_with("  curl -N ")).expect("it prints the line");
    let rest = thread::spawn(move || lines.count());
    let mut curl = Command::new("sh")
        .args(["-c", &format!("exec {} --silent --max-time 60", line.trim())])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    let seen = BufReader::new(curl.stdout.take().expect("its output is a pipe")).lines().map_while(Result::ok);
    let found = seen.take(1000).any(|line| line.contains("user=42") && line.contains("passed on"));
    let _ = curl.kill();
    let _ = curl.wait();
    assert!(found, "{line} shows the user's events");
    drop(demo);
    let _ = (rest.join(), stdout.join());
}
