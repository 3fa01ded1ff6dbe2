//! The binary at work.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use testing::{wait_for, wait_until};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tracing-tap");

/// A command without what the environment of the tests may say.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for variable in ["URL", "PROFILE", "TOKEN", "FLEET_KEY"] {
        command.env_remove(format!("TRACING_TAP_{variable}"));
    }
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(variable);
    }
    command.env("XDG_CONFIG_HOME", "/nowhere").args(arguments).stdin(Stdio::null());
    command
}

/// A command that is running; it is ended with this.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) stdout: Told,
    pub(crate) stderr: Told,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a stream has told so far.
pub(crate) struct Told {
    bytes: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Program::start(&mut command(arguments)).end()
}

/// Waits until a door lists a session, which is when producers see it.
pub(crate) fn wait_for_session_at(url: &str) {
    wait_until("a session to be open", || run(&["sessions", url, "--format", "json"]).stdout.contains("\"id\""));
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the binary can be started");
        let stdout = Told::read(child.stdout.take().expect("it is a pipe"));
        let stderr = Told::read(child.stderr.take().expect("it is a pipe"));
        Self { child, stdout, stderr }
    }

    /// Starts a watch, and waits until its session is open.
    pub(crate) fn watch(arguments: &[&str]) -> Self {
        let program = Self::start(command(&["watch"]).args(arguments));
        program.stderr.wait_for("Watching ");
        program
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("there is `kill`").success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the program to end", || self.child.try_wait().expect("a child can be waited for"))
    }

    pub(crate) fn end(mut self) -> Ended {
        let status = self.wait();
        let (stdout, stderr) = (self.stdout.read_to_end(), self.stderr.read_to_end());
        Ended { code: status.code(), stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Told {
    fn read(source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let read = Arc::clone(&bytes);
        let reading = std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                read.lock().unwrap_or_else(PoisonError::into_inner).append(&mut line);
            }
        });
        Self { bytes, reading: Some(reading) }
    }

    pub(crate) fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(bytes.clone()).expect("what it says is text")
    }

    /// Waits until this is told.
    #[track_caller]
    pub(crate) fn wait_for(&self, part: &str) {
        wait_until(&format!("`{part}`"), || self.text().contains(part));
    }

    fn read_to_end(&mut self) -> String {
        let reading = self.reading.take().expect("it is read to its end once");
        wait_until("the stream to end", || reading.is_finished());
        self.text()
    }
}

impl Ended {
    /// The lines of JSON on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        json_lines(&self.stdout)
    }

    /// It has ended with this code, and said this on standard error.
    #[track_caller]
    pub(crate) fn assert(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is not in: {}", self.stderr);
        }
    }
}

#[track_caller]
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    text.lines().map(read).collect()
}

/// The messages of events among lines of JSON.
pub(crate) fn messages(lines: &[Value]) -> Vec<&str> {
    let events = lines.iter().filter(|line| line["type"] == "event");
    events.map(|line| line["fields"]["message"].as_str().expect("events have messages")).collect()
}

/// A folder of a test, which is removed with this.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tracing-tap-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("it is text").to_owned()
    }

    /// Writes a file that others cannot read.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let folder = std::path::Path::new(&path).parent().expect("it is in a folder");
        std::fs::create_dir_all(folder).expect("a folder can be made");
        std::fs::write(&path, text).expect("a file can be written");
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("it is ours");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the file is there")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
