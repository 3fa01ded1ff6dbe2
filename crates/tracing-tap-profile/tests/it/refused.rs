//! A profiler is refused where the router says so, and everybody knows who profiled what.

use super::{may_sample, user};
use std::sync::{Arc, Mutex};
use testing::wait_until;
use tracing::Subscriber;
use tracing_subscriber::layer::Context;
use tracing_subscriber::{Layer, prelude::*};
use tracing_tap::TapRouter;
use tracing_tap_profile::{CpuOptions, CpuProfiler};

/// Keeps the messages of the audit.
#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Messages {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if ["message", "opener"].contains(&field.name()) {
                    self.0.push_str(&format!("{value:?} "));
                }
            }
        }
        if event.metadata().target() == "tracing_tap::audit" {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

isolated! {
    fn one_profiler_at_a_time_and_the_audit_has_each() {
        if !may_sample() {
            return;
        }
        let (router, messages) = (TapRouter::builder().max_sessions(3).build(), Messages::default());
        tracing_subscriber::registry().with(messages.clone()).with(router.layer()).init();
        let options = CpuOptions::default;
        let profiler = CpuProfiler::start(&router, user(42).opened_by("alice"), options()).unwrap();
        assert!(CpuProfiler::start(&router, user(42), options()).unwrap_err().is_in_use());
        profiler.finish().unwrap();
        CpuProfiler::start(&router, user(42), options()).unwrap().finish().unwrap();
        let has = |text: &str| messages.0.lock().unwrap().iter().any(|message| message.contains(text));
        wait_until("the audit", || has("session profiled") && has("session ended"));
        assert!(has("alice"), "{:?}", messages.0);
        let _kept: Vec<_> = (0..3).map(|_| router.watch(user(1))).collect();
        let error = CpuProfiler::start(&router, user(42), options()).unwrap_err();
        assert!(error.as_refused().is_some_and(|refused| refused.is_too_many_sessions()), "{error}");
    }

    fn a_profile_ends_with_its_session() {
        if !may_sample() {
            return;
        }
        let router = super::install();
        let profiler = CpuProfiler::start(&router, user(42), CpuOptions::default()).unwrap();
        router.shutdown();
        wait_until("the profiler to notice", || profiler.has_ended());
        assert_eq!(profiler.finish().unwrap().counts.attributed, 0);
        assert!(CpuProfiler::start(&router, user(42), CpuOptions::default()).is_ok(), "nothing is in use");
    }
}
