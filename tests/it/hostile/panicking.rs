//! Another layer that panics in the middle of a request, which the service catches, as `CatchPanic` of `tower-http` does.

use super::{failing, of_42, user};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testing::measure::{check_account, final_account};
use testing::messages;
use tracing::dispatcher::with_default;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use tracing_tap::TapRouter;

/// The hooks that a request calls. A panic in `on_enter` is not among them: the registry never leaves the span then, so that
/// all the thread does later is inside it.
const HOOKS: [&str; 7] = ["enabled", "event_enabled", "on_event", "on_new_span", "on_record", "on_exit", "on_close"];

/// Panics in one hook, once it is armed.
#[derive(Clone)]
struct Panics {
    hook: &'static str,
    is_armed: Arc<AtomicBool>,
}

impl Panics {
    fn at(&self, hook: &str) {
        // The router's own thread logs its audit and asks about callsites here as well.
        let is_service = std::thread::current().name() != Some("tracing-tap");
        if is_service && self.hook == hook && self.is_armed.swap(false, Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new("of another layer"));
        }
    }
}

impl<S: Subscriber> Layer<S> for Panics {
    fn enabled(&self, _: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.at("enabled");
        true
    }

    fn event_enabled(&self, _: &Event<'_>, _: Context<'_, S>) -> bool {
        self.at("event_enabled");
        true
    }

    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.at("on_event");
    }

    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.at("on_new_span");
    }

    fn on_record(&self, _: &Id, _: &Record<'_>, _: Context<'_, S>) {
        self.at("on_record");
    }

    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        self.at("on_exit");
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        self.at("on_close");
    }
}

fn request(number: u32) {
    let span = user(number);
    span.in_scope(|| {
        tracing::info!("accepted {number}");
        tracing::info_span!("handler").in_scope(|| tracing::info!("handled {number}"));
    });
    span.record("status", 500);
    span.in_scope(|| tracing::info!("answered {number}"));
}

fn whole(number: u32) -> Vec<String> {
    ["accepted", "handled", "answered"].map(|word| format!("{word} {number}")).to_vec()
}

fn check(hook: &'static str, is_ours_first: bool) {
    let (router, is_armed) = (TapRouter::new(), Arc::new(AtomicBool::new(false)));
    let other = Panics { hook, is_armed: Arc::clone(&is_armed) };
    let dispatch = match is_ours_first {
        true => Dispatch::new(registry().with(router.layer()).with(other)),
        false => Dispatch::new(registry().with(other).with(router.layer())),
    };
    with_default(&dispatch, || {
        let (mut hers, mut failed) = (router.watch(of_42().timings()), router.watch(failing()));
        for panics_in in [42, 43] {
            is_armed.store(true, Ordering::SeqCst);
            assert!(catch_unwind(AssertUnwindSafe(|| request(panics_in))).is_err(), "{hook}");
            // What the request had shown before it panicked.
            let before = messages(&mut hers);
            assert!(before.iter().all(|message| message.ends_with("42")), "{hook}: {before:?}");
            messages(&mut failed);
            for round in 0..3 {
                for number in [43, 42, 43] {
                    request(number);
                }
                let context = format!("{hook}, ours first: {is_ours_first}, after {panics_in}, round {round}");
                assert_eq!(messages(&mut hers), whole(42), "{context}");
                assert_eq!(messages(&mut failed), [whole(43), whole(42), whole(43)].concat(), "{context}");
            }
        }
        drop((hers, failed));
        check_account(final_account(&router));
    });
}

isolated! {
    fn requests_go_on_after_a_layer_before_ours_has_panicked() {
        HOOKS.iter().for_each(|hook| check(hook, false));
    }

    fn requests_go_on_after_a_layer_behind_ours_has_panicked() {
        HOOKS.iter().for_each(|hook| check(hook, true));
    }
}
