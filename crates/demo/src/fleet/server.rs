//! The demo's own NATS server, for this machine only.

use super::keeper::Keeper;
use crate::error::Error;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::sleep;

const PROGRAM: &str = "nats-server";
/// How many ports are tried: one that is free may be taken a moment later.
const TRIES: u32 = 5;
/// How long the server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    keeper: Keeper,
}

impl Server {
    /// # Errors
    /// If `nats-server` is not installed, or does not start.
    pub(super) async fn start() -> Result<Self, Error> {
        let program = program()?;
        for _ in 0..TRIES {
            let port = free_port().map_err(|cause| Error::caused_by(cause, "find a port for the NATS server"))?;
            let keeper = Keeper::start(&program, port);
            let keeper = keeper.map_err(|cause| Error::caused_by(cause, "start the keeper of the NATS server"))?;
            let mut server = Self { port, keeper };
            if server.listens().await? {
                return Ok(server);
            }
        }
        Err(Error::new(format!(
            "start a NATS server: it ended {TRIES} times, on as many ports; see what `nats-server --addr 127.0.0.1 --port \
             4222` prints"
        )))
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Waits until the server listens; `false` if it has ended before.
    async fn listens(&mut self) -> Result<bool, Error> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let is_there = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_ok();
            let has_ended = self.keeper.has_ended();
            let has_ended = has_ended.map_err(|cause| Error::caused_by(cause, "check the NATS server"))?;
            if is_there || has_ended {
                return Ok(!has_ended);
            }
            sleep(LOOK_EVERY).await;
        }
        Err(Error::new(format!("start a NATS server: it does not listen after {PATIENCE:?}")))
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Looks in `PATH`, and in the `sbin` next to each `bin`: Debian installs it there, which is not in the `PATH` of
/// users.
fn program() -> Result<PathBuf, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    let beside = folders.iter().filter(|folder| folder.file_name() == Some(OsStr::new("bin")));
    let beside: Vec<_> = beside.map(|folder| folder.with_file_name("sbin")).collect();
    let name = format!("{PROGRAM}{}", env::consts::EXE_SUFFIX);
    let found = folders.iter().chain(&beside).map(|folder| folder.join(&name)).find(|program| program.is_file());
    found.ok_or_else(|| {
        let advice =
            "install it: `apt install nats-server`, `brew install nats-server`, or see https://nats.io/download";
        Error::new(format!("start a NATS server: there is no `nats-server` on this machine; {advice}"))
    })
}
