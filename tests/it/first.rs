//! The promise in its smallest form.

use testing::messages;
use tracing_subscriber::prelude::*;
use tracing_tap::{EndReason, Item, Predicate, TapRouter};

isolated! {
    fn a_session_gets_its_users_events_from_older_spans_too() {
        let router = TapRouter::new();
        tracing_subscriber::registry().with(router.layer()).init();
        let alice = tracing::info_span!("conn", user = 42);
        let bob = tracing::info_span!("conn", user = 43);

        let mut stream = router.watch(Predicate::eq("user", "42"));
        alice.in_scope(|| tracing::trace!(n = 1, "hers"));
        bob.in_scope(|| tracing::trace!(n = 2, "his"));
        tracing::debug!(user = "42", "her own field");
        tracing::debug!("nobody's");
        assert_eq!(messages(&mut stream), ["hers", "her own field"]);

        router.close(stream.id());
        assert!(matches!(stream.blocking_recv(), Some(Item::Ended(EndReason::Closed))));
        assert!(stream.blocking_recv().is_none());
    }
}
