//! The options about the times of spans.

use super::SessionOptions;

impl SessionOptions {
    /// Shows also the times of the spans in which the session matches, each when it closes, as an
    /// [`Item::Timing`](crate::Item::Timing).
    ///
    /// A close matches as an event of the span's level, target, name and file would that has no field and is inside the span,
    /// so sampling, limits, the confinement and [following](Self::follow) apply to it, and it counts as one event. Only
    /// spans that exist are timed, see [`spans`](Self::spans), and of those only the ones that the layer
    /// [keeps](crate::TapRouterBuilder::span_level).
    ///
    /// Costs two looks at the clock for each enter and exit of a span in which the session matches.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{Format, Item, Predicate, SessionOptions, TapRouter, write_item};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).timings());
    /// tracing::info_span!("request", user = 42).in_scope(|| ());
    /// let timing = stream.drain().next().expect("the span has closed");
    /// let mut line = Vec::new();
    /// write_item(&mut line, &timing, Format::Compact);
    /// assert!(str::from_utf8(&line)?.contains(" request{user=42}: close time.busy="));
    /// # Ok::<(), std::str::Utf8Error>(())
    /// ```
    #[must_use]
    pub fn timings(mut self) -> Self {
        self.timings = true;
        self
    }

    /// Shows no events; with [`timings`](Self::timings) only the times of spans, and otherwise nothing.
    ///
    /// An event costs what it costs if no session can match it.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    /// use tracing_tap::{Item, Predicate, SessionOptions, TapRouter};
    ///
    /// let router = TapRouter::new();
    /// tracing_subscriber::registry().with(router.layer()).init();
    /// let mut stream = router.watch(SessionOptions::new(Predicate::eq("user", 42)).timings().without_events());
    /// tracing::info_span!("request", user = 42).in_scope(|| tracing::info!(user = 42, "inside"));
    /// assert!(matches!(stream.drain().collect::<Vec<_>>()[..], [Item::Timing { .. }]));
    /// ```
    #[must_use]
    pub fn without_events(mut self) -> Self {
        self.events = false;
        self
    }
}
