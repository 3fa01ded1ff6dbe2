//! The number of open sessions of each opener.

use rustc_hash::FxHashMap;

/// The number of openers that a refusal names. The others are summed up.
const MAX_NAMED_HOLDERS: usize = 4;

/// An opener with its number of open sessions; see [`WatchError::holders`](crate::WatchError::holders).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The sessions' [`opened_by`](crate::SessionOptions::opened_by), unescaped; `None` for sessions without one.
    pub opener: Option<String>,
    /// The number of its open sessions.
    pub sessions: usize,
}

/// The number of sessions for each opener. Openers without a name count as one.
#[derive(Debug, Default)]
pub(crate) struct Holders(FxHashMap<Option<Box<str>>, usize>);

impl Holders {
    pub(crate) fn add(&mut self, opener: Option<&str>) {
        *self.0.entry(opener.map(Into::into)).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, opener: Option<&str>) {
        let opener = opener.map(Into::into);
        let Some(sessions) = self.0.get_mut(&opener) else { return };
        *sessions -= 1;
        if *sessions == 0 {
            self.0.remove(&opener);
        }
    }

    pub(crate) fn held_by(&self, opener: Option<&str>) -> usize {
        self.0.get(&opener.map(Into::into)).copied().unwrap_or(0)
    }

    /// The openers with the most sessions, the largest first.
    pub(crate) fn largest(&self) -> Vec<Holder> {
        let mut all: Vec<_> = self.0.iter().map(|(opener, sessions)| (std::cmp::Reverse(*sessions), opener)).collect();
        if all.len() > MAX_NAMED_HOLDERS {
            all.select_nth_unstable(MAX_NAMED_HOLDERS);
            all.truncate(MAX_NAMED_HOLDERS);
        }
        all.sort_unstable();
        let holder = |(sessions, opener): (std::cmp::Reverse<usize>, &Option<Box<str>>)| Holder {
            opener: opener.as_deref().map(str::to_owned),
            sessions: sessions.0,
        };
        all.into_iter().map(holder).collect()
    }
}

impl<'a> FromIterator<Option<&'a str>> for Holders {
    fn from_iter<I: IntoIterator<Item = Option<&'a str>>>(openers: I) -> Self {
        let mut holders = Self::default();
        openers.into_iter().for_each(|opener| holders.add(opener));
        holders
    }
}
