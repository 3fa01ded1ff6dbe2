//! Where the time of a path went: running, waiting inside, idle between polls, or not known.

use super::{burn, install, user};
use std::thread;
use std::time::Duration;
use tracing::info_span;
use tracing_tap_profile::{CpuOptions, CpuProfiler};

isolated! {
    fn a_thread_that_sleeps_in_a_span_waits() {
        let router = install();
        let profiler = CpuProfiler::start(&router, user(42), CpuOptions::default()).unwrap();
        let burnt = thread::spawn(|| {
            // The thread is known from here on.
            info_span!("first", user = 42).in_scope(|| ());
            thread::sleep(Duration::from_millis(60));
            let span = info_span!("request", user = 42);
            let burnt = span.in_scope(|| {
                thread::sleep(Duration::from_millis(100));
                burn(Duration::from_millis(100))
            });
            thread::sleep(Duration::from_millis(50));
            burnt
        });
        let burnt = burnt.join().unwrap();
        let profile = profiler.finish().unwrap();
        let request = profile.paths.iter().find(|times| times.path == ["request"]).unwrap();
        let of_burnt = request.running.as_secs_f64() / burnt.as_secs_f64();
        assert!((0.9..1.1).contains(&of_burnt), "{burnt:?} of {request:?}");
        assert!(request.waiting >= Duration::from_millis(99), "{request:?}");
        assert!(request.idle.is_some_and(|idle| idle >= Duration::from_millis(50)), "{request:?}");
        assert_eq!((request.closed, request.unknown), (1, Duration::ZERO));
    }
}
