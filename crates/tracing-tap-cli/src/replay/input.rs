//! Lines of a source that is read in large pieces.

use std::io::{self, Read};

/// How much is read at once: larger pieces are no faster.
const PIECE_BYTES: usize = 1 << 20;
/// A longer line is an error. A message of a server has 16 MiB at most.
const MAX_LINE_BYTES: usize = 64 << 20;

/// Whole lines, and at the end what is behind the last line break.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// How far line breaks were looked for.
    searched: usize,
    end: usize,
}

impl<R: Read> Lines<R> {
    pub(super) fn of(source: R) -> Self {
        Self { source, buffer: vec![0; PIECE_BYTES], start: 0, searched: 0, end: 0 }
    }

    /// The next line that was read, without its line break; `None` if more must be read.
    #[inline]
    pub(super) fn next_line(&mut self) -> Option<&[u8]> {
        let Some(length) = memchr::memchr(b'\n', &self.buffer[self.searched..self.end]) else {
            self.searched = self.end;
            return None;
        };
        let (start, end) = (self.start, self.searched + length);
        self.start = end + 1;
        self.searched = self.start;
        Some(&self.buffer[start..end])
    }

    /// Reads more; `false` at the end of the source.
    ///
    /// # Errors
    /// If the source cannot be read, or has too long a line.
    pub(super) fn read_more(&mut self) -> io::Result<bool> {
        self.make_room()?;
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What is behind the last line break.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves the line that has begun to the front; if it fills the buffer, doubles that.
    fn make_room(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.searched -= self.start;
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            if self.end >= MAX_LINE_BYTES {
                let why = format!("a line is longer than {} MiB", MAX_LINE_BYTES >> 20);
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            self.buffer.resize(2 * self.end, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes at a time, and is interrupted before each.
    struct Drops<'a>(&'a [u8], usize, bool);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if self.2 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn read(text: &[u8], piece: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut lines = Lines::of(Drops(text, piece, false));
        let mut read = Vec::new();
        loop {
            while let Some(line) = lines.next_line() {
                read.push(line.to_vec());
            }
            if !lines.read_more().unwrap() {
                return (read, lines.rest().to_vec());
            }
        }
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let long = vec![b'x'; 3 * PIECE_BYTES];
        let text = [b"a\n\nbcd\n", &long[..], b"\nlast"].concat();
        for piece in [1 << 30, PIECE_BYTES, 4099] {
            let (lines, rest) = read(&text, piece);
            assert_eq!(lines, [b"a".to_vec(), Vec::new(), b"bcd".to_vec(), long.clone()]);
            assert_eq!(rest, b"last");
        }
        for piece in 1..4 {
            assert_eq!(read(b"a\nbc\n", piece), (vec![b"a".to_vec(), b"bc".to_vec()], Vec::new()));
        }
    }

    #[test]
    fn an_endless_line_is_an_error() {
        let mut lines = Lines::of(io::repeat(b'x'));
        let error = loop {
            assert!(lines.next_line().is_none());
            if let Err(error) = lines.read_more() {
                break error;
            }
        };
        assert_eq!(error.to_string(), "a line is longer than 64 MiB");
    }
}
