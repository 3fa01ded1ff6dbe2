//! Messages on the wire: a version, a signature, a header, lines of items.
//!
//! ```text
//! tap5 5f0c…e1 {"kind":"batch",…}
//! {"type":"event",…}
//! ```
//!
//! The signature covers the version, the subject, the header and the lines. The envelope is the same in every version,
//! so that a message of an unknown version can be answered.

use super::key::{Key, Keys, Role, SIGNATURE_BYTES};
use bytes::Bytes;
use hmac::{Hmac, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use std::time::{Duration, SystemTime};
use tracing_tap::MissingReason;

/// The version that this crate writes and reads. A tally has a number for each reason why events are missing, so a new
/// reason raises the version by itself. Any other change of the format changes the difference.
pub(super) const VERSION: u32 = MissingReason::ALL.len() as u32 - 1;

/// How far a sender's clock may be from the receiver's, travel included.
pub(super) const MAX_SKEW: Duration = Duration::from_secs(30);

/// The longest header, in bytes: an announcement with the longest predicate and confinement, each with every byte escaped.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// The longest message, in bytes. Servers have a limit of their own, by default 1 MiB.
pub(super) const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// The longest number of a version, in digits.
const MAX_VERSION_DIGITS: usize = 4;

/// The bytes before and after a header: `tap`, the version, two spaces, the signature, a line break.
const MAX_ENVELOPE_BYTES: usize = 3 + MAX_VERSION_DIGITS + 2 + 2 * SIGNATURE_BYTES + 1;

/// Why a message is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    TooLarge,
    Malformed,
    /// It is not signed with an accepted key.
    Forged,
    /// It is signed, and of an unknown version.
    Version(u32),
    /// Its time is too far from now.
    Stale,
    Replayed,
    /// It is from a new instance, and too many are known.
    TooMany,
}

/// A message with a valid signature.
#[derive(Debug)]
pub(super) struct Unsealed {
    version: u32,
    pub(super) header: Bytes,
    pub(super) lines: Bytes,
}

/// Signs and writes a message.
pub(super) fn seal(keys: &Keys, role: Role, subject: &str, header: &impl Serialize, lines: &[u8]) -> Bytes {
    seal_version(VERSION, keys.signing(), role, subject, header, lines)
}

fn seal_version(version: u32, key: &Key, role: Role, subject: &str, header: &impl Serialize, lines: &[u8]) -> Bytes {
    let mut header = serde_json::to_vec(header).expect("headers are plain structures");
    header.push(b'\n');
    seal_parts(version, key, role, subject, [&header, lines])
}

fn seal_parts<const N: usize>(version: u32, key: &Key, role: Role, subject: &str, parts: [&[u8]; N]) -> Bytes {
    let signature = signature(key, role, version, subject, parts).finalize().into_bytes();
    let mut message = format!("tap{version} ").into_bytes();
    message.reserve(2 * SIGNATURE_BYTES + 1 + parts.iter().map(|part| part.len()).sum::<usize>());
    message.extend(signature[..SIGNATURE_BYTES].iter().flat_map(|byte| hex_digits(*byte)));
    message.push(b' ');
    parts.iter().for_each(|part| message.extend_from_slice(part));
    message.into()
}

/// Signs a body that need not have a header.
#[cfg(any(test, fuzzing))]
pub(super) fn seal_body(version: u32, key: &Key, role: Role, subject: &str, body: &[u8]) -> Bytes {
    seal_parts(version, key, role, subject, [body])
}

/// Splits a message whose signature is by one of the accepted keys.
pub(super) fn unseal(keys: &Keys, role: Role, subject: &str, message: &Bytes) -> Result<Unsealed, Rejection> {
    if message.len() > max_bytes(role) {
        return Err(Rejection::TooLarge);
    }
    let (version, signed, body_at) = split(message).ok_or(Rejection::Malformed)?;
    let body = message.slice(body_at..);
    let header_end = body.iter().position(|byte| *byte == b'\n').ok_or(Rejection::Malformed)?;
    if header_end > MAX_HEADER_BYTES {
        return Err(Rejection::TooLarge);
    }
    let is_signed_by = |key: &Key| {
        // In constant time.
        signature(key, role, version, subject, [&body]).verify_truncated_left(&signed).is_ok()
    };
    if !keys.accepted().any(is_signed_by) {
        return Err(Rejection::Forged);
    }
    Ok(Unsealed { version, header: body.slice(..header_end), lines: body.slice(header_end + 1..) })
}

/// A watcher's messages have no lines, so an instance never reads more than a header.
fn max_bytes(role: Role) -> usize {
    match role {
        Role::Watcher => MAX_HEADER_BYTES + MAX_ENVELOPE_BYTES,
        Role::Instance => MAX_MESSAGE_BYTES,
    }
}

impl Unsealed {
    /// Reads the header, of this version.
    pub(super) fn read<H: DeserializeOwned>(&self) -> Result<H, Rejection> {
        if self.version != VERSION {
            return Err(Rejection::Version(self.version));
        }
        self.read_any()
    }

    /// Reads the keys that headers of all versions have.
    pub(super) fn read_any<H: DeserializeOwned>(&self) -> Result<H, Rejection> {
        serde_json::from_slice(&self.header).map_err(|_| Rejection::Malformed)
    }
}

impl Rejection {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Version(_) => "version",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
            Self::TooMany => "too_many_instances",
        }
    }
}

/// Microseconds since 1970, by this system's clock.
pub(super) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Rejects a time too far from now.
pub(super) fn check_fresh(sent_us: u64, now_us: u64) -> Result<(), Rejection> {
    let fresh = u128::from(sent_us.abs_diff(now_us)) <= MAX_SKEW.as_micros();
    fresh.then_some(()).ok_or(Rejection::Stale)
}

/// The version, the signature, and where the header begins.
fn split(message: &[u8]) -> Option<(u32, [u8; SIGNATURE_BYTES], usize)> {
    let rest = message.strip_prefix(b"tap")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > MAX_VERSION_DIGITS {
        return None;
    }
    let version = str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let rest = rest[digits..].strip_prefix(b" ")?;
    let (hex, rest) = rest.split_at_checked(2 * SIGNATURE_BYTES)?;
    let rest = rest.strip_prefix(b" ")?;
    Some((version, read_hex(hex)?, message.len() - rest.len()))
}

fn signature<const N: usize>(key: &Key, role: Role, version: u32, subject: &str, parts: [&[u8]; N]) -> Hmac<Sha256> {
    // The subject holds neither spaces nor line breaks, so no two messages are signed by the same bytes.
    let mut signing = key.signing(role).chain_update(format!("tap{version} {subject}\n"));
    parts.iter().for_each(|part| signing.update(part));
    signing
}

/// A byte as two digits.
pub(super) fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Reads what [`hex_digits`] writes, of exactly so many bytes.
pub(super) fn read_hex<const N: usize>(hex: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let (pairs, []) = hex.as_chunks::<2>() else { return None };
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
pub(super) fn seal_of_version(version: u32, key: &Key, role: Role, subject: &str, header: &impl Serialize) -> Bytes {
    seal_version(version, key, role, subject, header, b"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn key(byte: u8) -> Key {
        Key::new([byte; 32]).expect("it is long enough")
    }

    /// Keys of which the first signs.
    fn keys<const N: usize>(bytes: [u8; N]) -> Keys {
        let mut keys = Keys::new(key(bytes[0]));
        assert!(bytes[1..].iter().all(|byte| keys.accept(key(*byte))));
        keys
    }

    fn sealed() -> Bytes {
        seal(&keys([7]), Role::Instance, "tap.chat.events.1", &json!({"kind": "batch"}), b"{\"a\":1}\n")
    }

    #[test]
    fn a_sealed_message_unseals_to_itself() {
        let unsealed = unseal(&keys([7]), Role::Instance, "tap.chat.events.1", &sealed()).expect("it is signed");
        assert_eq!(unsealed.read::<Value>(), Ok(json!({"kind": "batch"})));
        assert_eq!(&*unsealed.lines, b"{\"a\":1}\n");
    }

    #[test]
    fn a_changed_message_subject_role_or_key_is_rejected() {
        let message = sealed();
        let refused = |role, subject: &str, message: &Bytes| unseal(&keys([7]), role, subject, message).err();
        for place in 0..message.len() {
            let mut changed = message.to_vec();
            changed[place] ^= 1;
            assert!(refused(Role::Instance, "tap.chat.events.1", &changed.into()).is_some(), "byte {place}");
        }
        assert_eq!(refused(Role::Instance, "tap.chat.events.2", &message), Some(Rejection::Forged));
        assert_eq!(refused(Role::Watcher, "tap.chat.events.1", &message), Some(Rejection::Forged));
        let by_other = unseal(&keys([8]), Role::Instance, "tap.chat.events.1", &message);
        assert_eq!(by_other.err(), Some(Rejection::Forged));
    }

    #[test]
    fn every_accepted_key_counts_and_only_the_first_signs() {
        let message = seal(&keys([7, 8]), Role::Watcher, "s", &json!({}), b"");
        for (accepted, is_accepted) in [(keys([7]), true), (keys([9, 7]), true), (keys([9, 8]), false)] {
            assert_eq!(unseal(&accepted, Role::Watcher, "s", &message).is_ok(), is_accepted);
        }
    }

    #[test]
    fn other_texts_are_malformed() {
        let signature = "00".repeat(16);
        for text in [
            String::new(),
            "tap".to_owned(),
            format!("tap{VERSION}"),
            format!("tap {signature} {{}}\n"),
            format!("tap12345 {signature} {{}}\n"),
            format!("tap{VERSION} {}g {{}}\n", &signature[1..]),
            format!("tap{VERSION} {signature}"),
            format!("tap{VERSION} {signature} {{}}"),
            format!("tap{VERSION} {signature}{{}}\n"),
            format!("nat1 {signature} {{}}\n"),
        ] {
            let refused = unseal(&keys([7]), Role::Watcher, "s", &text.clone().into()).err();
            assert_eq!(refused, Some(Rejection::Malformed), "{text:?}");
        }
    }

    #[test]
    fn too_large_messages_are_rejected_unread() {
        let large = Bytes::from(vec![b' '; MAX_MESSAGE_BYTES + 1]);
        assert_eq!(unseal(&keys([7]), Role::Watcher, "s", &large).err(), Some(Rejection::TooLarge));
        let header = seal(&keys([7]), Role::Watcher, "s", &"a".repeat(MAX_HEADER_BYTES), b"");
        assert_eq!(unseal(&keys([7]), Role::Watcher, "s", &header).err(), Some(Rejection::TooLarge));
    }

    #[test]
    fn messages_are_read_up_to_their_limits() {
        const LONGEST_VERSION: u32 = 9_999;
        let (accepted, key) = (keys([7]), key(7));
        let length = |role, length| {
            let body: Vec<u8> = vec![b'a'; length];
            let message = seal_parts(LONGEST_VERSION, &key, role, "s", [&body, b"\n"]);
            unseal(&accepted, role, "s", &message).map(|unsealed| unsealed.header.len()).err()
        };
        assert_eq!(length(Role::Watcher, MAX_HEADER_BYTES), None);
        assert_eq!(length(Role::Instance, MAX_HEADER_BYTES), None);
        assert_eq!(length(Role::Watcher, MAX_HEADER_BYTES + 1), Some(Rejection::TooLarge));
        assert_eq!(length(Role::Instance, MAX_HEADER_BYTES + 1), Some(Rejection::TooLarge));
        let lines = |role, bytes: usize| {
            let lines = vec![b'a'; bytes - MAX_ENVELOPE_BYTES];
            let message = seal_parts(LONGEST_VERSION, &key, role, "s", [b"\n", &lines]);
            assert_eq!(message.len(), bytes);
            unseal(&accepted, role, "s", &message).err()
        };
        assert_eq!(lines(Role::Instance, MAX_MESSAGE_BYTES), None);
        assert_eq!(lines(Role::Instance, MAX_MESSAGE_BYTES + 1), Some(Rejection::TooLarge));
        assert_eq!(lines(Role::Watcher, MAX_HEADER_BYTES + MAX_ENVELOPE_BYTES + 1), Some(Rejection::TooLarge));
    }

    #[test]
    fn hexadecimal_digits_stand_for_bytes() {
        let bytes: [u8; 256] = std::array::from_fn(|byte| byte as u8);
        let digits: Vec<u8> = bytes.iter().flat_map(|byte| hex_digits(*byte)).collect();
        assert!(digits.starts_with(b"000102") && digits.ends_with(b"fdfeff"));
        assert_eq!(read_hex::<256>(&digits), Some(bytes));
        for text in ["", "0", "000", "0000", "0G", "g0", "0F", "0:", "0/", "0`"] {
            assert_eq!(read_hex::<1>(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn another_version_is_no_forgery() {
        let message = seal_of_version(VERSION + 1, &key(7), Role::Watcher, "s", &json!({"session": "x"}));
        let unsealed = unseal(&keys([7]), Role::Watcher, "s", &message).expect("it is signed");
        assert_eq!(unsealed.read::<Value>(), Err(Rejection::Version(VERSION + 1)));
        assert_eq!(unsealed.read_any::<Value>(), Ok(json!({"session": "x"})));
    }

    #[test]
    fn thirty_seconds_either_way_are_fresh() {
        let now = 1_700_000_000_000_000;
        let skew = 30_000_000;
        assert_eq!(check_fresh(now - skew, now), Ok(()));
        assert_eq!(check_fresh(now + skew, now), Ok(()));
        assert_eq!(check_fresh(now - skew - 1, now), Err(Rejection::Stale));
        assert_eq!(check_fresh(now + skew + 1, now), Err(Rejection::Stale));
    }
}
