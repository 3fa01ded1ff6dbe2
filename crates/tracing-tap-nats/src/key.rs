//! The secrets that instances and watchers share, and the keys derived from them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// The shortest key, in bytes: the length of an HMAC-SHA-256.
const MIN_BYTES: usize = 32;

/// Bytes of a signature: the left half of HMAC-SHA-256, as RFC 2104 allows.
pub(super) const SIGNATURE_BYTES: usize = 16;

/// The most keys one configuration accepts. Each forged message costs one HMAC per key.
pub(super) const MAX_KEYS: usize = 4;

/// The secret shared by the instances and watchers of a service. Its holder can open sessions, and act as an instance.
///
/// `Debug` does not show it. To replace a key while the fleet runs, see [`Config::accept_key`](crate::Config::accept_key).
///
/// ```
/// use tracing_tap_nats::Key;
///
/// assert!(Key::new("S8uWXu0mEZzN1Fbs-S8uWXu0mEZzN1Fbs").is_ok());
/// let error = Key::new("short").unwrap_err();
/// assert_eq!(error.to_string(), "the fleet's key has 5 bytes, fewer than the 32 required");
/// ```
#[derive(Clone)]
pub struct Key {
    watchers: Hmac<Sha256>,
    instances: Hmac<Sha256>,
    #[cfg(feature = "tower")]
    requests: Hmac<Sha256>,
}

/// Error of [`Key::new`]: the key is too short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    bytes: usize,
}

/// The keys of one configuration.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    signing: Key,
    /// Accepted as well, while a key is replaced.
    others: Vec<Key>,
}

/// The role of a sender. A message signed in one role never counts in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Watcher,
    Instance,
}

impl Key {
    /// Derives the keys of all roles from a secret, which should come from a random generator.
    ///
    /// # Errors
    /// If the secret has fewer than 32 bytes.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let secret = secret.as_ref();
        if secret.len() < MIN_BYTES {
            return Err(KeyError { bytes: secret.len() });
        }
        let derived = |purpose: &[u8]| derived(secret, purpose);
        Ok(Self {
            watchers: derived(b"watchers"),
            instances: derived(b"instances"),
            #[cfg(feature = "tower")]
            requests: derived(b"requests"),
        })
    }

    /// Begins the signature of a token that goes with a request. Its key is that of no message, so neither passes for the
    /// other.
    #[cfg(feature = "tower")]
    pub(super) fn signing_requests(&self) -> Hmac<Sha256> {
        self.requests.clone()
    }

    /// Begins the signature of a message.
    pub(super) fn signing(&self, role: Role) -> Hmac<Sha256> {
        match role {
            Role::Watcher => self.watchers.clone(),
            Role::Instance => self.instances.clone(),
        }
    }
}

impl Keys {
    pub(super) fn new(signing: Key) -> Self {
        Self { signing, others: Vec::new() }
    }

    /// Accepts a further key. Returns whether there was room for it.
    #[must_use]
    pub(super) fn accept(&mut self, key: Key) -> bool {
        let has_room = 1 + self.others.len() < MAX_KEYS;
        if has_room {
            self.others.push(key);
        }
        has_room
    }

    /// The key that signs.
    pub(super) fn signing(&self) -> &Key {
        &self.signing
    }

    /// All keys whose signatures are accepted, the one that signs first.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.signing).chain(&self.others)
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
        write!(f, "the fleet's key has {} bytes, fewer than the {MIN_BYTES} required", self.bytes)
    }
}

impl std::error::Error for KeyError {}
