//! A NATS server of the demo's own, for this machine alone.

use super::processes::Process;
use crate::error::Error;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Where it is: Debian puts it where the paths of ordinary users do not lead.
const PROGRAMS: [&str; 2] = ["nats-server", "/usr/sbin/nats-server"];
/// Ports that are tried: each is free when it is looked for, and may be taken a moment later.
const TRIES: u32 = 5;
/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    process: Process,
}

impl Server {
    /// # Errors
    /// Where there is none on this machine, or it does not start.
    pub(super) async fn start() -> Result<Self, Error> {
        for _ in 0..TRIES {
            let port = free_port().map_err(|cause| Error::caused_by(cause, "find a port for the NATS server"))?;
            let mut server = Self { port, process: start_on(port)? };
            if server.listens().await? {
                return Ok(server);
            }
        }
        Err(Error::new(format!("start a NATS server: it has ended {TRIES} times, on as many ports"))
            .advise("look what `nats-server --addr 127.0.0.1 --port 4222` says"))
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Waits until it does; not if it has ended before.
    async fn listens(&mut self) -> Result<bool, Error> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let is_there = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_ok();
            let ended = self.process.0.try_wait();
            let ended = ended.map_err(|cause| Error::caused_by(cause, "look after the NATS server"))?;
            if is_there || ended.is_some() {
                return Ok(ended.is_none());
            }
            sleep(LOOK_EVERY).await;
        }
        Err(Error::new(format!("start a NATS server: it does not listen after {PATIENCE:?}")))
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn start_on(port: u16) -> Result<Process, Error> {
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match Process::start(&mut command) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            started => return started.map_err(|cause| Error::caused_by(cause, format!("start `{program}`"))),
        }
    }
    let advice = "install it: `apt install nats-server`, `brew install nats-server`, or see https://nats.io/download";
    Err(Error::new("start a NATS server: there is no `nats-server` on this machine").advise(advice))
}
