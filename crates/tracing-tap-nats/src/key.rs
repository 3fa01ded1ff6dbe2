//! The secret that instances and watchers share, and what is derived from it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// The shortest key, in bytes: as long as what HMAC-SHA-256 puts out.
const MIN_BYTES: usize = 32;

/// Bytes of a signature: the left half of HMAC-SHA-256, as RFC 2104 allows.
pub(super) const SIGNATURE_BYTES: usize = 16;

/// The secret shared by the instances and watchers of a service: who has it may open sessions, and be an instance.
///
/// `Debug` does not show it.
///
/// ```
/// use tracing_tap_nats::Key;
///
/// assert!(Key::new("S8uWXu0mEZzN1Fbs-S8uWXu0mEZzN1Fbs").is_ok());
/// let error = Key::new("short").unwrap_err();
/// assert_eq!(error.to_string(), "use the fleet's key: it has 5 bytes, fewer than the 32 needed");
/// ```
#[derive(Clone)]
pub struct Key {
    watchers: Hmac<Sha256>,
    instances: Hmac<Sha256>,
}

/// A key that is too short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    bytes: usize,
}

/// Who speaks. What one of them has signed does not count from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Watcher,
    Instance,
}

impl Key {
    /// Takes the secret's bytes, which should come from a generator of random ones.
    ///
    /// # Errors
    /// If there are fewer than 32.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let secret = secret.as_ref();
        if secret.len() < MIN_BYTES {
            return Err(KeyError { bytes: secret.len() });
        }
        Ok(Self { watchers: derived(secret, b"watchers"), instances: derived(secret, b"instances") })
    }

    /// Begins a signature of what somebody says.
    pub(super) fn signing(&self, voice: Voice) -> Hmac<Sha256> {
        match voice {
            Voice::Watcher => self.watchers.clone(),
            Voice::Instance => self.instances.clone(),
        }
    }
}

/// A key for one purpose.
fn derived(secret: &[u8], purpose: &[u8]) -> Hmac<Sha256> {
    let key = keyed(secret).chain_update(b"tracing-tap fleet ").chain_update(purpose).finalize();
    keyed(&key.into_bytes())
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "use the fleet's key: it has {} bytes, fewer than the {MIN_BYTES} needed", self.bytes)
    }
}

impl std::error::Error for KeyError {}
