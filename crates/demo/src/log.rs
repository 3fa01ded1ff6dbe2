//! The service's own log: at INFO, without the audit of the demo's own sessions.
//!
//! These are opened and closed several times a second; their audit would bury the demo's first lines. Sessions opened
//! over
//! HTTP are logged.

use std::io::{self, IsTerminal};
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_tap::TapRouter;

/// The opener of the demo's own sessions.
pub(super) const OPENER: &str = "demo";

const AUDIT: &str = "tracing_tap::audit";

/// Admits events of INFO or more severe, except for the audit of the demo's own sessions.
struct WithoutOwnSessions;

/// Whether an event names the demo as the opener of a session.
struct IsOwn(bool);

/// Installs the log, and the router's layer next to it.
pub(super) fn install(router: &TapRouter) {
    let log = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // It would report to the stream that it failed to write to, and panic.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(log.with_filter(WithoutOwnSessions)).with(router.layer()).init();
}

impl<S: Subscriber + for<'lookup> LookupSpan<'lookup>> Filter<S> for WithoutOwnSessions {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *metadata.level() <= LevelFilter::INFO
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if *metadata.level() <= LevelFilter::INFO { Interest::always() } else { Interest::never() }
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if event.metadata().target() != AUDIT {
            return true;
        }
        let mut is_own = IsOwn(false);
        event.record(&mut is_own);
        !is_own.0
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

impl Visit for IsOwn {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0 |= field.name() == "opener" && value == OPENER;
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
