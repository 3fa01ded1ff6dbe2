//! Reads server-sent events, with a bound on what one of them may hold.
//!
//! The crates that do this keep whatever a server sends until a line ends. Here a message is a slice of what came from
//! the network, unless it was cut in two there, so that nothing is copied where there is much of it.

use crate::error::Error;
use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// What one message may hold. The largest event that a door with its usual limits can send has some 500 KiB, before its
/// escapes and without its spans.
pub(crate) const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// What it is called; nothing where it has no name.
    pub(crate) name: Bytes,
    pub(crate) data: Bytes,
    /// Where it is in its stream, if it says.
    pub(crate) id: Option<Bytes>,
}

/// What has come of a message so far.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The beginning of a line whose end has not come.
    rest: BytesMut,
    message: Message,
    has_data: bool,
    /// The message's data where they are in more than one line, which is rare.
    joined: BytesMut,
}

impl Parser {
    /// Takes what has come, and gives the messages that are whole.
    ///
    /// # Errors
    /// Where a message is larger than [`MAX_MESSAGE_BYTES`].
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
            // A comment, which keeps the connection alive, or what a later version may say.
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
