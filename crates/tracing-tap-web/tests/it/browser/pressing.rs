//! The page under pressure: as many rows as it keeps, and a thousand more each second.
//!
//! `TRACING_TAP_PAGE_SECONDS` says for how long; `tests/deep.sh` asks for a minute.
//!
//! No task of the page may take longer than 100 ms. A browser measures that by the clock, so of those that it says took
//! longer it is looked up for how long a processor worked for the page meanwhile (see `processor`). That can count in a
//! little of what came before and after, so what was too long is done again, twice at most: what is slow by itself is
//! slow each time.

use super::processor::Processor;
use super::stage::{Stage, play};
use serde_json::json;
use std::time::Duration;
use testing::browser::{Browser, END, HOME};

const MAX_ROWS: usize = 100_000;
const PER_SECOND: u64 = 1000;
const LONGEST_TASK_MS: f64 = 100.0;
const ATTEMPTS: usize = 3;
/// Rows leave as others come. In a minute, rows that did not would be twice as much; some megabytes come and go by
/// themselves.
const MAX_GROWTH_BYTES: f64 = 8e6;

fn seconds() -> u64 {
    std::env::var("TRACING_TAP_PAGE_SECONDS").map_or(10, |text| text.parse().expect("it is a number of seconds"))
}

fn emit(number: usize) {
    tracing::debug!(user = 42, number, room = "room-26", reply = "pong", "event {number}");
}

async fn fill(stage: &Stage) {
    stage.browser.open(&format!("{}#q=user+%3D+42&rate=1000000&capacity=65536", stage.page())).await;
    stage.bring_token().await;
    stage.browser.press(testing::browser::ENTER).await;
    stage.browser.wait("document.querySelector('.state')?.dataset.state === 'live'").await;
    for chunk in (0..MAX_ROWS + 500).collect::<Vec<_>>().chunks(20_100) {
        chunk.iter().copied().for_each(emit);
        let received = format!("{}", chunk.last().expect("a chunk is not empty") + 1);
        let told = format!("document.querySelector('.counts').textContent.replace(/\\D/g, '') === '{received}'");
        stage.browser.wait(&told).await;
    }
}

/// Emits at the pace, and has a person look around meanwhile.
async fn go_on(stage: &Stage, from: usize) -> usize {
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let (steps, each) = (seconds() * 100, PER_SECOND / 100);
    let mut next = from;
    for step in 0..steps {
        pace.tick().await;
        for _ in 0..each {
            emit(next);
            next += 1;
        }
        match step {
            _ if step == steps / 3 => stage.browser.press(HOME).await,
            _ if step == steps * 2 / 3 => stage.browser.press(END).await,
            _ if step > steps / 3 && step < steps * 2 / 3 && step % 10 == 0 => {
                stage.browser.run("document.querySelector('.rows').scrollTop += 7777", json!([])).await;
            }
            _ => {}
        }
    }
    next
}

/// Notes tasks that are long by the clock, with when they began.
const OBSERVE: &str = "globalThis.tasks = [];
    const note = ({ startTime, duration }) => globalThis.tasks.push([performance.timeOrigin + startTime, duration]);
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type: 'longtask' });";

async fn long_tasks(browser: &Browser) -> Vec<(f64, f64)> {
    let all = browser.value(&format!("globalThis.tasks.filter(([, took]) => took > {LONGEST_TASK_MS})")).await;
    serde_json::from_value(all).expect("they are pairs of numbers")
}

async fn heap_bytes(browser: &Browser) -> f64 {
    browser.tool("HeapProfiler.collectGarbage", json!({})).await;
    let usage = browser.tool("Runtime.getHeapUsage", json!({})).await;
    let parts = ["usedSize", "embedderHeapUsedSize", "backingStorageSize"];
    parts.iter().map(|part| usage[part].as_f64().expect("it is a number")).sum()
}

async fn at_a_thousand_events_a_second_memory_is_flat(stage: &mut Stage) {
    fill(stage).await;
    let browser = &stage.browser;
    browser.wait_for_text(".left", "500 older events have left this page").await;
    // The list is drawn after the line that says so.
    browser.wait(&format!("document.querySelector('.rows').ariaRowCount === '{}'", MAX_ROWS + 500)).await;
    let drawn = browser.value("document.querySelectorAll('.row').length").await;
    assert!(drawn.as_u64().is_some_and(|drawn| drawn < 100), "only rows in view are there: {drawn}");
    let before = heap_bytes(browser).await;
    browser.run(OBSERVE, json!([])).await;
    let mut next = MAX_ROWS + 500;
    let mut longest = Vec::new();
    while longest.len() < ATTEMPTS && longest.last().is_none_or(|longest| *longest > LONGEST_TASK_MS) {
        browser.value("(globalThis.tasks.length = 0)").await;
        let processor = Processor::watch(browser.process());
        next = go_on(stage, next).await;
        browser.wait_for_text(".row .message", &format!("event {}", next - 1)).await;
        let tasks = long_tasks(browser).await;
        let worked = processor.worked(&tasks);
        println!("by the clock {tasks:?}, by the processor {worked:?} ms");
        longest.push(worked.into_iter().fold(0.0, f64::max));
    }
    assert!(longest.last().is_some_and(|longest| *longest <= LONGEST_TASK_MS), "tasks took so many ms: {longest:?}");
    let grown = heap_bytes(browser).await - before;
    assert!(grown < MAX_GROWTH_BYTES, "the heap has grown by {grown} bytes from {before}");
    println!("the heap had {before} bytes and has grown by {grown}");
    let counts = browser.text(".counts").await;
    assert!(!counts.contains("lost"), "{counts}");
}

isolated! {
    fn a_busy_session_is_calm() {
        play!(at_a_thousand_events_a_second_memory_is_flat);
    }
}
