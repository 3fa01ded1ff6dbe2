//! The levels by name, and their order.

use tracing_core::Level;

/// From the most severe.
pub(super) const LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

/// The next level up.
pub(super) fn more_severe(level: Level) -> Option<Level> {
    let place = LEVELS.iter().position(|(_, other)| *other == level)?;
    place.checked_sub(1).map(|above| LEVELS[above].1)
}
