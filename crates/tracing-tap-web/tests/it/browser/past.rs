//! Looking back, from the field of the form to the first live row.

use super::stage::{Stage, play, rows};
use serde_json::json;
use testing::browser::{DOWN, ENTER};
use testing::wait_until;
use tracing_tap::{LookBack, TapRouter};

fn request(number: u64, status: u64) {
    tracing::info_span!("request", number).in_scope(|| {
        tracing::debug!("accepted {number}");
        tracing::info!(status, "answered {number}");
    });
}

/// Goes in, and chooses the second time that is offered.
async fn choose_the_past(stage: &Stage) {
    stage.go_in().await;
    let browser = &stage.browser;
    browser.click(".limits summary").await;
    browser.run("document.querySelector('[title^=\"Begins with the matching events\"]').focus()", json!([])).await;
    browser.press(DOWN).await;
    browser.press(DOWN).await;
    assert_eq!(browser.value("document.activeElement.value").await, "30s");
}

async fn start(stage: &Stage, predicate: &str) {
    stage.browser.click(".predicate").await;
    stage.browser.press(predicate).await;
    stage.browser.press(ENTER).await;
    stage.wait_for_sessions(1).await;
    stage.browser.wait("document.querySelector('.view:not([hidden]) .state')?.dataset.state === 'live'").await;
}

async fn the_past_comes_first_and_its_end_is_shown(stage: &mut Stage) {
    request(1, 200);
    choose_the_past(stage).await;
    start(stage, "number = 1").await;
    let browser = &stage.browser;
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 2").await;
    let has =
        |text: &str| format!("document.querySelector('.view:not([hidden]) .rows').textContent.includes('{text}')");
    browser.wait(&has("The past reaches back")).await;
    assert_eq!(browser.value(&has("The past ends here")).await, false);
    request(1, 200);
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 4").await;
    browser.wait(&has("The past ends here: what follows is live")).await;
    let seen = rows(browser).await;
    assert!(seen.iter().filter(|row| row.contains("accepted 1")).count() == 2, "{seen:?}");
}

async fn requests_that_failed_before_are_shown_whole(stage: &mut Stage) {
    request(2, 200);
    request(3, 503);
    choose_the_past(stage).await;
    stage.browser.click(".check input").await;
    start(stage, "@span = request and number > 1").await;
    let browser = &stage.browser;
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 2").await;
    request(4, 200);
    request(5, 500);
    browser.wait("document.querySelectorAll('.row.event:not([hidden])').length === 4").await;
    let seen = rows(browser).await;
    let has = |text: &str| seen.iter().any(|row| row.contains(text));
    assert!(["accepted 3", "answered 3", "accepted 5", "answered 5"].iter().all(|text| has(text)), "{seen:?}");
    assert!(!has("accepted 2") && !has("accepted 4"), "{seen:?}");
}

isolated! {
    fn a_session_that_begins_with_the_past_is_seen() {
        let router = TapRouter::builder().max_sessions_per_opener(64).look_back(LookBack::new(4 << 20)).build();
        let looks_back = router.clone();
        play!(on async {
            let stage = Stage::set_with(router).await;
            wait_until("looking back to be switched on", || looks_back.stats().look_back_bytes > 0);
            stage
        } => the_past_comes_first_and_its_end_is_shown, requests_that_failed_before_are_shown_whole);
    }
}
