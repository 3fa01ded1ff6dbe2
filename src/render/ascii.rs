//! Telling texts that need no second look, eight bytes at a time.

/// Whether all is printable ASCII but quotes and backslashes.
#[inline]
pub(super) fn is_plain(text: &str) -> bool {
    is_plain_from::<b' '>(text.as_bytes())
}

/// Whether all is printable ASCII but spaces, quotes and backslashes.
#[inline]
pub(super) fn is_plain_word(text: &str) -> bool {
    is_plain_from::<b'!'>(text.as_bytes())
}

#[inline]
fn is_plain_from<const LOWEST: u8>(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    match bytes.last_chunk() {
        // The last eight overlap those before, which costs less than looking at single bytes.
        Some(last) => words.iter().all(|eight| are_plain::<LOWEST>(*eight)) && are_plain::<LOWEST>(*last),
        None => rest.iter().all(|byte| (LOWEST..=b'~').contains(byte) && !matches!(byte, b'"' | b'\\')),
    }
}

/// [`is_plain_from`] of eight bytes at once: the high bit of some byte is set in one of the terms if any is not plain.
///
/// A borrow can set a bit that should not be, but only above a byte that is not plain itself.
#[inline]
fn are_plain<const LOWEST: u8>(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let eight = u64::from_le_bytes(bytes);
    let too_low = eight.wrapping_sub(ONES * LOWEST as u64);
    let quote = (eight ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (eight ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let delete = eight.wrapping_add(ONES);
    (eight | too_low | quote | backslash | delete) & (ONES * 0x80) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_plain_only_if_each_of_its_bytes_is() {
        for length in 0..20_usize {
            for (place, byte) in (0..length).flat_map(|place| (0..=255_u8).map(move |byte| (place, byte))) {
                let mut bytes = vec![b'a'; length];
                bytes[place] = byte;
                let expected = (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
                assert_eq!(is_plain_from::<b' '>(&bytes), expected, "{bytes:?}");
                assert_eq!(is_plain_from::<b'!'>(&bytes), expected && byte != b' ', "{bytes:?}");
            }
        }
        assert!(is_plain(""));
    }
}
