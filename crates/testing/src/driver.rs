//! `chromedriver` on a free port, and the browser it has started: both are gone when a test is, however that ends.

use crate::PATIENCE;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A running `chromedriver`.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    pub port: u16,
    /// The session whose browser is to be ended.
    pub session: Option<String>,
}

impl Driver {
    /// If it ends before it has printed its port, as it did once in some hundred starts, it is started again.
    pub fn start() -> Self {
        (0..10).find_map(|_| Self::try_start()).expect("chromedriver tells its port")
    }

    fn try_start() -> Option<Self> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: tests/run.sh does it");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let port = lines.find_map(|line| port_in(&line.expect("its output is text")));
        let Some(port) = port else {
            child.wait().expect("it has closed its output, and ends");
            return None;
        };
        // It goes on to print, and must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, port, session: None })
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends the browser: a driver that is killed would leave it behind.
    fn quit(&self) -> std::io::Result<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "DELETE /session/{session} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
        // The driver keeps the connection: its answer comes once the browser is gone, and nothing after it.
        stream.read(&mut [0; 1024]).map(drop)
    }
}

/// `ChromeDriver was started successfully on port 45123.`
fn port_in(line: &str) -> Option<u16> {
    line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.quit();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What kind of browser is asked for.
pub fn capabilities() -> serde_json::Map<String, Value> {
    let arguments = [
        "--headless=new",
        // It may run as root, in containers with little shared memory and no graphics.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--force-color-profile=srgb",
        "--window-size=1280,800",
    ];
    let capabilities = json!({
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    capabilities.as_object().expect("it is an object").clone()
}
