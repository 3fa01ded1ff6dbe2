//! What a router can be asked to watch.

use crate::predicate::{Predicate, PredicateError};
use crate::session::SessionOptions;
use crate::stream::EventStream;

/// What [`TapRouter::watch`](crate::TapRouter::watch) and [`try_watch`](crate::TapRouter::try_watch) accept: a
/// [`SessionOptions`], a [`Predicate`], or a predicate's [text](crate::predicate::syntax).
///
/// A text may be wrong, so `watch` returns a `Result` for it. Everything that converts into a `SessionOptions` cannot be, so
/// `watch` returns the stream itself: code that builds its predicates has no error to handle. `try_watch` returns a
/// [`WatchError`](crate::WatchError) for either.
///
/// The trait is implemented for every `Into<Session>`, and sealed: to have a type of your own accepted, implement
/// `From<YourType> for Session`.
///
/// ```
/// use tracing_tap::{EventStream, Predicate, PredicateError, SessionOptions, TapRouter};
///
/// let router = TapRouter::new();
/// let built: EventStream = router.watch(Predicate::eq("user", 42));
/// let limited: EventStream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).max_events(100));
/// let read: Result<EventStream, PredicateError> = router.watch("user = 42");
/// assert!(read.is_ok());
///
/// let error = router.watch("user => 42").unwrap_err();
/// assert_eq!((error.column(), error.hint()), (Some(6), Some("did you mean `>=`?")));
/// # let _ = (built, limited);
/// ```
///
/// ```compile_fail,E0277
/// tracing_tap::TapRouter::new().watch(42);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a router can watch",
    label = "expected a `Session`, a `Predicate` or the text of one",
    note = "write `\"user = 42\"`, `Predicate::eq(\"user\", 42)`, or `Session::new(predicate)` for a session with limits"
)]
pub trait IntoSessionOptions: Sealed {
    /// What `watch` returns: an [`EventStream`], or a `Result` of one where this may be wrong.
    type Watched;

    /// Makes it a session.
    #[doc(hidden)]
    fn try_into_options(self) -> Result<SessionOptions, PredicateError>;

    /// Has it opened.
    #[doc(hidden)]
    fn watched_by(self, open: impl FnOnce(SessionOptions) -> EventStream) -> Self::Watched;
}

/// Keeps the hidden methods ours to change.
pub trait Sealed {}

impl<T: Into<SessionOptions>> Sealed for T {}

// So that what is said of a type that is nothing of this is said by the trait, and not of `From`.
#[diagnostic::do_not_recommend]
impl<T: Into<SessionOptions>> IntoSessionOptions for T {
    type Watched = EventStream;

    fn try_into_options(self) -> Result<SessionOptions, PredicateError> {
        Ok(self.into())
    }

    fn watched_by(self, open: impl FnOnce(SessionOptions) -> EventStream) -> EventStream {
        open(self.into())
    }
}

/// Implements the trait for types that hold a text.
macro_rules! texts {
    ($($text:ty),*) => {$(
        impl Sealed for $text {}

        impl IntoSessionOptions for $text {
            type Watched = Result<EventStream, PredicateError>;

            fn try_into_options(self) -> Result<SessionOptions, PredicateError> {
                self.parse::<Predicate>().map(SessionOptions::from)
            }

            fn watched_by(self, open: impl FnOnce(SessionOptions) -> EventStream) -> Self::Watched {
                self.try_into_options().map(open)
            }
        }
    )*};
}

texts!(&str, &String, String);
