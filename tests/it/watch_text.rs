//! Sessions opened by the text of a predicate.

use std::error::Error;
use testing::events;
use tracing_subscriber::prelude::*;
use tracing_tap::{EventStream, Predicate, SessionOptions, TapRouter};

isolated! {
    fn a_text_watches_what_the_predicate_does() {
        let router = TapRouter::builder().redact_fields(["password"]).max_sessions(8).build();
        tracing_subscriber::registry().with(router.layer()).init();
        let text = String::from("user = 42");
        let mut streams = vec![
            router.watch("user = 42").expect("it is a predicate"),
            router.watch(&text).expect("it is a predicate"),
            router.try_watch("user = 42").expect("there is room"),
            router.try_watch(text).expect("there is room"),
            router.watch(Predicate::eq("user", 42)),
            router.try_watch(Predicate::eq("user", 42)).expect("there is room"),
            router.watch(SessionOptions::new(Predicate::eq("user", 42)).max_events(1)),
        ];
        tracing::debug!(user = 42, "here");
        tracing::debug!(user = 43, "not here");
        for stream in &mut streams {
            assert_eq!(events(stream).iter().map(|event| event.message()).collect::<Vec<_>>(), ["here"]);
        }
        assert!(router.try_watch("password = x").unwrap_err().is_redacted_field());
    }

    fn a_text_that_is_no_predicate_opens_nothing_and_says_why() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let error = router.watch("user => 42").unwrap_err();
        assert_eq!((error.line(), error.column(), error.hint()), (Some(1), Some(6), Some("did you mean `>=`?")));
        let refused = router.try_watch("user => 42").unwrap_err();
        assert!(refused.is_invalid_predicate());
        assert_eq!(refused.predicate_error().map(ToString::to_string), Some(error.to_string()));
        assert_eq!(refused.to_string(), format!("the session was not opened: {error}"));
        assert_eq!(refused.source().map(ToString::to_string), Some(error.to_string()));
        assert!(!refused.is_too_many_sessions() && !refused.is_redacted_field() && refused.limit_name().is_none());
        assert_eq!(router.stats().opened_sessions, 0);
        assert_eq!(refused, router.try_watch("user => 42").unwrap_err());
        assert_ne!(refused, router.try_watch("user =").unwrap_err());
    }

    fn what_converts_into_a_session_is_watched_without_an_error() {
        struct OfUser(u64);

        impl From<OfUser> for SessionOptions {
            fn from(OfUser(user): OfUser) -> Self {
                Self::new(Predicate::eq("user", user)).max_events(10)
            }
        }

        fn watch(router: &TapRouter, session: impl Into<SessionOptions>) -> EventStream {
            router.watch(session)
        }

        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let mut stream = watch(&router, OfUser(42));
        tracing::info!(user = 42, "here");
        assert_eq!(events(&mut stream).len(), 1);
    }
}
