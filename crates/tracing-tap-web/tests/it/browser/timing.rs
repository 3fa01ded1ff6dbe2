//! How long the spans of a request took: asked for by a box, shown as rows and as a waterfall.

use super::stage::{Stage, play};
use serde_json::json;
use std::time::{Duration, Instant};
use testing::browser::{DOWN, ENTER, ESCAPE, UP};
use tracing_tap::Item;

/// The lines of the waterfall: the span's name, the kinds of its bar, and how many events are on it.
const LINES: &str = "[...document.querySelectorAll('.waterfall li')].map((line) =>
    [line.querySelector('strong').textContent, line.querySelector('.bar').className, line.querySelectorAll('.tick').length])";

pub(super) fn spin(millis: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(millis) {
        std::hint::spin_loop();
    }
}

fn request() {
    let request = tracing::info_span!("request", user = 42);
    request.in_scope(|| {
        tracing::info!("begins");
        tracing::info_span!("query", table = "orders").in_scope(|| {
            tracing::warn!("slow");
            spin(4);
        });
        tracing::info_span!("query", table = "items").in_scope(|| spin(1));
        tracing::info!("ends");
    });
}

pub(super) async fn watch_with_timings(stage: &Stage) {
    stage.go_in().await;
    stage.browser.click(".form .timings input").await;
    stage.browser.click(".predicate").await;
    stage.browser.press("user = 42").await;
    stage.browser.press(ENTER).await;
    stage.wait_for_sessions(1).await;
    stage.browser.wait("document.querySelector('.view:not([hidden]) .state')?.dataset.state === 'live'").await;
    assert!(stage.router.sessions()[0].timings);
}

async fn a_request_is_a_waterfall_with_its_events_on_it(stage: &mut Stage) {
    let browser = &stage.browser;
    watch_with_timings(stage).await;
    request();
    browser.wait("[...document.querySelectorAll('.row .fields')].some((fields) => /time.wall=\\S+ (ms|µs) polls=1/.test(fields.textContent))").await;
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 6").await;
    // The last row is the close of the request.
    browser.press(UP).await;
    browser.press("w").await;
    browser.wait("!document.querySelector('.waterfall').hidden").await;
    assert_eq!(browser.value(LINES).await, json!([["request", "bar", 2], ["query", "bar", 1], ["query", "bar", 0]]));
    let inside = "(() => { const [request, orders, items] = [...document.querySelectorAll('.waterfall .bar')].map((bar) => bar.getBoundingClientRect());
const slack = request.width / 10;
        return [orders, items].every((bar) => bar.left >= request.left - slack && bar.right <= request.right + slack) && items.left > orders.left && items.right > orders.right; })()";
    assert_eq!(browser.value(inside).await, true, "bars are where they were");
    let busy = "document.querySelector('.waterfall .busy').getBoundingClientRect().width > 0.5 * document.querySelector('.waterfall .bar').getBoundingClientRect().width";
    assert_eq!(browser.value(busy).await, true, "a thread was in it nearly all the time");
}

async fn two_requests_alike_at_once_are_two_waterfalls(stage: &mut Stage) {
    let browser = &stage.browser;
    watch_with_timings(stage).await;
    let requests = ["orders", "items"].map(|table| (tracing::info_span!("request", user = 42), table));
    for (request, _) in &requests {
        request.in_scope(|| tracing::info!("begins"));
    }
    for (request, table) in &requests {
        request.in_scope(|| tracing::info_span!("query", table).in_scope(|| spin(1)));
    }
    drop(requests);
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 6").await;
    let tables = "[...document.querySelectorAll('.waterfall small')].map((fields) => fields.textContent)";
    // The last row is the close of the second one, the row before that of the first.
    for table in ["items", "orders"] {
        browser.press(UP).await;
        browser.press("w").await;
        browser.wait("!document.querySelector('.waterfall').hidden").await;
        assert_eq!(browser.value(LINES).await, json!([["request", "bar", 1], ["query", "bar", 0]]));
        assert_eq!(browser.value(tables).await, json!(["user=42", format!("table={table}")]));
        browser.press(ESCAPE).await;
    }
}

async fn the_waterfall_is_reached_by_keyboard(stage: &mut Stage) {
    let browser = &stage.browser;
    watch_with_timings(stage).await;
    request();
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 6").await;
    browser.press(UP).await;
    browser.press("w").await;
    let label = "document.activeElement.getAttribute('aria-label')";
    browser.wait(&format!("{label}?.startsWith('request, from ')")).await;
    browser.press(DOWN).await;
    browser.wait(&format!("{label}?.startsWith('query, from ')")).await;
    browser.press("\u{e014}").await;
    browser.wait(&format!("{label}?.startsWith('WARN slow, after ')")).await;
    browser.press(ENTER).await;
    browser.wait_for_text(".detail .message", "slow").await;
    browser.press(ESCAPE).await;
    browser.wait("document.querySelector('.detail').hidden && !document.querySelector('.waterfall').hidden").await;
    browser.press(ESCAPE).await;
    browser.wait("document.querySelector('.waterfall').hidden").await;
}

async fn a_narrow_window_has_all_of_the_waterfall(stage: &mut Stage) {
    let browser = &stage.browser;
    browser.looks(390, 800, true).await;
    watch_with_timings(stage).await;
    request();
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 6").await;
    browser.click(".row.event:not([hidden])").await;
    browser.click(".detail header button").await;
    browser.wait("document.querySelectorAll('.waterfall li').length === 3").await;
    let fits =
        "document.documentElement.scrollWidth <= 390 && [...document.querySelectorAll('.waterfall, .waterfall *')]
        .filter((one) => one.closest('small') === null).every((one) => one.getBoundingClientRect().right <= 396)";
    assert_eq!(browser.value(fits).await, true, "nothing is past the edge");
}

async fn a_span_that_is_open_or_older_says_so(stage: &mut Stage) {
    let browser = &stage.browser;
    let older = tracing::info_span!("request", user = 42);
    watch_with_timings(stage).await;
    older.in_scope(|| tracing::info!("in an older one"));
    older.in_scope(|| tracing::info_span!("query").in_scope(|| ()));
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 2").await;
    browser.press(UP).await;
    browser.press("w").await;
    browser.wait("document.querySelectorAll('.waterfall li').length === 2").await;
    assert_eq!(browser.value(LINES).await[0], json!(["request", "bar open", 1]));
    browser.press(ESCAPE).await;
    drop(older);
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 3").await;
    browser.press("w").await;
    browser.wait("document.querySelector('.waterfall .bar')?.className === 'bar partial'").await;
}

/// A thread that loses its core between the end of a span's times and the time of its row makes it seem to begin late.
async fn a_span_that_seems_to_begin_late_is_around_the_others(stage: &mut Stage) {
    stage.go_in().await;
    let script = "Promise.all([import('/tap/page/store.js'), import('/tap/page/request.js')]).then(([{ Store }, { requestOf }]) => {
        const store = new Store(10);
        const close = (millis, wall, ...names) => {
            const timestamp = `2026-01-01T00:00:00.${millis}000Z`;
            const fields = { message: 'close', 'time.busy': 1000, 'time.wall': wall, polls: 1 };
            const line = { type: 'timing', timestamp, level: 'INFO', target: 'it', request: 'a', fields, spans: names.map((name) => ({ name })) };
            store.push({ kind: 'event', raw: JSON.stringify(line), level: 2, second: 0 });
        };
        close('092', 1e6, 'request', 'query');
        close('474', 380e6, 'request');
        return requestOf(store, 0).bars.map(({ path, start, end }) => [path.length, Math.round(end - start)]);
    })";
    let bars = stage.browser.settled(script).await;
    assert_eq!(bars, json!([[1, 383_000], [2, 1_000]]));
}

async fn times_are_downloaded_as_they_came(stage: &mut Stage) {
    let browser = &stage.browser;
    watch_with_timings(stage).await;
    let grab =
        "globalThis.saved = []; URL.createObjectURL = (blob) => { globalThis.saved.push(blob); return 'about:blank#'; };
        HTMLAnchorElement.prototype.click = () => {};";
    browser.run(grab, json!([])).await;
    request();
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 6").await;
    browser.press("d").await;
    browser.wait("globalThis.saved.length === 1").await;
    let text = browser.settled("globalThis.saved[0].text()").await;
    let lines: Vec<Item> =
        text.as_str().expect("it is text").lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let names: Vec<_> =
        lines.into_iter().filter_map(Item::into_timing).map(|timing| timing.name().to_owned()).collect();
    assert_eq!(names, ["query", "query", "request"]);
}

isolated! {
    fn the_times_of_a_request_are_seen() {
        play!(
            a_request_is_a_waterfall_with_its_events_on_it,
            two_requests_alike_at_once_are_two_waterfalls,
            the_waterfall_is_reached_by_keyboard,
            a_narrow_window_has_all_of_the_waterfall,
            a_span_that_is_open_or_older_says_so,
            a_span_that_seems_to_begin_late_is_around_the_others,
            times_are_downloaded_as_they_came,
        );
    }
}
