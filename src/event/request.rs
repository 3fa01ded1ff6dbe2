//! What tells the requests of a session apart: an id for each root span.
//!
//! A span is named within its layer by a key: its place in the table of spans, and how often that place was used. The key of a
//! root, mixed with a number that only its layer has, is the id of the request. So it costs a few instructions where a span is
//! captured, nothing where it is not, and the past has the same id, since its records have the key. Mixing is reversible, so two
//! roots of a layer never have the same id. The number of a layer has 64 bits of chance in it: two roots of several layers,
//! processes or starts of a service have the same id as rarely as two random numbers do.

use serde::de::{Deserialize, Deserializer, Error, Unexpected};
use serde::ser::{Serialize, Serializer};
use std::fmt::{self, Write};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::OnceLock;

/// Names one request: the tree of spans under one root, from the root's creation to its close.
///
/// `Display` prints 16 hexadecimal digits. No two requests of a session have the same, and it is as unlikely as with random
/// numbers of 64 bits that two requests of different processes have. It says nothing about the order of requests.
///
/// ```
/// use tracing_subscriber::prelude::*;
/// use tracing_tap::{Item, TapRouter};
///
/// let router = TapRouter::new();
/// tracing_subscriber::registry().with(router.layer()).init();
/// let mut stream = router.watch("user = 42")?;
/// for _ in 0..2 {
///     tracing::info_span!("request", user = 42).in_scope(|| {
///         tracing::info!("begun");
///         tracing::info!("done");
///     });
/// }
/// let requests: Vec<_> = stream.drain().filter_map(Item::into_event).map(|event| event.request()).collect();
/// assert!(requests[0].is_some() && requests[0] == requests[1]);
/// assert!(requests[2].is_some() && requests[2] == requests[3] && requests[2] != requests[0]);
/// # Ok::<(), tracing_tap::PredicateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(NonZeroU64);

/// The number that a layer's keys are mixed with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane(u64);

impl Lane {
    /// The lane of a layer, by numbers that no other has.
    pub(crate) fn new(router: u64, layer: u64) -> Self {
        static CHANCE: OnceLock<u64> = OnceLock::new();
        let chance = *CHANCE.get_or_init(|| RandomState::new().hash_one(0));
        Self(mixed(mixed(chance ^ router).wrapping_add(layer)))
    }

    /// The lane of a layer that the records of the past have given this number.
    pub(crate) fn of_past(router: u64, layer: u8) -> Self {
        Self::new(router, layer.into())
    }

    /// The id of the request whose root has this key.
    pub(crate) fn request(self, key: u64) -> RequestId {
        RequestId(NonZeroU64::new(mixed(key ^ self.0)).unwrap_or(NonZeroU64::MAX))
    }
}

/// Spreads a number over all bits, each to another: the end of SplitMix64.
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 31
}

impl RequestId {
    /// Its 16 digits. Every line of an event has them, and the formatter of numbers takes ten times as long.
    pub(crate) fn digits(self) -> [u8; 16] {
        let digit = |place: usize| b"0123456789abcdef"[(self.0.get() >> (60 - 4 * place)) as usize & 15];
        std::array::from_fn(digit)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().iter().try_for_each(|digit| f.write_char(char::from(*digit)))
    }
}

/// Why a text is no [`RequestId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestIdError;

impl fmt::Display for RequestIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id of a request is 16 hexadecimal digits in lower case, not all of them 0")
    }
}

impl std::error::Error for RequestIdError {}

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = is_digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.and_then(NonZeroU64::new).map(Self).ok_or(RequestIdError)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|error: RequestIdError| D::Error::invalid_value(Unexpected::Str(&text), &&*error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_of_one_and_of_several_layers_make_different_ids() {
        let lanes: Vec<_> = (0..4).flat_map(|router| (0..16).map(move |layer| Lane::new(router, layer))).collect();
        let ids: HashSet<_> = lanes.iter().flat_map(|lane| (0..1000).map(|key| lane.request(key))).collect();
        assert_eq!(ids.len(), lanes.len() * 1000);
    }

    #[test]
    fn an_id_is_read_as_it_is_printed() {
        let id = Lane::new(1, 2).request(3);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in
            ["", "0000000000000000", "000000000000000g", "00000000000000001", "000000000000000A", "+00000000000000a"]
        {
            assert_eq!(text.parse::<RequestId>(), Err(RequestIdError), "{text}");
        }
    }
}
