//! One client's connection: answers its requests and passes on what others in its room publish.

use super::hub::{Hub, Member};
use super::protocol::{Request, parse_login};
use crate::count::{self, debug, trace};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tracing::info_span;

/// How many deliveries a slow client may have waiting.
const OUTBOX_CAPACITY: usize = 64;

/// A connection that is logged in.
#[derive(Debug)]
pub(crate) struct Connection {
    hub: Arc<Hub>,
    member: Member,
    room: Option<String>,
    outbox: mpsc::Receiver<Arc<str>>,
    requests: Lines<BufReader<OwnedReadHalf>>,
    replies: BufWriter<OwnedWriteHalf>,
}

impl Connection {
    /// Waits for the first line, which names the user.
    pub(crate) async fn log_in(socket: TcpStream, conn_id: u64, hub: Arc<Hub>) -> io::Result<(Self, u64)> {
        socket.set_nodelay(true)?;
        let (input, output) = socket.into_split();
        let (sender, outbox) = mpsc::channel(OUTBOX_CAPACITY);
        let mut connection = Self {
            hub,
            member: Member { conn_id, outbox: sender },
            room: None,
            outbox,
            requests: BufReader::new(input).lines(),
            replies: BufWriter::new(output),
        };
        let line = connection.requests.next_line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let user = parse_login(&line).map_err(io::Error::other)?;
        connection.reply(&format!("welcome {conn_id}")).await?;
        Ok((connection, user))
    }

    /// Serves the client until it leaves.
    pub(crate) async fn run(mut self) {
        debug!("logged in");
        match self.converse().await {
            Ok(()) => debug!("disconnected"),
            Err(error) => debug!(%error, "connection lost"),
        }
        self.leave_room();
    }

    async fn converse(&mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                line = self.requests.next_line() => match line? {
                    Some(line) => {
                        let reply = self.answer(&line);
                        self.reply(&reply).await?;
                        count::message();
                    }
                    None => return Ok(()),
                },
                Some(delivery) = self.outbox.recv() => self.pass_on(delivery).await?,
            }
        }
    }

    fn answer(&mut self, line: &str) -> String {
        trace!(bytes = line.len(), "line received");
        let request = match Request::parse(line) {
            Ok(request) => request,
            Err(error) => {
                debug!(line, %error, "refused");
                return format!("refused {error}");
            }
        };
        let _message = info_span!("message", kind = request.kind()).entered();
        let reply = match request {
            Request::Subscribe { room } => self.subscribe(room),
            Request::Publish { text } => self.publish(text),
            Request::Ping { number } => format!("pong {number}"),
        };
        debug!(reply, room = self.room, unread = self.outbox.len(), "answered");
        reply
    }

    fn subscribe(&mut self, room: &str) -> String {
        self.leave_room();
        let members = self.hub.join(room, self.member.clone());
        self.room = Some(room.to_owned());
        format!("joined {members}")
    }

    fn publish(&self, text: &str) -> String {
        let Some(room) = &self.room else { return "refused join a room first".to_owned() };
        trace!(room, text, bytes = text.len(), "publishing");
        let reached = self.hub.publish(room, self.member.conn_id, text);
        debug!(room, reached, "published");
        format!("published {reached}")
    }

    fn leave_room(&mut self) {
        if let Some(room) = self.room.take() {
            self.hub.leave(&room, self.member.conn_id);
        }
    }

    async fn reply(&mut self, reply: &str) -> io::Result<()> {
        self.replies.write_all(reply.as_bytes()).await?;
        self.replies.write_all(b"\n").await?;
        self.replies.flush().await
    }

    /// Writes this delivery and those that wait behind it, all at once.
    async fn pass_on(&mut self, first: Arc<str>) -> io::Result<()> {
        let mut next = Some(first);
        while let Some(delivery) = next {
            trace!(bytes = delivery.len(), unread = self.outbox.len(), "passed on");
            self.replies.write_all(delivery.as_bytes()).await?;
            next = self.outbox.try_recv().ok();
        }
        self.replies.flush().await
    }
}
