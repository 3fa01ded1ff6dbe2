//! The token: which sessions a request belongs to, until when, on which trace, signed.
//!
//! ```text
//! 1.EXPIRY.NONCE.TRACE.SESSION[-SESSION…].SIGNATURE
//! ```
//!
//! All but the version in lower-case hexadecimal digits: the expiry in seconds since 1970 has 16, the others 32. `0` stands for
//! no trace. The signature is the left half of HMAC-SHA-256 over all before it, with a key that signs nothing else.

use super::outcome::TokenOutcome;
use crate::key::{Key, Keys, SIGNATURE_BYTES};
use crate::message::SessionKey;
use crate::seal::{MAX_SKEW, hex_digits, read_hex};
use hmac::Mac;
use http::header::{HeaderMap, HeaderName};
use std::fmt::Write;

/// How many sessions one token names at most.
pub(super) const MAX_SESSIONS: usize = 8;

/// How long a token lasts, in seconds.
const LASTS: u64 = 30;

const VERSION: &str = "1";
const NO_TRACE: &str = "0";
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest text that is read: a token with as many sessions as there can be.
const MAX_BYTES: usize = 512;

/// What a token says.
#[derive(Debug, PartialEq)]
pub(super) struct Token {
    pub(super) sessions: Vec<SessionKey>,
    /// Seconds since 1970.
    expires: u64,
    nonce: [u8; 16],
    trace: Option<[u8; 16]>,
}

impl Token {
    /// A token for a request on this trace; `None` if the system provides no random numbers.
    pub(super) fn new(sessions: Vec<SessionKey>, trace: Option<[u8; 16]>, now: u64) -> Option<Self> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).ok()?;
        Some(Self { sessions, expires: now.saturating_add(LASTS), nonce, trace })
    }

    /// The token's text.
    pub(super) fn signed(&self, keys: &Keys) -> String {
        let mut text = self.unsigned();
        let signature = keys.signing().signing_requests().chain_update(&text).finalize().into_bytes();
        text.push('.');
        push_hex(&mut text, &signature[..SIGNATURE_BYTES]);
        text
    }

    fn unsigned(&self) -> String {
        let mut text = format!("{VERSION}.{:016x}.", self.expires);
        push_hex(&mut text, &self.nonce);
        text.push('.');
        match &self.trace {
            Some(trace) => push_hex(&mut text, trace),
            None => text.push_str(NO_TRACE),
        }
        for (place, session) in self.sessions.iter().enumerate() {
            let separator = if place == 0 { '.' } else { '-' };
            write!(text, "{separator}{session}").expect("a `String` accepts all writes");
        }
        text
    }

    /// Reads a token that is signed with an accepted key, and its signature.
    ///
    /// # Errors
    /// Why it is none. Nothing is read of it before its signature is checked, in constant time.
    pub(super) fn read(text: &str, keys: &Keys) -> Result<(Self, [u8; SIGNATURE_BYTES]), TokenOutcome> {
        if text.len() > MAX_BYTES {
            return Err(TokenOutcome::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenOutcome::Malformed)?;
        let signature = read_hex(signature.as_bytes()).ok_or(TokenOutcome::Malformed)?;
        let is_signed_by = |key: &Key| {
            let signing = key.signing_requests().chain_update(signed);
            signing.verify_truncated_left(&signature).is_ok()
        };
        if !keys.accepted().any(is_signed_by) {
            return Err(TokenOutcome::Forged);
        }
        let (version, rest) = signed.split_once('.').ok_or(TokenOutcome::Malformed)?;
        if version != VERSION {
            return Err(TokenOutcome::OtherVersion);
        }
        Ok((Self::read_parts(rest).ok_or(TokenOutcome::Malformed)?, signature))
    }

    fn read_parts(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let expires = read_hex(parts.next()?.as_bytes()).map(u64::from_be_bytes)?;
        let nonce = read_hex(parts.next()?.as_bytes())?;
        let trace = match parts.next()? {
            NO_TRACE => None,
            trace => Some(read_hex(trace.as_bytes())?),
        };
        let sessions: Vec<_> = parts.next()?.split('-').map(SessionKey::of_hex).collect::<Option<_>>()?;
        let is_alone = |place: usize| !sessions[..place].contains(&sessions[place]);
        let is_list = sessions.len() <= MAX_SESSIONS && (0..sessions.len()).all(is_alone);
        (is_list && parts.next().is_none()).then_some(Self { sessions, expires, nonce, trace })
    }

    /// Checks that it is for a request on this trace, now.
    pub(super) fn check(&self, trace: Option<[u8; 16]>, now: u64) -> Result<(), TokenOutcome> {
        let latest = now.saturating_add(LASTS + MAX_SKEW.as_secs());
        match () {
            () if self.expires < now || self.expires > latest => Err(TokenOutcome::Stale),
            () if self.trace != trace => Err(TokenOutcome::OtherTrace),
            () => Ok(()),
        }
    }
}

/// The trace that a request is on: that of its one `traceparent`, if it is valid.
pub(super) fn trace_of(headers: &HeaderMap) -> Option<[u8; 16]> {
    let mut lines = headers.get_all(TRACEPARENT).iter();
    let text = lines.next()?.to_str().ok().filter(|_| lines.next().is_none())?.trim();
    let mut parts = text.split('-');
    let version: [u8; 1] = read_hex(parts.next()?.as_bytes())?;
    let trace: [u8; 16] = read_hex(parts.next()?.as_bytes())?;
    let span: [u8; 8] = read_hex(parts.next()?.as_bytes())?;
    let is_valid = version != [0xFF] && trace != [0; 16] && span != [0; 8];
    is_valid.then_some(trace)
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    text.extend(bytes.iter().flat_map(|byte| hex_digits(*byte)).map(char::from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Role;
    use crate::seal::now_us;
    use proptest::prelude::*;

    const NOW: u64 = 1_763_724_516;
    const TRACE: Option<[u8; 16]> = Some([7; 16]);

    fn keys(bytes: &[u8]) -> Keys {
        let key = |byte: u8| Key::new([byte; 32]).expect("it is long enough");
        let mut keys = Keys::new(key(bytes[0]));
        assert!(bytes[1..].iter().all(|byte| keys.accept(key(*byte))));
        keys
    }

    fn sessions(count: usize) -> Vec<SessionKey> {
        (0..count).map(|_| SessionKey::random().expect("there is randomness")).collect()
    }

    fn token(trace: Option<[u8; 16]>) -> Token {
        Token::new(sessions(2), trace, NOW).expect("there is randomness")
    }

    fn refused(text: &str) -> Option<TokenOutcome> {
        Token::read(text, &keys(&[1])).err()
    }

    /// A text with a valid signature.
    fn signed(text: &str) -> String {
        let signature = keys(&[1]).signing().signing_requests().chain_update(text).finalize().into_bytes();
        let mut text = format!("{text}.");
        push_hex(&mut text, &signature[..SIGNATURE_BYTES]);
        text
    }

    #[test]
    fn a_signed_token_is_read_as_it_was() {
        for trace in [None, TRACE] {
            for count in [1, MAX_SESSIONS] {
                let token = Token { sessions: sessions(count), ..token(trace) };
                let text = token.signed(&keys(&[1, 2]));
                assert!(text.len() <= MAX_BYTES);
                assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit() || b".-".contains(&byte)));
                for accepted in [keys(&[1]), keys(&[3, 1])] {
                    assert_eq!(Token::read(&text, &accepted).expect("it is signed").0, token);
                }
            }
        }
    }

    #[test]
    fn a_changed_token_or_one_of_another_key_is_forged() {
        let text = token(TRACE).signed(&keys(&[1]));
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).expect("it is text");
            assert!(matches!(refused(&changed), Some(TokenOutcome::Forged | TokenOutcome::Malformed)), "byte {place}");
        }
        assert_eq!(refused(&token(TRACE).signed(&keys(&[2]))), Some(TokenOutcome::Forged));
        assert_eq!(refused(&text.to_ascii_uppercase()), Some(TokenOutcome::Malformed));
        // Signed with the key for other messages of the fleet.
        let unsigned = token(TRACE).unsigned();
        for role in [Role::Watcher, Role::Instance] {
            let signature = keys(&[1]).signing().signing(role).chain_update(&unsigned).finalize().into_bytes();
            let mut text = format!("{unsigned}.");
            push_hex(&mut text, &signature[..SIGNATURE_BYTES]);
            assert_eq!(refused(&text), Some(TokenOutcome::Forged));
        }
    }

    #[test]
    fn what_is_signed_and_no_token_is_malformed() {
        let [one, two, ..] = ["1", "2"].map(|digit| digit.repeat(32));
        let with = |expires: &str, nonce: &str, trace: &str, sessions: &str| {
            refused(&signed(&format!("1.{expires}.{nonce}.{trace}.{sessions}")))
        };
        let expires = "0".repeat(16);
        assert_eq!(with(&expires, &one, "0", &format!("{one}-{two}")), None);
        let nine: Vec<_> = sessions(9).iter().map(ToString::to_string).collect();
        for (nonce, trace, sessions) in [
            (&*one, "0", &*format!("{one}-{one}")),
            (&one, "0", &nine.join("-")),
            (&one, "0", ""),
            (&one, "0", &format!("{one}.{two}")),
            (&one, "0", &"A".repeat(32)),
            (&one, "", &one),
            (&one, "00", &one),
            ("1", "0", &one),
        ] {
            assert_eq!(with(&expires, nonce, trace, sessions), Some(TokenOutcome::Malformed), "{sessions}");
        }
        assert_eq!(with("0", &one, "0", &one), Some(TokenOutcome::Malformed));
        assert_eq!(refused(&signed("2.anything")), Some(TokenOutcome::OtherVersion));
        assert_eq!(refused(&"1".repeat(MAX_BYTES + 1)), Some(TokenOutcome::Malformed));
        assert_eq!(refused(""), Some(TokenOutcome::Malformed));
    }

    #[test]
    fn a_token_is_for_its_time_and_its_trace() {
        let token = token(TRACE);
        for (now, outcome) in [
            (NOW, Ok(())),
            (NOW + 30, Ok(())),
            (NOW + 31, Err(TokenOutcome::Stale)),
            (NOW - 30, Ok(())),
            (NOW - 31, Err(TokenOutcome::Stale)),
            (0, Err(TokenOutcome::Stale)),
            (u64::MAX, Err(TokenOutcome::Stale)),
        ] {
            assert_eq!(token.check(TRACE, now), outcome, "{now}");
        }
        assert_eq!(token.check(None, NOW), Err(TokenOutcome::OtherTrace));
        assert_eq!(token.check(Some([8; 16]), NOW), Err(TokenOutcome::OtherTrace));
        assert_eq!(super::tests::token(None).check(TRACE, NOW), Err(TokenOutcome::OtherTrace));
        assert_eq!(super::tests::token(None).check(None, NOW), Ok(()));
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        let sessions = sessions(1);
        let text = || Token::new(sessions.clone(), TRACE, NOW).expect("there is randomness").signed(&keys(&[1]));
        assert_ne!(text(), text());
    }

    #[test]
    fn the_trace_is_that_of_the_one_valid_traceparent() {
        let trace = |lines: &[&str]| {
            let headers = lines.iter().map(|line| (TRACEPARENT, line.parse().expect("it is a value"))).collect();
            trace_of(&headers)
        };
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(trace(&[valid]).is_some());
        assert_eq!(trace(&["cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"]), trace(&[valid]));
        for invalid in [
            "",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c",
        ] {
            assert_eq!(trace(&[invalid]), None, "{invalid}");
        }
        assert_eq!(trace(&[valid, valid]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_no_token(text in "[0-9a-f.A-Z-]{0,300}|.{0,80}") {
            prop_assert!(Token::read(&text, &keys(&[1])).is_err());
            // Signed, it may be one, and is never more than that.
            if let Ok((token, _)) = Token::read(&signed(&text), &keys(&[1])) {
                prop_assert_eq!(token.unsigned(), text);
                prop_assert!(token.check(None, now_us() / 1_000_000).is_err());
            }
        }
    }
}
