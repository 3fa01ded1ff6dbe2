//! The callsites that have been reached, as a router lists them.

use testing::wait_until;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{fmt, registry};
use tracing_tap::catalog::{CallsiteKind, CatalogEntry};
use tracing_tap::{Predicate, TapRouter};

fn reach_all() {
    tracing::info!(target: "service", n = 1, r#type = "x", "printed");
    tracing::debug!(target: "service", "for us alone");
    let _span = tracing::info_span!("conn", user = 1).entered();
    let _asked = tracing::enabled!(target: "service", tracing::Level::DEBUG);
}

fn entry(router: &TapRouter, find: impl Fn(&CatalogEntry) -> bool) -> CatalogEntry {
    let found: Vec<_> = router.catalog().into_iter().filter(|entry| find(entry)).collect();
    let [entry] = &found[..] else { panic!("{found:#?}") };
    entry.clone()
}

isolated! {
    fn the_catalog_says_what_each_callsite_is_and_who_wants_it() {
        let router = TapRouter::new();
        let logs = fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
        registry().with(logs).with(router.layer()).init();
        assert!(router.catalog().is_empty(), "nothing has been reached");

        let stream = router.watch(Predicate::eq("user", 42));
        reach_all();
        let learned = || router.catalog().iter().all(|entry| entry.wanted_by_others.is_some());
        wait_until("everything to be learned", || !router.catalog().is_empty() && learned());
        reach_all();

        let printed = entry(&router, |entry| entry.level == "INFO" && entry.kind == CallsiteKind::Event);
        assert_eq!(printed.fields, ["message", "n", "type"]);
        assert_eq!((&*printed.target, printed.wanted_by_others, printed.is_vetoed), ("service", Some(true), false));
        assert_eq!(printed.file.as_deref(), Some(file!()));
        assert!(printed.line.is_some_and(|line| line > 0) && printed.name.starts_with("event "));

        let ours = entry(&router, |entry| entry.level == "DEBUG" && entry.kind == CallsiteKind::Event);
        assert_eq!((ours.wanted_by_others, ours.is_vetoed), (Some(false), true));

        let span = entry(&router, |entry| entry.kind == CallsiteKind::Span);
        assert_eq!((&*span.name, &span.fields[..], span.is_vetoed), ("conn", &["user".into()][..], false));

        let hint = entry(&router, |entry| entry.kind == CallsiteKind::Hint);
        assert!(!hint.is_vetoed, "what follows a question is not known");

        drop(stream);
        wait_until("nothing to be vetoed", || router.catalog().iter().all(|entry| !entry.is_vetoed));
        let text = serde_json::to_string(&router.catalog()).expect("a catalog is JSON");
        let read: Vec<CatalogEntry> = serde_json::from_str(&text).expect("a catalog reads back");
        assert_eq!(read, router.catalog());
    }

    fn a_confined_catalog_has_events_by_level_spans_by_target() {
        let router = TapRouter::new();
        registry().with(fmt::layer().with_writer(std::io::sink)).with(router.layer()).init();
        tracing::trace_span!(target: "theirs", "their span").in_scope(|| tracing::warn!(target: "theirs", "warned"));
        tracing::trace_span!(target: "ours", "our span").in_scope(|| ());
        tracing::warn!(target: "ours", "warned");
        tracing::info!(target: "ours", "informed");
        let warned = Predicate::target("ours") & Predicate::level(tracing::Level::WARN);
        let catalog = router.catalog_within(&warned);
        let found: Vec<_> = catalog.iter().map(|entry| (&*entry.target, &*entry.level)).collect();
        assert_eq!(found, [("ours", "TRACE"), ("ours", "WARN")]);
    }

    fn a_callsite_that_one_subscriber_wants_is_listed_as_wanted() {
        let router = TapRouter::new();
        let quiet = tracing::Dispatch::new(registry().with(router.layer()));
        let logs = fmt::layer().with_writer(std::io::sink);
        let noisy = tracing::Dispatch::new(registry().with(logs).with(router.layer()));
        let _stream = router.watch(Predicate::eq("user", 42));
        let event = || tracing::debug!("in both");
        wait_until("both to be asked", || {
            tracing::dispatcher::with_default(&quiet, event);
            tracing::dispatcher::with_default(&noisy, event);
            router.catalog().iter().all(|entry| entry.wanted_by_others == Some(true))
        });
        assert_eq!(router.catalog().len(), 1);
    }
}
