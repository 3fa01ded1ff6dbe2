//! `log::max_level`, which the bridge sets once: records above it never reach `tracing`, so a session raises it where
//! the bridge is the logger.

use log::LevelFilter;
use std::sync::{Mutex, PoisonError};
use tracing_log::AsLog;

/// The level is the process's, and so is what is known of it.
static WISHES: Mutex<Wishes> =
    Mutex::new(Wishes { base: LevelFilter::Off, set: LevelFilter::Off, of_routers: Vec::new() });

/// What each router with open sessions needs, and what the level was before any of them.
#[derive(Debug)]
struct Wishes {
    base: LevelFilter,
    set: LevelFilter,
    of_routers: Vec<(u64, LevelFilter)>,
}

/// Raises the level to what this router's sessions want, or gives up its part in it; the last one puts the level
/// back. Where somebody else has set the level meanwhile, theirs is what it goes back to.
pub(super) fn follow(router: u64, wanted: tracing_core::LevelFilter) {
    let mut wishes = WISHES.lock().unwrap_or_else(PoisonError::into_inner);
    let now = log::max_level();
    if wishes.of_routers.is_empty() || now != wishes.set {
        wishes.base = now;
    }
    wishes.of_routers.retain(|(of, _)| *of != router);
    if wanted != tracing_core::LevelFilter::OFF {
        wishes.of_routers.push((router, wanted.as_log()));
    }
    wishes.set = wishes.of_routers.iter().map(|(_, level)| *level).fold(wishes.base, Ord::max);
    log::set_max_level(wishes.set);
}
