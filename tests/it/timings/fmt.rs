//! The times, held against what `fmt` prints of the same spans.

use super::{timings, user, wait_for_timings};
use std::sync::Barrier;
use std::time::{Duration, Instant};
use testing::Output;
use tracing::Instrument;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::prelude::*;
use tracing_tap::{SpanTiming, TapRouter};

/// Of one close: the span's name and its number, `time.busy` and `time.idle` in nanoseconds.
type Close = (String, u64, f64, f64);

fn closes(printed: &Output) -> Vec<Close> {
    let lines = printed.lines();
    let close = |line: &String| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let nanos = |key: &str| nanos(line["fields"][key].as_str().unwrap());
        let span = &line["span"];
        let number = span["number"].as_u64().unwrap_or_default();
        (span["name"].as_str().unwrap().to_owned(), number, nanos("time.busy"), nanos("time.idle"))
    };
    lines.iter().map(close).collect()
}

/// Reads a time of `fmt`: three digits and a unit.
fn nanos(text: &str) -> f64 {
    let units = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    let unit = units.iter().find_map(|(unit, nanos)| Some((text.strip_suffix(unit)?.parse::<f64>().ok()?, nanos)));
    let (number, nanos) = unit.unwrap_or_else(|| panic!("no time: {text}"));
    number * nanos
}

fn install(printed: &Output) -> TapRouter {
    let router = TapRouter::new();
    let fmt = tracing_subscriber::fmt::layer().json().with_span_events(FmtSpan::CLOSE);
    let fmt = fmt.with_writer(printed.clone());
    tracing_subscriber::registry().with(fmt).with(router.layer()).init();
    router
}

/// Whether the times agree for most spans, within what `fmt` rounds and what lies between two layers that look at the clock:
/// any one look may be late by as long as the machine likes.
#[track_caller]
fn check(timings: &[SpanTiming], closes: &[Close]) {
    assert_eq!(timings.len(), closes.len());
    let differences = |ours: fn(&SpanTiming) -> Duration, fmts: fn(&Close) -> f64| {
        let difference = |timing: &SpanTiming| {
            let number = timing.field("number").and_then(tracing_tap::Value::as_u64).unwrap_or_default();
            let close =
                closes.iter().find(|close| close.0 == timing.name() && close.1 == number).expect("fmt printed it");
            let (ours, fmts) = (ours(timing).as_nanos() as f64, fmts(close));
            ((ours - fmts).abs() - fmts * 0.01).max(0.0)
        };
        let mut differences: Vec<_> = timings.iter().map(difference).collect();
        differences.sort_by(f64::total_cmp);
        differences
    };
    let busy = differences(|timing| timing.busy().unwrap(), |close| close.2);
    let idle = differences(|timing| timing.idle().unwrap(), |close| close.3);
    for (what, differences) in [("busy", busy), ("idle", idle)] {
        let middle = differences[differences.len() / 2];
        assert!(middle < 100_000.0, "{what} differs by {middle} ns: {differences:?}");
    }
}

fn spin(micros: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
}

/// When a thread was in a span that others are in: before it entered, once all were inside, before it left, and after.
type Stay = [Instant; 4];

fn stay(span: &tracing::Span, together: &Barrier, micros: u64) -> Stay {
    let entering = Instant::now();
    let [inside, leaving] = span.in_scope(|| {
        together.wait();
        let inside = Instant::now();
        spin(micros);
        [inside, Instant::now()]
    });
    let left = Instant::now();
    // No thread enters again before all have left.
    together.wait();
    [entering, inside, leaving, left]
}

/// The least and the most that the span was busy.
fn bounds_of_busy(threads: &[Vec<Stay>]) -> [Duration; 2] {
    let (mut least, mut most) = (Duration::ZERO, Duration::ZERO);
    for round in 0..threads[0].len() {
        let first = |moment: usize| threads.iter().map(|stays| stays[round][moment]).min().unwrap();
        let last = |moment: usize| threads.iter().map(|stays| stays[round][moment]).max().unwrap();
        least += last(2) - first(1);
        most += last(3) - first(0);
    }
    [least, most]
}

/// Whether both times are within these bounds, that of `fmt` within what it rounds.
#[track_caller]
fn check_within([least, most]: [Duration; 2], ours: Duration, fmts: f64) {
    assert!(least <= ours && ours <= most, "{ours:?}, not within {least:?} and {most:?}");
    let [least, most] = [least, most].map(|bound| bound.as_nanos() as f64);
    assert!(least * 0.99 <= fmts && fmts <= most * 1.01, "{fmts} ns by `fmt`, not within {least} and {most}");
}

isolated! {
    fn spans_of_one_thread_have_the_times_of_fmt() {
        let printed = Output::default();
        let mut stream = install(&printed).watch(user(42));
        for number in 0..50 {
            let request = tracing::info_span!("request", user = 42, number);
            request.in_scope(|| spin(700));
            spin(300);
            request.in_scope(|| {
                let inner = tracing::info_span!("inner", number);
                inner.in_scope(|| spin(500));
                // Entered again while it is in there.
                inner.in_scope(|| request.in_scope(|| inner.in_scope(|| spin(200))));
            });
        }
        let timings = timings(&mut stream);
        assert!(timings.iter().all(SpanTiming::is_whole));
        check(&timings, &closes(&printed));
        let inner = timings.iter().filter(|timing| timing.name() == "inner").map(SpanTiming::polls);
        assert!(inner.eq([Some(3); 50]));
    }

    fn futures_on_many_threads_have_the_times_of_fmt() {
        let printed = Output::default();
        let mut stream = install(&printed).watch(user(42));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..60_u64).map(|number| {
                let request = async move {
                    for _ in 0..3 {
                        spin(200);
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        async { spin(100) }.instrument(tracing::info_span!("inner")).await;
                        tokio::task::yield_now().await;
                    }
                };
                tokio::spawn(request.instrument(tracing::info_span!("request", user = 42, number)))
            }).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        drop(runtime);
        let all = wait_for_timings(&mut stream, 60 * 4);
        let requests: Vec<_> = all.into_iter().filter(|timing| timing.name() == "request").collect();
        assert!(requests.iter().all(|timing| timing.is_whole() && timing.polls().unwrap() >= 7));
        let closes: Vec<_> = closes(&printed).into_iter().filter(|close| close.0 == "request").collect();
        check(&requests, &closes);
    }

    fn a_span_in_several_threads_at_once_has_the_times_of_fmt() {
        let printed = Output::default();
        let mut stream = install(&printed).watch(user(42));
        let seen: Vec<_> = (0..10_u64).map(|number| {
            let creating = Instant::now();
            let request = tracing::info_span!("request", user = 42, number);
            let (created, together) = (Instant::now(), &Barrier::new(4));
            let threads = std::thread::scope(|scope| {
                let stays = |micros| (0..20).map(|_| stay(&request, together, micros)).collect::<Vec<_>>();
                let threads = [10, 30, 50, 70].map(|micros| scope.spawn(move || stays(micros)));
                threads.map(|thread| thread.join().unwrap())
            });
            let closing = Instant::now();
            drop(request);
            (bounds_of_busy(&threads), [closing - created, creating.elapsed()])
        }).collect();
        let timings = timings(&mut stream);
        assert!(timings.iter().all(|timing| timing.polls() == Some(80)));
        assert_eq!(timings.len(), seen.len());
        // A thread may be stopped between the two layers. So each is held against what the threads saw themselves.
        for ((timing, close), (busy, wall)) in timings.iter().zip(closes(&printed)).zip(seen) {
            assert_eq!(timing.wall(), Some(timing.busy().unwrap() + timing.idle().unwrap()));
            check_within(busy, timing.busy().unwrap(), close.2);
            check_within(wall, timing.wall().unwrap(), close.2 + close.3);
        }
    }

    fn a_span_that_is_never_entered_is_idle_all_the_time() {
        let printed = Output::default();
        let mut stream = install(&printed).watch(user(42));
        for number in 0..30_u64 {
            drop(tracing::info_span!("request", user = 42, number));
        }
        let timings = timings(&mut stream);
        for timing in &timings {
            assert_eq!((timing.busy(), timing.polls()), (Some(Duration::ZERO), Some(0)));
            assert_eq!(timing.idle(), timing.wall());
        }
        check(&timings, &closes(&printed));
    }
}
