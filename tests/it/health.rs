//! The router's own health: what it counts, and as Prometheus reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use testing::{Output, info_printer, wait_until};
use tracing_subscriber::prelude::*;
use tracing_tap::{MissingReason, Predicate, SessionOptions, TapRouter};

fn install() -> TapRouter {
    let router = TapRouter::builder().max_sessions(2).redact_fields(["password"]).build();
    tracing_subscriber::registry().with(info_printer(&Output::default())).with(router.layer()).init();
    router
}

fn of_42() -> SessionOptions {
    SessionOptions::new(Predicate::eq("user", 42))
}

isolated! {
    fn stats_tell_how_the_router_is() {
        let router = install();
        assert_eq!(router.stats(), tracing_tap::router::RouterStats::default(), "nothing has happened");
        let mut stream = router.watch(of_42().capacity(4));
        let rebuilt = router.stats();
        assert!(rebuilt.rebuilds > 0 && rebuilt.rebuild_time > Duration::ZERO, "{rebuilt:?}");

        for n in 0..6 {
            tracing::debug!(user = 42, n, "routed");
        }
        let buffered = router.stats();
        assert_eq!((buffered.events.buffered, buffered.events.missing[MissingReason::Overflow]), (4, 2));
        assert!(buffered.buffered_bytes > 4 * 50 && buffered.buffered_bytes < 4 * 1000, "{buffered:?}");
        stream.drain().for_each(drop);
        assert_eq!((router.stats().buffered_bytes, router.stats().events.delivered), (0, 4));

        let _other = router.watch(of_42().max_events(0));
        wait_until("the exhausted session to end", || router.sessions().len() == 1);
        let _second = router.watch(of_42());
        assert!(router.try_watch(of_42()).is_err() && router.try_watch(Predicate::exists("password")).is_err());
        let stats = router.stats();
        assert_eq!((stats.refused, stats.refused_by.max_sessions, stats.refused_by.redacted_field), (2, 1, 1));
        assert_eq!((stats.open_sessions, stats.opened_sessions, stats.ended.max_events), (2, 3, 1));
    }

    fn callsites_are_counted_and_the_vetoed_while_they_are() {
        let router = install();
        let service = || {
            tracing::info!("printed");
            tracing::debug!("vetoed");
            tracing::debug!(n = 1, "vetoed too");
        };
        let stream = router.watch(of_42());
        wait_until("the veto", || { service(); router.stats().vetoed_callsites == 2 });
        assert!(router.stats().callsites >= 3, "{:?}", router.stats());
        assert_eq!(router.catalog().iter().filter(|entry| entry.is_vetoed).count(), 2, "the catalog agrees");
        drop(stream);
        wait_until("rest", || router.stats().vetoed_callsites == 0);
    }

    fn stats_during_load_hold_up_nobody() {
        let router = install();
        let stop = Arc::new(AtomicBool::new(false));
        let emitted = Arc::new(AtomicU64::new(0));
        let mut stream = router.watch(of_42().capacity(64));
        let producers: Vec<_> = (0..2).map(|_| {
            let (stop, emitted) = (Arc::clone(&stop), Arc::clone(&emitted));
            std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {
                tracing::info_span!("request", user = 42).in_scope(|| tracing::debug!("event"));
                emitted.fetch_add(1, Ordering::Relaxed);
            })
        }).collect();
        let mut scrapes = 0;
        wait_until("many scrapes during many events", || {
            let stats = router.stats();
            assert!(stats.events.matched >= stats.events.delivered && stats.buffered_bytes <= 64 << 20);
            scrapes += 1;
            stream.drain().for_each(drop);
            scrapes > 200 && emitted.load(Ordering::Relaxed) > 5_000
        });
        stop.store(true, Ordering::Relaxed);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        stream.drain().for_each(drop);
        assert_eq!(router.stats().events.matched, emitted.load(Ordering::Relaxed));
    }
}

#[cfg(feature = "prometheus")]
mod prometheus {
    use super::{install, of_42};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use std::collections::BTreeMap;
    use testing::isolated;
    use tracing_tap::Predicate;
    use tracing_tap::prometheus::CONTENT_TYPE;
    use tracing_tap::router::RouterStats;

    /// What a scraper reads: each sample with its labels as they are written.
    type Samples = BTreeMap<String, f64>;

    /// Reads the text strictly: for each metric its help, its type and then its samples, under their right names.
    #[track_caller]
    fn read(text: &str) -> Samples {
        let body = text.strip_suffix("# EOF\n").expect("it says where it ends");
        let mut samples = Samples::new();
        let (mut helped, mut family) = (None, None);
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("help is a text");
                assert!(!help.trim().is_empty() && is_name(name), "{line}");
                helped = Some(name);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type is a word");
                assert_eq!(helped, Some(name), "help comes before the type");
                assert!(["counter", "gauge"].contains(&kind), "{line}");
                family = Some((name, kind));
            } else {
                let (sample, value) = line.rsplit_once(' ').expect("a sample has a value");
                let name = sample.split('{').next().expect("a sample has a name");
                let (family, kind) = family.expect("a sample has a type");
                let expected = if kind == "counter" { format!("{family}_total") } else { family.to_owned() };
                assert_eq!(name, expected, "{line}");
                if let Some(labels) = sample.strip_prefix(name).filter(|labels| !labels.is_empty()) {
                    let reason = labels.strip_prefix("{reason=\"").and_then(|rest| rest.strip_suffix("\"}"));
                    assert!(reason.is_some_and(is_name), "{line}");
                }
                let value: f64 = value.parse().expect("a value is a number");
                assert!(value.is_finite() && value >= 0.0, "{line}");
                assert!(samples.insert(sample.to_owned(), value).is_none(), "{line} is there once");
            }
        }
        samples
    }

    fn is_name(name: &str) -> bool {
        name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    }

    fn expected(stats: &RouterStats) -> Samples {
        let events = &stats.events;
        let counts = [
            ("open_sessions", stats.open_sessions as u64),
            ("opened_sessions_total", stats.opened_sessions),
            ("refused_sessions_total{reason=\"max_sessions\"}", stats.refused_by.max_sessions),
            ("refused_sessions_total{reason=\"max_sessions_per_opener\"}", stats.refused_by.max_sessions_per_opener),
            ("refused_sessions_total{reason=\"max_unindexed_sessions\"}", stats.refused_by.max_unindexed_sessions),
            ("refused_sessions_total{reason=\"redacted_field\"}", stats.refused_by.redacted_field),
            ("ended_sessions_total{reason=\"closed\"}", stats.ended.closed),
            ("ended_sessions_total{reason=\"expired\"}", stats.ended.expired),
            ("ended_sessions_total{reason=\"too_costly\"}", stats.ended.too_costly),
            ("refused_sessions_total{reason=\"too_costly\"}", stats.refused_by.too_costly),
            ("refused_sessions_total{reason=\"max_hold_time\"}", stats.refused_by.max_hold_time),
            ("refused_sessions_total{reason=\"no_look_back\"}", stats.refused_by.no_look_back),
            ("ended_sessions_total{reason=\"max_events\"}", stats.ended.max_events),
            ("ended_sessions_total{reason=\"shutdown\"}", stats.ended.shutdown),
            ("matched_events_total", events.matched),
            ("delivered_events_total", events.delivered),
            ("buffered_events", events.buffered),
            ("held_events", events.held),
            ("buffered_bytes", stats.buffered_bytes as u64),
            ("predicate_bytes", stats.predicate_bytes as u64),
            ("suppressed_events_total", stats.suppressed),
            ("callsites", stats.callsites as u64),
            ("vetoed_callsites", stats.vetoed_callsites as u64),
            ("lost_context_callsites", stats.lost_context_callsites),
            ("lost_context_events_total", stats.lost_context_events),
            ("rebuilds_total", stats.rebuilds),
        ];
        let counts = counts.map(|(name, count)| (name.to_owned(), count as f64));
        let missing = events.missing.iter().map(|missing| {
            let name = format!("missing_events_total{{reason=\"{}\"}}", missing.reason.word());
            (name, missing.count as f64)
        });
        let seconds = ("rebuild_seconds_total".to_owned(), stats.rebuild_time.as_secs_f64());
        let all = counts.into_iter().chain(missing).chain([seconds]);
        all.map(|(name, value)| (format!("tracing_tap_{name}"), value)).collect()
    }

    isolated! {
        fn a_scrape_says_what_the_stats_say() {
            let router = install();
            let mut stream = router.watch(of_42().capacity(4));
            let _open = router.watch(of_42());
            (0..6).for_each(|n| tracing::debug!(user = 42, n, "event"));
            let save = || tracing::debug!("saved");
            tracing::info_span!("request", user = 7).in_scope(save);
            (0..3).for_each(|_| save());
            assert_eq!((router.stats().lost_context_callsites, router.stats().lost_context_events), (1, 3));
            stream.drain().take(2).for_each(drop);
            assert!(router.try_watch(of_42()).is_err() && router.try_watch(Predicate::exists("password")).is_err());
            router.close(stream.id());
            let stats = router.stats();
            let samples = read(&stats.to_prometheus());
            assert_eq!(samples, expected(&stats));
            assert_eq!(samples["tracing_tap_refused_sessions_total{reason=\"redacted_field\"}"], 1.0);
            assert!(samples["tracing_tap_buffered_bytes"] > 0.0 && samples["tracing_tap_rebuild_seconds_total"] > 0.0);
            assert!(CONTENT_TYPE.starts_with("application/openmetrics-text; version=1.0.0"));
        }

        fn a_service_registers_the_router_beside_its_own_metrics() {
            let router = install();
            let mut registry = Registry::default();
            registry.register_collector(Box::new(router.clone()));
            let scrape = || {
                let mut text = String::new();
                encode(&mut text, &registry).unwrap();
                read(&text)["tracing_tap_open_sessions"]
            };
            assert_eq!(scrape(), 0.0);
            let _stream = router.watch(of_42());
            assert_eq!(scrape(), 1.0, "it is asked again at each scrape");
        }
    }
}
