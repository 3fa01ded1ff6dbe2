//! The lines of a batch on the wire: they repeat themselves, so they are compressed, as a block of LZ4.
//!
//! That is a tenth of the bytes to sign, to send, to copy at the server and to check, for less than it saves.

use super::seal::MAX_MESSAGE_BYTES;
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use std::borrow::Cow;

/// Fewer bytes go as they are.
const MIN_BYTES: usize = 512;

/// What lines are packed into, to be used again.
#[derive(Debug, Default)]
pub(super) struct Packer {
    packed: Vec<u8>,
}

/// Lines as they travel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed<'a> {
    /// How many bytes they are unpacked; 0 where they are not packed.
    pub(super) unpacked: u64,
    pub(super) bytes: &'a [u8],
}

impl Packer {
    /// Packs lines, where that makes them shorter.
    pub(super) fn pack<'a>(&'a mut self, lines: &'a [u8]) -> Packed<'a> {
        let plain = Packed { unpacked: 0, bytes: lines };
        if !(MIN_BYTES..=MAX_MESSAGE_BYTES).contains(&lines.len()) {
            return plain;
        }
        self.packed.resize(get_maximum_output_size(lines.len()), 0);
        match compress_into(lines, &mut self.packed) {
            Ok(length) if length < lines.len() => {
                Packed { unpacked: lines.len() as u64, bytes: &self.packed[..length] }
            }
            _ => plain,
        }
    }
}

/// The lines that came; nothing where they are not what they are said to be. As many bytes are taken as there are said to
/// be, and a message's at most.
pub(super) fn unpack(bytes: &[u8], unpacked: u64) -> Option<Cow<'_, [u8]>> {
    match usize::try_from(unpacked).ok()? {
        0 => Some(Cow::Borrowed(bytes)),
        unpacked @ 1..=MAX_MESSAGE_BYTES => {
            let mut lines = vec![0; unpacked];
            let length = decompress_into(bytes, &mut lines).ok()?;
            (length == unpacked).then_some(Cow::Owned(lines))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_repeats_itself_is_packed_and_what_is_short_is_not() {
        let lines = b"{\"type\":\"event\",\"session\":1}\n".repeat(100);
        let mut packer = Packer::default();
        let packed = packer.pack(&lines);
        assert!(packed.bytes.len() < lines.len() / 10);
        assert_eq!(unpack(packed.bytes, packed.unpacked).as_deref(), Some(&*lines));
        assert_eq!(packer.pack(&lines[..MIN_BYTES - 1]).unpacked, 0);
    }

    #[test]
    fn what_is_not_as_long_as_it_is_said_to_be_is_nothing() {
        let lines = b"0123456789".repeat(100);
        let mut packer = Packer::default();
        let packed = packer.pack(&lines);
        for unpacked in [1, 999, 1001, 8 << 20, (8 << 20) + 1, u64::MAX] {
            assert!(unpack(packed.bytes, unpacked).is_none(), "{unpacked}");
        }
        assert!(unpack(b"", 7).is_none());
    }

    proptest! {
        #[test]
        fn all_lines_come_out_as_they_went_in(lines in prop::collection::vec(any::<u8>(), 0..2000), times in 1..5_usize) {
            let lines = lines.repeat(times);
            let mut packer = Packer::default();
            let packed = packer.pack(&lines);
            let unpacked = unpack(packed.bytes, packed.unpacked);
            prop_assert_eq!(unpacked.as_deref(), Some(&*lines));
        }

        #[test]
        fn no_bytes_panic_anybody(bytes in prop::collection::vec(any::<u8>(), 0..200), unpacked in 0..5000_u64) {
            let _ = unpack(&bytes, unpacked);
        }
    }
}
