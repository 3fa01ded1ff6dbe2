//! The recursion guard: while this crate runs its users' code, what that code logs is not routed.

use super::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Held while code of the users may run: `Debug` and `Display` of values, wakers.
///
/// Events and spans of that code reach every other layer, but not this one: a `Debug` that logs its own value
/// would never end. With a global default subscriber nothing else stops it.
#[derive(Debug)]
pub(crate) struct Guard {
    _private: (),
}

impl Guard {
    /// Enters, unless this thread is inside already.
    #[inline]
    pub(crate) fn enter() -> Option<Self> {
        // `then`, not `then_some`: a guard that is made only to be thrown away would end the one that is held.
        thread::with(|state| !state.busy.replace(true)).then(|| Self { _private: () })
    }

    /// Whether this thread is inside.
    #[inline]
    pub(crate) fn is_held() -> bool {
        thread::with(|state| state.busy.get())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        thread::with(|state| state.busy.set(false));
    }
}

/// Runs code of the users and swallows its panic: the host did not ask for that code to run here.
///
/// Returns nothing where it panicked. What it may leave half done is its own; nothing of this crate is.
pub(crate) fn run_user_code<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}
