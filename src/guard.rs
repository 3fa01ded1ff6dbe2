//! The recursion guard: while this crate runs code of its users, events of that code are not routed.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// Without a destructor, so that it exists even while the thread ends.
    static STATE: Cell<u8> = const { Cell::new(PLAIN) };
}

/// This thread runs its own code.
const PLAIN: u8 = 0;
/// It runs user code for this crate.
const HELD: u8 = 1;
/// It asks all layers once more about a callsite.
const ASKING_AGAIN: u8 = 2;

/// Held while code of the users may run: `Debug` and `Display` of values, wakers.
///
/// Events and spans of that code reach every other layer, but not this one: a `Debug` that logs its own value
/// would never end. With a global default subscriber nothing else stops it.
#[derive(Debug)]
pub(crate) struct Guard {
    _entered: Entered,
}

/// Held while all layers are asked again about a callsite: no event follows such a question.
#[derive(Debug)]
pub(crate) struct AskingAgain {
    _entered: Entered,
}

/// A flag of the thread that is cleared when this is dropped, panics included.
#[derive(Debug)]
struct Entered(u8);

/// Whether this thread is neither running code of the users for us nor asking again.
#[inline]
pub(crate) fn is_plain() -> bool {
    STATE.get() == PLAIN
}

impl Guard {
    /// Enters, unless this thread is inside already.
    #[inline]
    pub(crate) fn enter() -> Option<Self> {
        Entered::enter(HELD).map(|entered| Self { _entered: entered })
    }

    /// Whether this thread is inside.
    #[inline]
    pub(crate) fn is_held() -> bool {
        STATE.get() & HELD != 0
    }
}

impl AskingAgain {
    /// Enters; `None` if the thread is asking again already.
    pub(crate) fn enter() -> Option<Self> {
        Entered::enter(ASKING_AGAIN).map(|entered| Self { _entered: entered })
    }

    /// Whether this thread is asking again.
    #[inline]
    pub(crate) fn is_held() -> bool {
        STATE.get() & ASKING_AGAIN != 0
    }
}

impl Entered {
    #[inline]
    fn enter(flag: u8) -> Option<Self> {
        let state = STATE.get();
        STATE.set(state | flag);
        // `then`, not `then_some`: a value created only to be dropped would clear the flag of the held one.
        (state & flag == 0).then(|| Self(flag))
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        STATE.set(STATE.get() & !self.0);
    }
}

/// Runs code of the users and swallows its panic: the host did not ask for that code to run here.
///
/// Returns `None` if it panicked. Only its own state may be inconsistent then, none of this crate's.
pub(crate) fn run_user_code<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).map_err(discard).ok()
}

/// Drops the payload of a panic. Its drop may panic in turn; that second payload is leaked, since its drop may panic too.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
