//! Reads server-sent events, with a bound on the size of each.
//!
//! The crates for this buffer all that a server sends until a line ends. Here a message is a slice of what arrived from
//! the network, unless it arrived in two pieces, so that under load nothing is copied.

use crate::error::Error;
use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// Maximum size of a message. The largest event of an endpoint with default limits has some 500 KiB, before escapes and
/// without spans.
pub(crate) const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its name; empty if it has none.
    pub(crate) name: Bytes,
    pub(crate) data: Bytes,
    /// Its position in the stream, if it has an id.
    pub(crate) id: Option<Bytes>,
}

/// The part of a message that has arrived so far.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The beginning of a line whose end has not arrived.
    rest: BytesMut,
    message: Message,
    has_data: bool,
    /// The message's data if it has more than one line of them, which is rare.
    joined: BytesMut,
}

impl Parser {
    /// Takes bytes that have arrived, and gives the messages that are complete.
    ///
    /// # Errors
    /// If a message is larger than [`MAX_MESSAGE_BYTES`].
    pub(crate) fn feed(&mut self, mut bytes: Bytes, mut give: impl FnMut(Message)) -> Result<(), Error> {
        while let Some(end) = memchr(b'\n', &bytes) {
            let mut line = bytes.split_to(end);
            bytes.advance(1);
            if !self.rest.is_empty() {
                self.rest.extend_from_slice(&line);
                line = self.rest.split().freeze();
            }
            if let Some(message) = self.line(line) {
                give(message);
            }
            self.check(0)?;
        }
        self.check(bytes.len())?;
        self.rest.extend_from_slice(&bytes);
        Ok(())
    }

    fn check(&self, more: usize) -> Result<(), Error> {
        let Message { name, data, id } = &self.message;
        let held = self.rest.len() + self.joined.len() + name.len() + data.len() + id.as_ref().map_or(0, Bytes::len);
        if held + more <= MAX_MESSAGE_BYTES {
            return Ok(());
        }
        let mebibytes = MAX_MESSAGE_BYTES >> 20;
        Err(Error::new(format!("read the stream: the server has sent a message of more than {mebibytes} MiB")))
    }

    /// Takes one line; an empty one ends the message.
    fn line(&mut self, mut line: Bytes) -> Option<Message> {
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if line.is_empty() {
            return self.end();
        }
        let colon = memchr(b':', &line).unwrap_or(line.len());
        let field = line.split_to(colon);
        line.advance(usize::from(!line.is_empty()));
        line.advance(usize::from(line.first() == Some(&b' ')));
        match &field[..] {
            b"data" if self.has_data => self.join(&line),
            b"data" => (self.message.data, self.has_data) = (line, true),
            b"event" => self.message.name = line,
            b"id" => self.message.id = Some(line),
            // A comment, which keeps the connection alive, or a field of a later version.
            _ => {}
        }
        None
    }

    fn join(&mut self, line: &[u8]) {
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.message.data);
        }
        self.joined.extend_from_slice(b"\n");
        self.joined.extend_from_slice(line);
    }

    /// The message, if it has any data.
    fn end(&mut self) -> Option<Message> {
        let mut message = std::mem::take(&mut self.message);
        if !self.joined.is_empty() {
            message.data = self.joined.split().freeze();
        }
        std::mem::take(&mut self.has_data).then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(pieces: &[&[u8]]) -> Vec<(String, String, Option<String>)> {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let (mut parser, mut messages) = (Parser::default(), Vec::new());
        for piece in pieces {
            let give = |message: Message| {
                messages.push((text(&message.name), text(&message.data), message.id.as_ref().map(text)));
            };
            parser.feed(Bytes::copy_from_slice(piece), give).unwrap();
        }
        messages
    }

    #[test]
    fn a_message_is_the_same_wherever_it_was_cut() {
        let text = b":\n\nid: a:1\r\ndata: {\"a\":1}\r\n\r\nevent: lost\ndata:2\ndata: 3\nlater: x\nid\n\nid: 7\n\ndata: cut off";
        let whole = fed(&[text]);
        let expected = [("", "{\"a\":1}", Some("a:1")), ("lost", "2\n3", Some(""))];
        let expected = expected.map(|(name, data, id)| (name.to_owned(), data.to_owned(), id.map(str::to_owned)));
        assert_eq!(whole, expected);
        for cut in 0..text.len() {
            assert_eq!(fed(&[&text[..cut], &text[cut..]]), whole, "cut at {cut}");
        }
        assert_eq!(fed(&text.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn a_message_without_an_end_is_given_up() {
        let piece = vec![b'a'; 1 << 20];
        for line_break in [&b""[..], b"\ndata: "] {
            let mut parser = Parser::default();
            let pieces = std::iter::repeat([b"data: ", &piece[..], line_break].concat());
            let mut fed = pieces.take(64).map(|piece| parser.feed(piece.into(), |_| panic!("there is no end")));
            let error = fed.find_map(Result::err).expect("there is a bound");
            assert!(error.to_string().contains("more than 16 MiB"), "{error}");
        }
    }
}
