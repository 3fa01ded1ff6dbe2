//! Conversions into the options of a session.

use crate::predicate::{Predicate, PredicateError};
use crate::session::SessionOptions;
use crate::stream::EventStream;

/// The argument of [`TapRouter::watch`](crate::TapRouter::watch) and [`try_watch`](crate::TapRouter::try_watch): a
/// [`SessionOptions`], a [`Predicate`], or a predicate's [text](crate::predicate::syntax).
///
/// A text may be invalid, so `watch` returns a `Result` for it. A type that converts into `SessionOptions` cannot be, so
/// `watch` returns the stream itself. `try_watch` returns a `Result` for either, since it may refuse the session.
///
/// The trait is implemented for every `Into<SessionOptions>`, and sealed. For a type of your own, implement
/// `From<YourType> for SessionOptions`.
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
    message = "a router cannot watch `{Self}`",
    label = "expected `SessionOptions`, a `Predicate` or the text of a predicate",
    note = "use `\"user = 42\"`, `Predicate::eq(\"user\", 42)`, or `SessionOptions::new(predicate)` for a session with limits"
)]
pub trait IntoSessionOptions: Sealed {
    /// The return type of `watch`: an [`EventStream`], or for a text a `Result` of one.
    type Watched;

    /// Converts it to options.
    #[doc(hidden)]
    fn try_into_options(self) -> Result<SessionOptions, PredicateError>;

    /// Opens the session.
    #[doc(hidden)]
    fn watched_by(self, open: impl FnOnce(SessionOptions) -> EventStream) -> Self::Watched;
}

/// Keeps the hidden methods ours to change.
pub trait Sealed {}

impl<T: Into<SessionOptions>> Sealed for T {}

// So that the compiler's message for an unsuitable type names this trait, and not `From`.
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
