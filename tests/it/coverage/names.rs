//! Names that nothing in the service has.

use super::check;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use tracing_tap::TapRouter;
use tracing_tap::Verdict::{Everything, Nothing, Partly};

/// A service with one span and one event, both reached.
fn shop() -> TapRouter {
    let router = TapRouter::new();
    registry().with(router.layer()).init();
    tracing::info_span!(target: "shop::web", "request", user_id = 42).in_scope(|| {
        tracing::info!(name: "sold", target: "shop::cart", price = 1.5, "sold");
    });
    router
}

isolated! {
    fn a_target_that_nothing_has_is_found_with_the_nearest() {
        let router = shop();
        check(&router, "@target = shopp", Nothing, &["`@target = shopp`: did you mean `shop`?"]);
        check(&router, "@target = shop::crat", Nothing, &["did you mean `shop::cart`?"]);
        check(&router, "@target = database", Nothing, &["none of the 1 event callsites", "no callsite seen so far has `@target = database`"]);
        check(&router, "@target = shop", Everything, &["1 of 1 event callsites"]);
        check(&router, "@target != shopp", Everything, &[]);
        check(&router, "@target = shopp or @level = info", Partly, &["did you mean `shop`?"]);
    }

    fn a_span_that_nothing_has_is_found_with_the_nearest() {
        let router = shop();
        check(&router, "@span = requets", Nothing, &["`@span = requets`: did you mean `request`?"]);
        check(&router, "@span = request", Everything, &[]);
        check(&router, "not @span = requets", Everything, &[]);
    }

    fn event_names_and_files_that_nothing_has_are_found() {
        let router = shop();
        check(&router, "@name = slod", Nothing, &["`@name = slod`: did you mean `sold`?"]);
        check(&router, "@name = sold", Everything, &[]);
        check(&router, "@file = name.rs", Nothing, &["did you mean `names.rs`?"]);
        check(&router, "@file = names.rs", Everything, &[]);
    }

    fn metadata_without_its_sign_is_found_as_what_was_meant() {
        let router = shop();
        for (predicate, meant) in [("level = debug", "`@level`"), ("target = shop", "`@target`"), ("span = request", "`@span`")] {
            check(&router, predicate, Nothing, &["did you mean", meant]);
        }
        check(&router, "level = debug or price > 1", Partly, &["`@level`"]);
        tracing::info!(level = "debug", "a field of that name is no mistake");
        check(&router, "level = debug", Everything, &[]);
    }

    fn a_field_that_nothing_declares_lets_nothing_match() {
        let router = shop();
        check(&router, "usr = 1", Nothing, &["no callsite seen so far declares the field `usr`: did you mean `user_id`?"]);
        check(&router, "shard = 1", Nothing, &["none of the 1 event callsites", "the field `shard`"]);
        check(&router, "not shard = 1", Everything, &[]);
        check(&router, "user_id = 42 and shard = 1", Nothing, &["0 of 1 event callsites"]);
        check(&router, "user_id = 42 or usr = 1", Partly, &["did you mean `user_id`?"]);
        check(&router, "user_id = 42", Everything, &["everything can match\n1 of 1 event callsites seen so far can match"]);
    }

    fn before_any_callsite_is_reached_nothing_can_match() {
        let router = TapRouter::new();
        registry().with(router.layer()).init();
        check(&router, "*", Nothing, &["no event callsite has been reached yet"]);
        tracing::info!("reached");
        check(&router, "*", Everything, &[]);
    }
}
