//! The output on a terminal, where both outputs are the same one.

use crate::fixture::Service;
use crate::program::{command, wait_for_session_at};
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use testing::wait_until;

const CLEAR: &str = "\r\u{1b}[2K";

/// The binary on a terminal.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    /// Where keys are pressed; the end of it presses one more.
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn watch(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 24, cols: 60, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("there are pseudo-terminals");
        let plain = command(&["watch"]);
        let mut builder = CommandBuilder::new(plain.get_program());
        builder.args(plain.get_args());
        builder.args(arguments);
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => builder.env(name, value),
                None => builder.env_remove(name),
            }
        }
        builder.env("TERM", "xterm");
        variables.iter().for_each(|(name, value)| builder.env(name, value));
        let child = pair.slave.spawn_command(builder).expect("the binary can be started");
        drop(pair.slave);
        let seen = Arc::<Mutex<Vec<u8>>>::default();
        let (mut reader, kept) = (pair.master.try_clone_reader().expect("it can be read"), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // On Linux the end of a terminal is an error.
            while let Ok(count) = reader.read(&mut piece) {
                if count == 0 {
                    break;
                }
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..count]);
            }
        });
        Self { child, keys: pair.master.take_writer().expect("it is taken once"), seen }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, part: &str) {
        wait_until(&format!("`{part}` in {:?}", self.seen()), || self.seen().contains(part));
    }

    fn press(&mut self, key: u8) {
        self.keys.write_all(&[key]).and_then(|()| self.keys.flush()).expect("a key can be pressed");
    }

    /// What one sees at the end: of each line what was not erased.
    fn shown(&self) -> Vec<String> {
        let seen = self.seen();
        let lines = seen.split('\n').map(|line| line.rsplit(CLEAR).next().unwrap_or_default());
        lines.map(|line| line.trim_end_matches('\r').to_owned()).collect()
    }

    fn wait(&mut self) -> u32 {
        wait_until("the program to end", || self.child.try_wait().expect("it can be waited for").is_some());
        self.child.wait().expect("it has ended").exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn emit(message: &str) {
    tracing::info!(user = 42, "{message}");
}

isolated! {
    fn the_status_line_is_always_the_last() {
        let service = Service::start();
        let endpoint = service.serve();
        let mut terminal = Terminal::watch(&[&endpoint.url(), "user = 42"], &[]);
        terminal.wait_for("0 matched, 0 delivered, 0 lost, 0/s, 14:");
        for number in 0..20 {
            emit(&format!("event {number}."));
            terminal.wait_for(&format!("event {number}."));
        }
        terminal.wait_for("20 matched, 20 delivered, 0 lost");
        terminal.press(3);
        terminal.wait_for("Session over: closed. 20 events delivered, 0 lost.");
        assert_eq!(terminal.wait(), 0);
        let shown = terminal.shown();
        let events: Vec<_> = shown.iter().filter(|line| line.contains("it::terminal")).collect();
        assert_eq!(events.len(), 20, "{shown:?}");
        assert!(events.iter().all(|line| line.starts_with("\u{1b}[2m") && line.ends_with("42")), "{events:?}");
        assert!(!shown.iter().any(|line| line.contains(" delivered, 0 lost, ")), "it is gone: {:?}", terminal.seen());
        let statuses: Vec<_> = terminal.seen().split(CLEAR).filter(|part| part.contains("/s,")).map(str::len).collect();
        assert!(statuses.iter().all(|length| *length < 60), "none is wider than the terminal: {statuses:?}");
        service.wait_for_sessions(0);
    }

    fn on_a_terminal_the_format_is_compact_with_colours() {
        let service = Service::start();
        let endpoint = service.serve();
        for (variables, more, is_coloured) in [
            (&[][..], &[][..], true),
            (&[("NO_COLOR", "1")], &[], false),
            (&[("TERM", "dumb")], &[], false),
            (&[], &["--color", "never"], false),
            (&[("NO_COLOR", "1")], &["--color", "always"], true),
        ] {
            let mut terminal = Terminal::watch(&[&[&endpoint.url(), "user = 42", "--max", "1"], more].concat(), variables);
            terminal.wait_for("Watching ");
            emit("hello");
            assert_eq!(terminal.wait(), 0);
            terminal.wait_for("1 event delivered");
            let shown = terminal.shown();
            let event = shown.iter().find(|line| line.contains("hello")).expect("it is shown");
            assert!(!event.contains('{'), "compact: {event}");
            assert_eq!(event.contains("\u{1b}["), is_coloured, "{variables:?} {more:?} {event:?}");
        }
    }

    fn nothing_that_was_logged_moves_the_cursor() {
        let service = Service::start();
        let endpoint = service.serve();
        let mut terminal = Terminal::watch(&[&endpoint.url(), "user = 42", "--max", "1", "--quiet", "--color", "never"], &[]);
        wait_for_session_at(&endpoint.url());
        emit("up \u{1b}[A back \r beep \u{7}");
        assert_eq!(terminal.wait(), 0);
        terminal.wait_for(r"up \x1B[A back \r beep \x07");
        assert!(!terminal.seen().contains(['\u{1b}', '\u{7}']), "{:?}", terminal.seen());
    }
}
