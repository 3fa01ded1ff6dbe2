//! A request that goes out to another service is asked for its sessions.

use crate::measure::nanoseconds;
use crate::service::install;
use std::hint::black_box;
use std::sync::LazyLock;
use tracing_tap::{Predicate, SessionOptions, TapRouter};

/// That of an operation, which is a plain function.
static ROUTER: LazyLock<TapRouter> = LazyLock::new(TapRouter::new);

/// With no session.
pub(crate) fn asked_idle() -> f64 {
    install(Some(&ROUTER));
    ask(7)
}

/// With a session on several services that is about user 42, in a request of this user.
pub(crate) fn asked(user: u64) -> f64 {
    install(Some(&ROUTER));
    let _stream = ROUTER.watch(SessionOptions::new(Predicate::eq("user", 42)).across_services());
    ask(user)
}

fn ask(user: u64) -> f64 {
    let ask = || drop(black_box(ROUTER.sessions_in_scope()));
    tracing::info_span!("request", user)
        .in_scope(|| tracing::info_span!("inner", path = "/").in_scope(|| nanoseconds(ask)))
}
