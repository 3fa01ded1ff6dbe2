//! The clients: each sends a request, waits for the reply, and sends the next, for as long as the demo lasts.

use super::chat::protocol::is_delivery;
use super::plan::Plan;
use crate::error::Error;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;

/// The requests of a round: one subscription, one publication, otherwise pings.
const TURNS: u64 = 8;

/// Clients that are connected, logged in and each in a room, and idle.
#[derive(Debug)]
pub(crate) struct IdleClients(Vec<Client>);

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Clients(JoinSet<io::Error>);

#[derive(Debug)]
struct Client {
    number: u64,
    rooms: u64,
    turn: u64,
    input: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
    line: String,
}

/// Connects all clients, one after another: none is busy yet, so each takes no longer than the first.
pub(crate) async fn connect(address: SocketAddr, plan: &Plan) -> Result<IdleClients, Error> {
    let mut clients = Vec::new();
    for number in 0..plan.connections {
        let client = Client::log_in(address, number, plan).await.map_err(|cause| {
            let attempt = format!("connect client {} of {} to {address}", number + 1, plan.connections);
            Error::caused_by(cause, attempt)
        })?;
        clients.push(client);
    }
    Ok(IdleClients(clients))
}

impl IdleClients {
    pub(crate) fn set_to_work(self) -> Clients {
        Clients(self.0.into_iter().map(Client::work).collect())
    }
}

impl Clients {
    /// Why a client has stopped, if one has.
    pub(crate) fn first_failure(&mut self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        self.0.try_join_next().map(|ended| match ended {
            Ok(error) => error.into(),
            Err(panic) => panic.into(),
        })
    }
}

impl Client {
    async fn log_in(address: SocketAddr, number: u64, plan: &Plan) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (input, output) = socket.into_split();
        let mut client =
            Self { number, rooms: plan.rooms(), turn: 0, input: BufReader::new(input), output, line: String::new() };
        client.ask(&format!("login {}\n", plan.user_of(number))).await?;
        client.take_turn().await?;
        Ok(client)
    }

    /// Works until a request fails.
    async fn work(mut self) -> io::Error {
        loop {
            if let Err(error) = self.take_turn().await {
                return error;
            }
        }
    }

    async fn take_turn(&mut self) -> io::Result<()> {
        let request = self.next_request();
        self.turn += 1;
        self.ask(&request).await
    }

    fn next_request(&self) -> String {
        let Self { number, turn, rooms, .. } = self;
        match turn % TURNS {
            0 => format!("subscribe room-{}\n", (number + turn / TURNS) % rooms),
            4 => format!("publish this is what client {number} has to say in turn {turn}\n"),
            _ => format!("ping {turn}\n"),
        }
    }

    /// Sends a request and waits for its reply; what others publish is read on the way.
    async fn ask(&mut self, request: &str) -> io::Result<()> {
        self.output.write_all(request.as_bytes()).await?;
        loop {
            self.line.clear();
            if self.input.read_line(&mut self.line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !is_delivery(&self.line) {
                return Ok(());
            }
        }
    }
}
