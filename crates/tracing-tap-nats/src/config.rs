//! The settings that instances and watchers of one fleet share.

use super::key::{Key, Keys, MAX_KEYS};
use super::subject::{MAX_NAME_BYTES, SubjectError, Subjects};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;
use tracing_tap::escape::escaped;

/// The default interval between renewals of a session.
pub(super) const RENEWAL: Duration = Duration::from_secs(2);

/// The most services that one session is open on.
const MAX_SERVICES: usize = 16;

/// The intervals allowed.
const RENEWALS: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(60);

/// A service's name, the keys that its instances and watchers share, and their subjects on the server.
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
    pub(super) subjects: Subjects,
    /// The other services that a watcher's sessions are open on.
    others: Vec<Subjects>,
    pub(super) keys: Keys,
    pub(super) instance: Option<String>,
    pub(super) renewal: Duration,
}

/// Error of [`Config`]: a value that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Trouble);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    Name { what: &'static str, bytes: usize },
    Prefix(SubjectError),
    Renewal(Duration),
    Keys,
    Services,
    Twice(String),
}

impl Config {
    /// The configuration of a service whose subjects begin with `tap`. `key` signs, and its signatures are accepted.
    ///
    /// # Errors
    /// If the service's name is empty or longer than 128 bytes. Any characters are allowed: subjects encode them.
    pub fn new(service: impl AsRef<str>, key: Key) -> Result<Self, ConfigError> {
        let service = checked("service", service.as_ref())?;
        let subjects = Subjects::new(service);
        Ok(Self { subjects, others: Vec::new(), keys: Keys::new(key), instance: None, renewal: RENEWAL })
    }

    /// Also accepts messages signed with `key`; the key given to [`new`](Self::new) still signs all messages.
    ///
    /// This replaces a key while the fleet runs, without losing a message. Restart instances and watchers three times,
    /// one after the other and in any order; begin each round when the last one is complete:
    ///
    /// 1. They sign with the old key, and accept the new one.
    /// 2. They sign with the new key, and accept the old one.
    /// 3. They know the new key only.
    ///
    /// ```
    /// use tracing_tap_nats::{Config, Key};
    ///
    /// let [old, new] = ["the old secret, of 32 bytes or more", "the new secret, of 32 bytes or more"];
    /// let second_round = Config::new("chat", Key::new(new)?)?.accept_key(Key::new(old)?)?;
    /// # let _ = second_round;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If four keys are accepted already: each one makes it more expensive to reject a forged message.
    pub fn accept_key(mut self, key: Key) -> Result<Self, ConfigError> {
        if self.keys.accept(key) { Ok(self) } else { Err(ConfigError(Trouble::Keys)) }
    }

    /// Opens a watcher's sessions on this service as well, and has requests
    /// [followed](tracing_tap::SessionOptions::across_services) from one service into the next. In the items, instances are
    /// then named `service/instance`.
    ///
    /// All services share the keys and the prefix. An instance [joins](crate::join) the service given to
    /// [`new`](Self::new) alone.
    ///
    /// ```
    /// use tracing_tap_nats::{Config, Key};
    ///
    /// let key = Key::new("at least thirty-two bytes of a secret")?;
    /// let config = Config::new("edge", key)?.also_on("orders")?.also_on("billing")?;
    /// assert!(config.also_on("orders").is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the name is empty, longer than 128 bytes, or there already, or if there are 16 services.
    pub fn also_on(mut self, service: impl AsRef<str>) -> Result<Self, ConfigError> {
        let service = checked("service", service.as_ref())?;
        if self.services().any(|known| known.name() == service) {
            return Err(ConfigError(Trouble::Twice(service.to_owned())));
        }
        if self.services().count() >= MAX_SERVICES {
            return Err(ConfigError(Trouble::Services));
        }
        self.others.push(self.subjects.of_service(service));
        Ok(self)
    }

    /// The services that a watcher's sessions are open on.
    pub(super) fn services(&self) -> impl Iterator<Item = &Subjects> {
        std::iter::once(&self.subjects).chain(&self.others)
    }

    /// Whether there are several.
    pub(super) fn is_on_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// Sets the instance's name in the items of watchers. Default: a random number, drawn when it joins.
    ///
    /// # Errors
    /// If the name is empty or longer than 128 bytes.
    pub fn instance(mut self, name: impl AsRef<str>) -> Result<Self, ConfigError> {
        self.instance = Some(checked("instance", name.as_ref())?.to_owned());
        Ok(self)
    }

    /// Sets the beginning of all subjects; default `tap`. Permissions of the server are granted below it.
    ///
    /// # Errors
    /// If it is not words of letters, digits, `_` and `-` with dots between them, of at most 128 bytes together.
    pub fn subject_prefix(mut self, prefix: impl AsRef<str>) -> Result<Self, ConfigError> {
        let mut services = std::iter::once(&mut self.subjects).chain(&mut self.others);
        services
            .try_for_each(|subjects| subjects.set_prefix(prefix.as_ref()))
            .map_err(|error| ConfigError(Trouble::Prefix(error)))?;
        Ok(self)
    }

    /// Sets how often a watcher renews its sessions; default 2 s. An instance closes a session after 3.25 times this
    /// interval without a renewal.
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

/// Whether a watcher may renew its sessions at this interval.
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
            Trouble::Name { what, bytes: 0 } => write!(f, "the name of the {what} is empty"),
            Trouble::Name { what, bytes } => {
                write!(f, "the name of the {what} has {bytes} bytes, more than the {MAX_NAME_BYTES} allowed")
            }
            Trouble::Renewal(renewal) => {
                write!(f, "a renewal interval of {renewal:?} is not between 50 ms and one minute")
            }
            Trouble::Services => write!(f, "a session is on at most {MAX_SERVICES} services"),
            Trouble::Twice(service) => write!(f, "the service `{}` is named twice", escaped(service, MAX_NAME_BYTES)),
            Trouble::Keys => write!(f, "more than {MAX_KEYS} keys are accepted"),
            Trouble::Prefix(error) => write!(f, "invalid subject prefix: {error}"),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("chat", Key::new([7; 32]).expect("it is long enough")).expect("it is a name")
    }

    #[test]
    fn an_error_names_the_value_and_the_limit() {
        let key = || Key::new([7; 32]).expect("it is long enough");
        let long = "a".repeat(129);
        let words = "expected words of letters, digits, `_` and `-` with dots between them, at most 128 bytes";
        for (error, text) in [
            (Config::new("", key()), "the name of the service is empty"),
            (Config::new(&long, key()), "the name of the service has 129 bytes, more than the 128 allowed"),
            (config().instance(""), "the name of the instance is empty"),
            (config().subject_prefix("tap.>"), &*format!("invalid subject prefix: {words}")),
            (config().also_on("chat"), "the service `chat` is named twice"),
            (config().also_on(""), "the name of the service is empty"),
            (config().renew_every(Duration::ZERO), "a renewal interval of 0ns is not between 50 ms and one minute"),
        ] {
            assert_eq!(error.expect_err("it is refused").to_string(), text);
        }
    }

    #[test]
    fn a_fifth_key_is_refused() {
        let accept = |config: Config, byte| config.accept_key(Key::new([byte; 32]).expect("it is long enough"));
        let four = (0..3).try_fold(config(), accept).expect("four keys are allowed");
        let error = accept(four, 4).expect_err("it is the fifth");
        assert_eq!(error.to_string(), "more than 4 keys are accepted");
    }

    #[test]
    fn a_prefix_is_that_of_all_services() {
        let config = config().also_on("orders").and_then(|config| config.subject_prefix("ops"));
        let config = config.and_then(|config| config.also_on("billing")).expect("it is valid");
        let announced: Vec<_> = config.services().map(Subjects::announcements).collect();
        assert_eq!(announced, ["ops.chat.announce", "ops.orders.announce", "ops.billing.announce"]);
        let full = (3..16).try_fold(config, |config, number| config.also_on(format!("s{number}")));
        let error = full.expect("sixteen are allowed").also_on("more").expect_err("it is the seventeenth");
        assert_eq!(error.to_string(), "a session is on at most 16 services");
    }

    #[test]
    fn the_key_is_not_shown() {
        assert!(format!("{:?}", config()).contains("signing: Key { .. }"), "{:?}", config());
    }
}
