//! A router's own metrics in the text format of Prometheus.
//!
//! A service with a registry of `prometheus-client` registers the router in it. Other services serve
//! [`RouterStats::to_prometheus`]. A scrape reads counts, and takes no lock that a producer takes.
//!
//! | metric | labels |
//! |---|---|
//! | `tracing_tap_open_sessions` | |
//! | `tracing_tap_opened_sessions_total` | |
//! | `tracing_tap_refused_sessions_total` | `reason`: `max_sessions`, `max_sessions_per_opener`, `max_unindexed_sessions`, `redacted_field`, `too_costly`, `no_look_back`, `max_hold_time` |
//! | `tracing_tap_ended_sessions_total` | `reason`: `closed`, `expired`, `max_events`, `shutdown`, `too_costly` |
//! | `tracing_tap_matched_events_total` | |
//! | `tracing_tap_delivered_events_total` | |
//! | `tracing_tap_missing_events_total` | `reason`: the [word](crate::MissingReason::word) of each [`MissingReason`](crate::MissingReason) |
//! | `tracing_tap_buffered_events`, `tracing_tap_held_events`, `tracing_tap_buffered_bytes`, `tracing_tap_predicate_bytes` | |
//! | `tracing_tap_suppressed_events_total` | |
//! | `tracing_tap_callsites`, `tracing_tap_vetoed_callsites` | |
//! | `tracing_tap_lost_context_callsites`, `tracing_tap_lost_context_events_total` | |
//! | `tracing_tap_rebuilds_total`, `tracing_tap_rebuild_seconds_total` | |

use crate::router::{RouterStats, TapRouter};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;

/// The `Content-Type` of the text of [`RouterStats::to_prometheus`]. Prometheus needs it to recognise the format.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl RouterStats {
    /// Returns the complete response to a scrape, to be served as [`CONTENT_TYPE`].
    ///
    /// ```
    /// let text = tracing_tap::TapRouter::new().stats().to_prometheus();
    /// assert!(text.contains("# TYPE tracing_tap_open_sessions gauge\ntracing_tap_open_sessions 0\n"));
    /// assert!(text.ends_with("# EOF\n"));
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Numbers(*self)));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a string takes all that is written to it");
        text
    }
}

/// Adds the router to a service's own registry: `registry.register_collector(Box::new(router.clone()))`.
///
/// ```
/// use prometheus_client::{encoding::text::encode, registry::Registry};
/// use tracing_tap::TapRouter;
///
/// let router = TapRouter::new();
/// let mut registry = Registry::default();
/// registry.register_collector(Box::new(router.clone()));
/// let mut text = String::new();
/// encode(&mut text, &registry)?;
/// assert_eq!(text, router.stats().to_prometheus());
/// # Ok::<(), std::fmt::Error>(())
/// ```
impl Collector for TapRouter {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Numbers(self.stats()).encode(encoder)
    }
}

#[derive(Debug)]
struct Numbers(RouterStats);

impl Collector for Numbers {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.write_sessions(&mut page)?;
        self.write_events(&mut page)?;
        self.write_callsites(&mut page)
    }
}

impl Numbers {
    fn write_sessions(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = &self.0;
        page.gauge("open_sessions", "Sessions open now", stats.open_sessions)?;
        page.counter("opened_sessions", "Sessions opened so far", stats.opened_sessions)?;
        let refused = &stats.refused_by;
        page.counter_by_reason(
            "refused_sessions",
            "Sessions refused so far, by the limit that was reached",
            &[
                ("max_sessions", refused.max_sessions),
                ("max_sessions_per_opener", refused.max_sessions_per_opener),
                ("max_unindexed_sessions", refused.max_unindexed_sessions),
                ("redacted_field", refused.redacted_field),
                ("no_look_back", refused.no_look_back),
                ("too_costly", refused.too_costly),
                ("max_hold_time", refused.max_hold_time),
            ],
        )?;
        let ended = &stats.ended;
        page.counter_by_reason(
            "ended_sessions",
            "Sessions ended so far",
            &[
                ("closed", ended.closed),
                ("expired", ended.expired),
                ("max_events", ended.max_events),
                ("shutdown", ended.shutdown),
                ("too_costly", ended.too_costly),
            ],
        )
    }

    fn write_events(&self, page: &mut Page<'_>) -> fmt::Result {
        let RouterStats { events, buffered_bytes, predicate_bytes, suppressed, .. } = self.0;
        page.counter("matched_events", "Events that matched a session, once for each", events.matched)?;
        page.counter("delivered_events", "Events that were read", events.delivered)?;
        let missing: Vec<_> = events.missing.iter().map(|missing| (missing.reason.word(), missing.count)).collect();
        page.counter_by_reason("missing_events", "Matching events that no reader gets", &missing)?;
        page.gauge("buffered_events", "Events that wait to be read", events.buffered as usize)?;
        page.gauge("held_events", "Events that wait for the outcome of their request", events.held as usize)?;
        page.gauge("buffered_bytes", "Bytes held by events that wait to be read or for an outcome", buffered_bytes)?;
        page.gauge("predicate_bytes", "Bytes held by tables of regular expressions", predicate_bytes)?;
        page.counter("suppressed_events", "Events of values that ran their own code for the router", suppressed)
    }

    fn write_callsites(&self, page: &mut Page<'_>) -> fmt::Result {
        let RouterStats { callsites, vetoed_callsites, lost_context_callsites, lost_context_events, .. } = self.0;
        page.gauge("callsites", "Known callsites of events and spans", callsites)?;
        page.gauge("vetoed_callsites", "Callsites vetoed where no session can match", vetoed_callsites)?;
        page.gauge(
            "lost_context_callsites",
            "Callsites seen inside spans with a tested field, and then outside any span",
            lost_context_callsites as usize,
        )?;
        page.counter(
            "lost_context_events",
            "Events outside any span of callsites seen inside, at most 100 of each",
            lost_context_events,
        )?;
        let RouterStats { rebuilds, rebuild_time, .. } = self.0;
        page.counter("rebuilds", "Rebuilds of the interest of all callsites", rebuilds)?;
        page.counter("rebuild_seconds", "Time spent on rebuilds", rebuild_time.as_secs_f64())
    }
}

/// The response that metrics are appended to.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        self.describe(&full(name), help, MetricType::Gauge, |mut metric| metric.encode_gauge(&value))
    }

    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> fmt::Result {
        self.describe(&full(name), help, MetricType::Counter, |mut metric| write_counter(&mut metric, &value))
    }

    fn counter_by_reason(&mut self, name: &str, help: &str, values: &[(&str, u64)]) -> fmt::Result {
        self.describe(&full(name), help, MetricType::Counter, |mut metric| {
            values.iter().try_for_each(|(reason, value)| {
                write_counter(&mut metric.encode_family(&[("reason", *reason)])?, value)
            })
        })
    }

    fn describe(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        write: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        write(self.0.encode_descriptor(name, help, None, kind)?)
    }
}

fn full(name: &str) -> String {
    format!("tracing_tap_{name}")
}

fn write_counter(metric: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    metric.encode_counter::<[(&str, &str); 0], _, u64>(value, None)
}
