//! The lines of a batch on the wire, compressed as a block of LZ4.
//!
//! Lines of one session are similar, so a tenth of the bytes is signed, sent, copied at the server and checked. That
//! saves more time than the compression takes.

use super::seal::MAX_MESSAGE_BYTES;
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use std::borrow::Cow;

/// Fewer bytes are not packed.
const MIN_BYTES: usize = 512;

/// A buffer for packed lines, used again for each batch.
#[derive(Debug, Default)]
pub(super) struct Packer {
    packed: Vec<u8>,
}

/// Lines as they travel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed<'a> {
    /// Their bytes when unpacked; 0 if they are not packed.
    pub(super) unpacked: u64,
    pub(super) bytes: &'a [u8],
}

impl Packer {
    /// Packs lines if that makes them shorter.
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

/// The lines of a message; `None` if they do not unpack to the length in the header. Allocates at most the largest
/// message.
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
    fn similar_lines_are_packed_and_short_ones_are_not() {
        let lines = b"{\"type\":\"event\",\"session\":1}\n".repeat(100);
        let mut packer = Packer::default();
        let packed = packer.pack(&lines);
        assert!(packed.bytes.len() < lines.len() / 10);
        assert_eq!(unpack(packed.bytes, packed.unpacked).as_deref(), Some(&*lines));
        assert_eq!(packer.pack(&lines[..MIN_BYTES - 1]).unpacked, 0);
    }

    #[test]
    fn lines_that_packing_makes_longer_travel_as_they_are() {
        let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        let lines: Vec<u8> =
            std::iter::successors(Some(1), next).map(|state| (state >> 56) as u8).take(1 << 10).collect();
        let mut packer = Packer::default();
        let packed = packer.pack(&lines);
        assert_eq!((packed.unpacked, packed.bytes), (0, &*lines));
    }

    #[test]
    fn lines_of_another_length_than_announced_are_rejected() {
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
        fn all_lines_unpack_to_themselves(lines in prop::collection::vec(any::<u8>(), 0..2000), times in 1..5_usize) {
            let lines = lines.repeat(times);
            let mut packer = Packer::default();
            let packed = packer.pack(&lines);
            let unpacked = unpack(packed.bytes, packed.unpacked);
            prop_assert_eq!(unpacked.as_deref(), Some(&*lines));
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), unpacked in 0..5000_u64) {
            let _ = unpack(&bytes, unpacked);
        }
    }
}
