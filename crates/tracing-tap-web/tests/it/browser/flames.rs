//! The flame chart: where the time of all matching requests goes, while they come.

use super::stage::{Stage, play};
use super::timing::{spin, watch_with_timings};
use serde_json::json;
use testing::browser::{BACKSPACE, DOWN, ENTER, ESCAPE, UP};

/// The names of the boxes by row.
const NAMES: &str = "JSON.stringify([...document.querySelectorAll('.flames .depth')].map((depth) =>
    [...depth.children].map((box) => box.querySelector('span').textContent).sort()))";
/// Whether each box is as wide as it says.
const ARE_TRUE: &str = "[...document.querySelectorAll('.flames .box')].every((box) =>
    Math.abs(parseFloat(/, ([0-9.]+)%/.exec(box.title)[1]) - box.getBoundingClientRect().width * 100 / box.parentElement.getBoundingClientRect().width) < 1)";
const FOCUSED: &str = "document.activeElement.getAttribute('aria-label')";

fn requests(count: usize) {
    for _ in 0..count {
        tracing::info_span!("request", user = 42).in_scope(|| {
            tracing::info_span!("query").in_scope(|| spin(8));
            tracing::info_span!("render").in_scope(|| spin(2));
        });
    }
}

async fn the_chart_adds_up_all_requests_and_grows(stage: &mut Stage) {
    let browser = &stage.browser;
    watch_with_timings(stage).await;
    assert_eq!(
        browser.value("document.querySelector('.actions .flames').hidden").await,
        true,
        "there is nothing to show"
    );
    requests(3);
    browser.wait("!document.querySelector('.actions .flames').hidden").await;
    browser.click(".actions .flames").await;
    let whole = json!([["request"], ["query", "render"]]);
    browser.wait(&format!("{NAMES} === '{whole}'")).await;
    assert_eq!(browser.value(ARE_TRUE).await, true);
    browser.wait(&format!("{FOCUSED}?.startsWith('request, ') && {FOCUSED}.endsWith('100%, 3 closed spans')")).await;
    tracing::info_span!("other", user = 42).in_scope(|| spin(60));
    requests(1);
    browser.wait("document.querySelectorAll('.flames .depth:first-child .box').length === 2").await;
    browser.wait(&format!("{FOCUSED}?.startsWith('request, ') && {FOCUSED}.endsWith(', 4 closed spans')")).await;
}

async fn the_chart_is_reached_and_read_by_keyboard(stage: &mut Stage) {
    let browser = &stage.browser;
    watch_with_timings(stage).await;
    requests(2);
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 6").await;
    browser.press("f").await;
    let focus = async |name: &str| browser.wait(&format!("{FOCUSED}?.startsWith('{name}, ')")).await;
    focus("request").await;
    browser.press(DOWN).await;
    // The wider one is first, whichever the machine was slower in.
    browser.wait(&format!("/^(query|render), /.test({FOCUSED})")).await;
    browser.press("\u{e014}").await;
    browser.press("\u{e012}").await;
    browser
        .run(
            "[...document.querySelectorAll('.flames .box')].find((box) => box.title.startsWith('render')).focus()",
            json!([]),
        )
        .await;
    focus("render").await;
    browser.press(ENTER).await;
    browser.wait(&format!("{NAMES} === '{}'", json!([["render"]]))).await;
    browser.press(BACKSPACE).await;
    focus("render").await;
    browser.press(UP).await;
    focus("request").await;
    browser.press(ESCAPE).await;
    browser.wait("document.querySelector('.flame-chart').hidden").await;
}

async fn a_session_without_times_says_what_to_do(stage: &mut Stage) {
    let browser = &stage.browser;
    stage.watch("user = 42").await;
    browser.press("f").await;
    browser.wait_for_text(".flame-chart .words", "No span has closed yet").await;
    browser.press(ESCAPE).await;
    browser.wait("document.querySelector('.flame-chart').hidden").await;
}

isolated! {
    fn busy_time_is_a_flame_chart() {
        play!(
            the_chart_adds_up_all_requests_and_grows,
            the_chart_is_reached_and_read_by_keyboard,
            a_session_without_times_says_what_to_do,
        );
    }
}
