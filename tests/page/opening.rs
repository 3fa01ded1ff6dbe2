//! From the address to the first row.

use crate::browser::ENTER;
use crate::stage::{Stage, TOKEN, play};
use serde_json::json;

async fn the_page_asks_for_the_token_and_keeps_it_to_itself(stage: &mut Stage) {
    let browser = &stage.browser;
    browser.open(&stage.page()).await;
    browser.wait("document.querySelector('#token').open").await;
    browser.press("not-the-doors-token").await;
    browser.press(ENTER).await;
    browser.wait_for_text("#token [role=alert]", "the token is not the door's").await;
    browser.press(TOKEN).await;
    browser.press(ENTER).await;
    browser.wait("!document.querySelector('#token').open").await;
    browser.wait_for_text(".suggestions", "Begin with").await;
    let kept = "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, history.state, document.documentElement.outerHTML])";
    assert!(!browser.value(kept).await.as_str().expect("it is text").contains(TOKEN));
    let typed = "[...document.querySelectorAll('input')].map((input) => input.value).join()";
    assert!(!browser.value(typed).await.as_str().expect("it is text").contains(TOKEN));
}

async fn a_predicate_is_typed_and_its_rows_come_live(stage: &mut Stage) {
    stage.watch("user = 42").await;
    stage.browser.wait_for_text(".empty", "Nothing has matched yet").await;
    tracing::info!(user = 42, attempt = 3, "first");
    tracing::info!(user = 43, "somebody else's");
    stage.browser.wait_for_text(".row .message", "first").await;
    tracing::debug!(user = 42, "second");
    stage.browser.wait_for_text(".row .message", "second").await;
    let rows = "[...document.querySelectorAll('.row:not([hidden])')].map((row) => row.innerText.replace(/\\s+/g, ' ').slice(13))";
    let rows = stage.browser.value(rows).await;
    assert_eq!(rows, json!(["INFO page::opening first user=42 attempt=3", "DEBUG page::opening second user=42"]));
}

isolated! {
    fn a_person_gets_from_the_address_to_the_first_row() {
        play!(
            the_page_asks_for_the_token_and_keeps_it_to_itself,
            a_predicate_is_typed_and_its_rows_come_live,
        );
    }
}
