//! Where the time of a path went: running, waiting inside, idle between polls, or not known.

use super::{burn, install, may_sample, user};
use std::time::Duration;
use std::{fs, thread};
use testing::wait_until;
use tracing::info_span;
use tracing_tap_profile::{CpuOptions, CpuProfiler};

/// Whether a thread is sampled: its samples and its switches have a file each.
fn is_sampled() -> bool {
    let files = fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    files.filter(|target| target.to_string_lossy().contains("perf_event")).count() >= 2
}

isolated! {
    fn a_thread_that_sleeps_in_a_span_waits() {
        if !may_sample() {
            return;
        }
        let router = install();
        let profiler = CpuProfiler::start(&router, user(42), CpuOptions::default()).unwrap();
        let burnt = thread::spawn(|| {
            // The thread is known from here on.
            info_span!("first", user = 42).in_scope(|| ());
            wait_until("the thread to be sampled", is_sampled);
            // Sleeping is what is measured.
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
