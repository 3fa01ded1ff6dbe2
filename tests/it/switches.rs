//! Sessions that a signal opens and closes, by real signals to this process, and one from the environment.
#![cfg(all(unix, feature = "signal"))]
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::io::{self, ErrorKind, Write};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testing::{Output, info_printer, messages, wait_until};
use tracing_subscriber::prelude::*;
use tracing_tap::switch::{Signal, SignalSwitch};
use tracing_tap::{Format, Predicate, SessionOptions, TapRouter};

fn install() -> (TapRouter, Output) {
    let (router, logs) = (TapRouter::new(), Output::default());
    tracing_subscriber::registry().with(info_printer(&logs)).with(router.layer()).init();
    (router, logs)
}

fn of_42() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42))
}

fn send(signal: &str) {
    let killed = Command::new("kill").args([signal, &std::process::id().to_string()]).status();
    assert!(killed.expect("there is `kill`").success());
}

/// Sends a signal and waits until so many sessions are open.
fn toggle(router: &TapRouter, signal: &str, open: usize) {
    send(signal);
    wait_until("the switch", || router.sessions().len() == open);
}

fn switch(router: &TapRouter, writer: impl Write + Send + 'static) -> SignalSwitch {
    router.on_signal([Signal::USR1, Signal::QUIT], of_42(), writer, Format::Compact).unwrap()
}

fn emit(message: &str) {
    tracing::debug!(user = 42, "{message}");
    tracing::debug!(user = 43, "not {message}");
}

/// Emits until the youngest session has got it: it is listed before the callsites know of it.
fn emit_to_youngest(router: &TapRouter, message: &str) {
    wait_until("a match", || {
        emit(message);
        router.sessions().last().is_none_or(|session| session.stats.matched > 0)
    });
}

/// A writer that fails on request.
#[derive(Clone, Default)]
struct Failing {
    output: Output,
    fails: Arc<AtomicBool>,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.fails.load(Ordering::SeqCst) { Err(io::Error::other("no room")) } else { self.output.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

isolated! {
    fn one_signal_opens_the_session_the_next_closes_it_and_so_on() {
        let (router, _) = install();
        let output = Output::default();
        let switch = switch(&router, output.clone());
        emit("before");
        toggle(&router, "-USR1", 1);
        assert_eq!(router.sessions()[0].opened_by.as_deref(), Some("signal SIGUSR1"));
        emit_to_youngest(&router, "first");
        toggle(&router, "-QUIT", 0);
        emit("between");
        toggle(&router, "-QUIT", 1);
        assert_eq!(router.sessions()[0].opened_by.as_deref(), Some("signal SIGQUIT"));
        emit_to_youngest(&router, "second");
        switch.join().unwrap();
        emit("after");
        let mut lines = output.lines();
        // A match that is just being read counts for nothing for a moment, and is then emitted once more.
        lines.dedup_by_key(|line| line.split_once(' ').map(|(_, rest)| rest.to_owned()));
        let expected = [" first", "closed", " second", "closed"];
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        assert!(lines.iter().zip(expected).all(|(line, part)| line.contains(part)), "{lines:#?}");
    }

    fn a_dropped_switch_closes_its_session_and_hears_no_signal() {
        let (router, _) = install();
        let mut other = router.watch(of_42());
        let switch = switch(&router, Output::default());
        toggle(&router, "-USR1", 2);
        drop(switch);
        // Not at once: the session is listed before the switch has it in hand.
        wait_until("its session to be closed", || router.sessions().len() == 1);
        // They would kill this process by default.
        (0..3).for_each(|_| { send("-USR1"); send("-QUIT") });
        emit("alive");
        assert_eq!(messages(&mut other), ["alive"]);
        assert_eq!((router.sessions().len(), router.stats().opened_sessions), (1, 2));
    }

    fn a_session_that_ended_by_its_limit_is_followed_by_a_new_one() {
        let (router, _) = install();
        let output = Output::default();
        let session = of_42().max_events(1).opened_by("the operators");
        let switch = router.on_signal([Signal::USR2], session, output.clone(), Format::Compact).unwrap();
        for _ in 0..3 {
            toggle(&router, "-USR2", 1);
            assert_eq!(router.sessions()[0].opened_by.as_deref(), Some("the operators"));
            emit_to_youngest(&router, "one");
            wait_until("the limit", || router.sessions().is_empty());
        }
        switch.join().unwrap();
        assert_eq!(output.lines().len(), 6, "{:#?}", output.lines());
    }

    fn a_failing_writer_ends_its_session_and_a_signal_opens_another() {
        let (router, logs) = install();
        let mut other = router.watch(of_42());
        let writer = Failing::default();
        let switch = switch(&router, writer.clone());
        writer.fails.store(true, Ordering::SeqCst);
        toggle(&router, "-USR1", 2);
        wait_until("the failure", || { emit("lost"); router.sessions().len() == 1 });
        wait_until("the warning", || logs.lines().iter().any(|line| line.contains("WARN") && line.contains("no room")));
        writer.fails.store(false, Ordering::SeqCst);
        toggle(&router, "-USR1", 2);
        emit_to_youngest(&router, "written");
        toggle(&router, "-USR1", 1);
        switch.join().unwrap();
        assert_eq!(writer.output.lines().len(), 2, "{:#?}", writer.output.lines());
        let mut seen = messages(&mut other);
        seen.dedup();
        assert_eq!(seen, ["lost", "written"], "others go on");
    }

    fn joining_the_switch_returns_the_last_writers_error() {
        let (router, _) = install();
        let writer = Failing::default();
        writer.fails.store(true, Ordering::SeqCst);
        let switch = switch(&router, writer);
        toggle(&router, "-USR1", 1);
        wait_until("the failure", || { emit("lost"); router.sessions().is_empty() });
        assert_eq!(switch.join().unwrap_err().to_string(), "no room");
    }

    fn signals_that_nobody_can_listen_for_are_refused() {
        let (router, _) = install();
        let mut other = router.watch(of_42());
        let kill = Signal::from_number(9);
        for (signals, words) in [
            (vec![], "failed to listen for signals: none is given"),
            (vec![kill], "failed to listen for SIGKILL: no process can handle it"),
            (vec![Signal::USR2, Signal::from_number(11)], "failed to listen for SIGSEGV: no process can handle it"),
            (vec![Signal::from_number(0)], "failed to listen for signal 0: there is no such signal"),
            (vec![Signal::from_number(-1)], "failed to listen for signal -1: there is no such signal"),
            (vec![Signal::from_number(4711)], "failed to listen for signal 4711: there is no such signal"),
            (vec![Signal::from_number(127)], "failed to listen for signal 127: Invalid argument (os error 22)"),
        ] {
            let error = router.on_signal(signals, of_42(), io::sink(), Format::Json).expect_err("it is refused");
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, words));
        }
        emit("goes on");
        assert_eq!(messages(&mut other), ["goes on"]);
        assert_eq!(router.stats().opened_sessions, 1);
    }

    fn two_switches_of_one_signal_have_a_session_each() {
        let (router, _) = install();
        let (first, second) = (switch(&router, Output::default()), switch(&router, Output::default()));
        toggle(&router, "-USR1", 2);
        drop(first);
        wait_until("the first to close", || router.sessions().len() == 1);
        toggle(&router, "-USR1", 0);
        second.join().unwrap();
    }
}
