//! What instances and watchers of one fleet agree on.

use super::key::Key;
use super::subject::{Place, SubjectError};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest name of a service or an instance, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 128;

/// How often a watcher renews its sessions, unless told otherwise.
pub(super) const RENEWAL: Duration = Duration::from_secs(2);

/// How often it may.
const RENEWALS: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(60);

/// A service's name, the key its instances and watchers share, and where on the server they meet.
///
/// ```
/// use tracing_tap_nats::{Config, Key};
///
/// let key = Key::new("at least thirty-two bytes of a secret")?;
/// let config = Config::new("chat", key)?.instance("chat-7f9c")?.subject_prefix("ops.tap")?;
/// assert!(config.clone().subject_prefix("tap.>").is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) place: Place,
    pub(super) key: Key,
    pub(super) instance: Option<String>,
    pub(super) renewal: Duration,
}

/// A name or a prefix that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Trouble);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    Name { what: &'static str, bytes: usize },
    Prefix(SubjectError),
    Renewal(Duration),
}

impl Config {
    /// A service whose instances and watchers meet under the subject `tap`.
    ///
    /// # Errors
    /// If the service's name is empty or longer than 128 bytes. Any characters will do: they are encoded.
    pub fn new(service: impl AsRef<str>, key: Key) -> Result<Self, ConfigError> {
        let service = checked("service", service.as_ref())?;
        Ok(Self { place: Place::new(service), key, instance: None, renewal: RENEWAL })
    }

    /// Names the instance for those who watch; by default it has the number it gives itself when it joins.
    ///
    /// # Errors
    /// If the name is empty or longer than 128 bytes.
    pub fn instance(mut self, name: impl AsRef<str>) -> Result<Self, ConfigError> {
        self.instance = Some(checked("instance", name.as_ref())?.to_owned());
        Ok(self)
    }

    /// Says under which subject all messages are; `tap` by default. Permissions of the server are given below it.
    ///
    /// # Errors
    /// If it is not words of letters, digits, `_` and `-` with dots between them, at most 128 bytes.
    pub fn subject_prefix(mut self, prefix: impl AsRef<str>) -> Result<Self, ConfigError> {
        self.place.set_prefix(prefix.as_ref()).map_err(|error| ConfigError(Trouble::Prefix(error)))?;
        Ok(self)
    }

    /// Says how often a watcher renews its sessions; default 2 s. Instances close a session that is not renewed for
    /// three and a quarter times as long.
    ///
    /// # Errors
    /// If it is less than 50 ms or more than a minute.
    pub fn renew_every(mut self, renewal: Duration) -> Result<Self, ConfigError> {
        if !may_renew_every(renewal) {
            return Err(ConfigError(Trouble::Renewal(renewal)));
        }
        self.renewal = renewal;
        Ok(self)
    }
}

/// Whether a watcher may renew its sessions as often.
pub(super) fn may_renew_every(renewal: Duration) -> bool {
    RENEWALS.contains(&renewal)
}

fn checked<'a>(what: &'static str, name: &'a str) -> Result<&'a str, ConfigError> {
    let bytes = name.len();
    let fits = (1..=MAX_NAME_BYTES).contains(&bytes);
    fits.then_some(name).ok_or(ConfigError(Trouble::Name { what, bytes }))
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Trouble::Name { what, bytes: 0 } => write!(f, "name the {what}: the name is empty"),
            Trouble::Name { what, bytes } => {
                write!(f, "name the {what}: the name has {bytes} bytes, more than the {MAX_NAME_BYTES} allowed")
            }
            Trouble::Renewal(renewal) => {
                write!(f, "renew sessions every {renewal:?}: from 50 ms to a minute are allowed")
            }
            Trouble::Prefix(_) => f.write_str("set the prefix of the subjects"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Trouble::Name { .. } | Trouble::Renewal(_) => None,
            Trouble::Prefix(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    fn config() -> Config {
        Config::new("chat", Key::new([7; 32]).expect("it is long enough")).expect("it is a name")
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let key = || Key::new([7; 32]).expect("it is long enough");
        let long = "a".repeat(129);
        for (error, text) in [
            (Config::new("", key()), "name the service: the name is empty"),
            (Config::new(&long, key()), "name the service: the name has 129 bytes, more than the 128 allowed"),
            (config().instance(""), "name the instance: the name is empty"),
            (config().subject_prefix("tap.>"), "set the prefix of the subjects"),
            (config().renew_every(Duration::ZERO), "renew sessions every 0ns: from 50 ms to a minute are allowed"),
        ] {
            assert_eq!(error.expect_err("it is refused").to_string(), text);
        }
        let error = config().subject_prefix("*").expect_err("it is refused");
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        let expected = "expected words of letters, digits, `_` and `-` with dots between them, at most 128 bytes";
        assert_eq!(source, expected);
    }

    #[test]
    fn the_key_is_not_shown() {
        assert!(format!("{:?}", config()).contains("key: Key { .. }"), "{:?}", config());
    }
}
