//! Levels as numbers, since `tracing::Level` orders them the other way round than one says it.

use tracing_core::{Level, LevelFilter};

/// How verbose a level is: 1 for ERROR to 5 for TRACE.
#[inline]
pub(crate) fn verbosity_of(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// How verbose a filter lets through: 0 for OFF to 5 for TRACE.
pub(crate) fn verbosity_of_filter(filter: LevelFilter) -> u8 {
    filter.into_level().map_or(0, verbosity_of)
}

/// The filter that lets through what is this verbose: the inverse of [`verbosity_of_filter`].
pub(crate) fn filter_of_verbosity(verbosity: u8) -> LevelFilter {
    const FILTERS: [LevelFilter; 6] = [
        LevelFilter::OFF,
        LevelFilter::ERROR,
        LevelFilter::WARN,
        LevelFilter::INFO,
        LevelFilter::DEBUG,
        LevelFilter::TRACE,
    ];
    FILTERS[usize::from(verbosity).min(FILTERS.len() - 1)]
}

/// The level of this name, in any case: `debug`. `None` for `off`, numbers and an empty text, which
/// `LevelFilter: FromStr` accepts.
pub fn level_named(name: &str) -> Option<LevelFilter> {
    let mut levels = (1..=verbosity_of(Level::TRACE)).map(filter_of_verbosity);
    levels.find(|level| name.eq_ignore_ascii_case(&level.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_by_their_names_alone() {
        let named = ["error", "Warn", "INFO", "debug", "trace"].map(level_named);
        let levels = [LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];
        assert_eq!(named, levels.map(Some));
        assert_eq!(["", "3", "off", "loud", " info"].map(level_named), [None; 5]);
    }
}
