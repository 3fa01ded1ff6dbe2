//! A connection's socket, and whether its peer still sends.

use socket2::SockRef;
use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket of a connection.
#[derive(Debug)]
pub(super) struct Socket(Arc<TcpStream>);

/// A weak handle to the socket for the stream that is sent over it; keeps no connection open.
#[derive(Clone, Debug)]
pub(super) struct Line(Weak<TcpStream>);

/// The state of a connection's other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// It may send more.
    Sends,
    /// It sends no more. It may be reading, as `nc -N` does, or be gone: only sending something shows which.
    HasFinished,
    Gone,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    pub(super) fn line(&self) -> Line {
        Line(Arc::downgrade(&self.0))
    }
}

impl Line {
    /// The peer's state. If it may send more, the task is woken when that changes.
    ///
    /// For use between a request and the end of its answer, while nothing else reads.
    pub(super) fn peer(&self, context: &mut Context<'_>) -> Peer {
        let Some(stream) = self.0.upgrade() else { return Peer::Gone };
        match stream.poll_peek(context, &mut ReadBuf::new(&mut [0])) {
            Poll::Pending | Poll::Ready(Ok(1..)) => Peer::Sends,
            Poll::Ready(Ok(0)) => Peer::HasFinished,
            Poll::Ready(Err(_)) => Peer::Gone,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|bytes| buffer.advance(bytes))),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write_with(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write_with(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}

impl Socket {
    fn write_with(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match write(&self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}
