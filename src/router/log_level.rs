//! Raises `log::max_level` for sessions. The bridge sets that level once, and records above it never reach `tracing`.

use log::LevelFilter;
use std::sync::{Mutex, PoisonError};
use tracing_log::AsLog;

/// The level belongs to the process, and so does this state.
static WISHES: Mutex<Wishes> =
    Mutex::new(Wishes { base: LevelFilter::Off, set: LevelFilter::Off, of_routers: Vec::new() });

/// The level that each router with open sessions needs, and the level before any of them.
#[derive(Debug)]
struct Wishes {
    base: LevelFilter,
    set: LevelFilter,
    of_routers: Vec<(u64, LevelFilter)>,
}

/// Raises the level to the one that this router's sessions want, or withdraws this router's wish. The last router restores
/// the level. If other code has set the level meanwhile, that one is restored.
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
