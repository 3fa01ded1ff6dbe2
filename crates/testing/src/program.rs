//! A program at work.

use crate::{wait_for, wait_until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A command that is running; it is ended with this.
pub struct Program {
    pub child: Child,
    pub stdout: Printed,
    pub stderr: Printed,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// What a stream has printed so far.
pub struct Printed {
    bytes: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the binary can be started");
        let stdout = Printed::read(child.stdout.take().expect("it is a pipe"));
        let stderr = Printed::read(child.stderr.take().expect("it is a pipe"));
        Self { child, stdout, stderr }
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("there is `kill`").success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the program to end", || self.child.try_wait().expect("a child can be waited for"))
    }

    pub fn end(mut self) -> Ended {
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

impl Printed {
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

    pub fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(bytes.clone()).expect("what it says is text")
    }

    /// Waits until this is printed.
    #[track_caller]
    pub fn wait_for(&self, part: &str) {
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
    pub fn json(&self) -> Vec<Value> {
        json_lines(&self.stdout)
    }

    /// It has ended with this code, and said this on standard error.
    #[track_caller]
    pub fn assert(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is not in: {}", self.stderr);
        }
    }
}

#[track_caller]
pub fn json_lines(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    text.lines().map(read).collect()
}

/// The messages of events among lines of JSON.
pub fn messages(lines: &[Value]) -> Vec<&str> {
    let events = lines.iter().filter(|line| line["type"] == "event");
    events.map(|line| line["fields"]["message"].as_str().expect("events have messages")).collect()
}

/// A folder of a test, which is removed with this.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tracing-tap-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("it is text").to_owned()
    }

    /// Writes a file that others cannot read.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let folder = std::path::Path::new(&path).parent().expect("it is in a folder");
        std::fs::create_dir_all(folder).expect("a folder can be made");
        std::fs::write(&path, text).expect("a file can be written");
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("it is ours");
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the file is there")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
