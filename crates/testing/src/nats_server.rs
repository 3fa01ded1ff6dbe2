//! A `nats-server` of the test's own, which ends with it.

use crate::wait_until;
use async_nats::{Client, ConnectOptions};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A server on a port of its own; killed when dropped, and on a panic too.
pub struct Server {
    address: String,
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
    /// Where its settings and its log are, if it has any.
    folder: Option<Folder>,
}

/// A folder that is removed with this.
struct Folder(PathBuf);

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// At another address of this machine.
    pub fn start_at(address: &str) -> Self {
        Self::start_at_with(address, &[])
    }

    /// With the users and permissions of a configuration file.
    pub fn with_configuration(path: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
        Self::start_with(&["--config", &path.to_string_lossy()])
    }

    /// With these settings, and files that they name by `FOLDER/`; with a log.
    pub fn with_settings(settings: &str, files: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        files.iter().for_each(|(name, text)| folder.write(name, text));
        let path = folder.0.to_str().expect("it is text").to_owned();
        folder.write("server.conf", &settings.replace("FOLDER", &path));
        let mut server =
            Self::start_with(&["--config", &format!("{path}/server.conf"), "--log", &format!("{path}/log")]);
        server.folder = Some(folder);
        server
    }

    /// A file among its settings.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.as_ref().expect("it has settings").0.join(name)
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).expect("it has a log")
    }

    fn start_with(arguments: &[&str]) -> Self {
        Self::start_at_with("127.0.0.1", arguments)
    }

    fn start_at_with(address: &str, arguments: &[&str]) -> Self {
        // The port is free for a moment only, so that another process may take it: then another is tried.
        for _ in 0..10 {
            let port = free_port();
            let address = address.to_owned();
            let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            let mut server = Self { address, port, arguments, child: None, folder: None };
            if server.try_restart() {
                return server;
            }
        }
        panic!("no port for a server was found");
    }

    pub fn url(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, as a machine that fails does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
        }
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        self.kill();
        wait_until("the server to start again", || self.try_restart());
    }

    fn try_restart(&mut self) -> bool {
        let port = self.port.to_string();
        let mut child = Command::new("nats-server")
            .args(["--addr", &self.address, "--port", &port])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`nats-server` is installed, see tests/run.sh");
        let mut is_up = false;
        wait_until("the server to listen", || {
            is_up = TcpStream::connect((&*self.address, self.port)).is_ok();
            is_up || child.try_wait().expect("a child can be waited for").is_some()
        });
        let is_alive = child.try_wait().expect("a child can be waited for").is_none();
        self.child = Some(child);
        if !(is_up && is_alive) {
            self.kill();
        }
        is_up && is_alive
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tracing-tap-nats-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("a file can be written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there is a free port").port()
}

/// A client that comes back soon after the server does.
pub async fn client(url: &str) -> Client {
    client_with(ConnectOptions::new(), url).await
}

pub async fn client_with(options: ConnectOptions, url: &str) -> Client {
    let options = options.reconnect_delay_callback(|_| Duration::from_millis(50)).retry_on_initial_connect();
    options.connect(url).await.expect("the address can be read")
}
