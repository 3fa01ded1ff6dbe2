//! Tasks of `tokio`, for guards that are held across `.await`; without the feature `tokio` nothing is known of them.
//!
//! # What proves a guard that outlived its poll
//! A span that was entered while task A was polled is still entered on this thread while no task is polled here: the poll
//! has ended, the guard has not been dropped. Another task's id proves nothing: within a poll of A another may be polled
//! rightfully, by a `LocalSet` inside it, or by `block_on` inside a blocking task. So where another task's id is seen, the
//! runtime is asked to wake a waker of ours as it wakes tasks that yield: between polls, in its own loop on this thread. If
//! no task is polled then either and the span is still entered, its guard is held across `.await`.

#[cfg(feature = "tokio")]
pub(super) use known::Task;
#[cfg(all(feature = "tokio", tokio_unstable))]
pub(super) use known::number_of;
#[cfg(not(feature = "tokio"))]
pub(super) use unknown::Task;

/// What the task that entered a span says of the one that runs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// Nothing is wrong, as far as can be known.
    Same,
    /// Another task runs, perhaps inside a poll of that one.
    Other,
    /// No task runs: the poll has ended.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "found with the feature `tokio` alone"))]
    Over,
}

#[cfg(not(feature = "tokio"))]
mod unknown {
    use super::Compared;

    /// The task that runs on a thread: not known.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in crate::layer) struct Task;

    impl Task {
        pub(in crate::layer) const NONE: Self = Self;

        #[inline(always)]
        pub(in crate::layer) fn current() -> Self {
            Self
        }

        #[inline(always)]
        pub(in crate::layer) fn compared(self, _: Self) -> Compared {
            Compared::Same
        }
    }
}

#[cfg(feature = "tokio")]
mod known {
    use super::Compared;
    use tokio::task::Id;

    /// The task that runs on a thread; `None`: none, or it is not to be compared any more.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(in crate::layer) struct Task(Option<Id>);

    impl Task {
        pub(in crate::layer) const NONE: Self = Self(None);

        #[inline]
        pub(in crate::layer) fn current() -> Self {
            Self(tokio::task::try_id())
        }

        /// A number that distinguishes the task from others.
        #[cfg(all(feature = "tokio", tokio_unstable))]
        pub(in crate::layer) fn number(self) -> Option<u64> {
            self.0.map(number_of)
        }

        /// What runs `now`, by the task that entered a span.
        #[inline]
        pub(in crate::layer) fn compared(self, now: Self) -> Compared {
            match (self.0, now.0) {
                (Some(_), None) => Compared::Over,
                (Some(then), Some(now)) if then != now => Compared::Other,
                _ => Compared::Same,
            }
        }
    }

    /// Numbers do not tell by which task they are; they differ as ids do.
    #[cfg(all(feature = "tokio", tokio_unstable))]
    pub(in crate::layer) fn number_of(id: Id) -> u64 {
        use std::hash::{Hash, Hasher};
        let mut hasher = rustc_hash::FxHasher::default();
        id.hash(&mut hasher);
        hasher.finish()
    }
}
