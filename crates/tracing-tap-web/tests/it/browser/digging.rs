//! From a row to its fields, to the next predicate, to the outside.

use super::stage::{Stage, play};
use super::tracing::in_trace;
use serde_json::json;
use testing::browser::{Browser, ENTER, ESCAPE, SHIFT, UP};
use tracing_tap::{Item, Predicate};

const CLIPBOARD: &str =
    "globalThis.copied = []; navigator.clipboard.writeText = async (text) => { globalThis.copied.push(text); };";

async fn open_last_row(browser: &Browser) {
    browser.press(UP).await;
    browser.press(ENTER).await;
    browser.wait("!document.querySelector('.detail').hidden").await;
}

async fn typed(browser: &Browser) -> String {
    browser
        .value("document.querySelector('.view:not([hidden]) .predicate').value")
        .await
        .as_str()
        .expect("it is text")
        .to_owned()
}

async fn a_click_on_a_value_asks_for_exactly_that_value(stage: &mut Stage) {
    stage.watch("user = 42 or user = 43").await;
    let browser = &stage.browser;
    let span = tracing::info_span!("request", user = 42, name = "a field of that name");
    span.in_scope(|| {
        tracing::warn!(
            big = u64::MAX,
            ratio = 1.0,
            "odd name`s" = "two words \"quoted\"",
            text = "a\tb\u{200b}",
            "in" = "not",
            nothing = "null",
            "n#1" = 1,
            repeated = 1,
            repeated = 2,
            "over"
        );
    });
    browser.wait_for_text(".row .message", "over").await;
    open_last_row(browser).await;
    for text in ["18446744073709551615", "1.0", "two words \"quoted\"", "a⇥b\\u{200b}", "a field of that name"] {
        browser.wait_for_text(".detail", text).await;
    }
    let tests = "[...document.querySelectorAll('.detail .only')].map((only) => only.title.replace(/^and /, ''))";
    let tests = browser.value(tests).await;
    let all: Vec<_> =
        tests.as_array().expect("a list").iter().map(|test| test.as_str().expect("text").to_owned()).collect();
    for expected in [
        "message = over",
        "@level = warn",
        "big = 18446744073709551615",
        "ratio = 1.0",
        "`odd name\\`s` = \"two words \\\"quoted\\\"\"",
        "text = \"a\\tb\\u200b\"",
        "`in` = \"not\"",
        "nothing = \"null\"",
        "`n#1` = 1",
        "repeated = 1",
        "repeated = 2",
        "@span = request",
        "user = 42",
        "name = \"a field of that name\"",
    ] {
        assert!(all.iter().any(|test| test == expected), "{expected} is not in {all:?}");
    }
    for test in &all {
        assert!(test.parse::<Predicate>().is_ok(), "{test} can be read");
    }
    browser.click(".detail [data-of='big'] .only").await;
    assert_eq!(typed(browser).await, "(user = 42 or user = 43) and big = 18446744073709551615");
    browser.click(".detail [data-of='text'] .not").await;
    assert_eq!(
        typed(browser).await,
        "(user = 42 or user = 43) and big = 18446744073709551615 and not text = \"a\\tb\\u200b\""
    );
    browser.press(ENTER).await;
    stage.wait_for_sessions(2).await;
    browser.wait("document.querySelectorAll('[role=tab]').length === 2").await;
    span.in_scope(|| tracing::warn!(big = u64::MAX, text = "c", "again"));
    browser.wait_for_text(".view:not([hidden]) .row .message", "again").await;
    assert_eq!(browser.value("document.querySelectorAll('.view:not([hidden]) .row:not([hidden])').length").await, 1);
}

async fn text_is_found_in_what_was_received_and_only_in_what_is_shown(stage: &mut Stage) {
    stage.watch("user = 42").await;
    let browser = &stage.browser;
    for number in 0..300 {
        let word = if number % 100 == 7 { "a Needle \"here\"" } else { "hay" };
        tracing::info!(user = 42, number, "{word}");
    }
    browser.wait_for_text(".counts", "300 events").await;
    browser.press("/").await;
    browser.press("needle \"h").await;
    browser.wait_for_text(".search .count", "3").await;
    browser.press(ENTER).await;
    browser.wait_for_text(".search .count", "1 of 3").await;
    browser.wait_for_text(".row[aria-selected=true]", "number=7").await;
    browser.press(ENTER).await;
    browser.wait_for_text(".row[aria-selected=true]", "number=107").await;
    browser.chord(&[SHIFT], ENTER).await;
    browser.wait_for_text(".row[aria-selected=true]", "number=7").await;
    browser.wait("CSS.highlights.get('found')?.size > 0").await;
    tracing::info!(user = 42, "one more needle \"h");
    browser.wait_for_text(".search .count", "of 4").await;
    // A key of the wire form is nothing that is shown.
    browser.retype("line_number").await;
    browser.wait_for_text(".search .count", "nothing").await;
    browser.retype("number=12").await;
    browser.wait_for_text(".search .count", "11").await;
    // Fields as they stand beside each other, and at once.
    browser.retype("user=42 number=12").await;
    browser.press(ENTER).await;
    browser.wait_for_text(".search .count", "1 of 11").await;
    browser.retype("42 number").await;
    browser.wait_for_text(".search .count", "300").await;
    browser.press(ESCAPE).await;
    browser.wait("document.activeElement.matches('.rows')").await;
}

async fn a_letter_that_is_everywhere_is_marked_in_bounds(stage: &mut Stage) {
    stage.watch("user = 42").await;
    let browser = &stage.browser;
    for _ in 0..50 {
        tracing::info!(user = 42, more = "a".repeat(3000), "{}", "a".repeat(3000));
    }
    browser.wait_for_text(".counts", "50 events").await;
    browser.press("/").await;
    browser.press("a").await;
    browser.wait_for_text(".search .count", "50").await;
    browser.wait("CSS.highlights.get('found')?.size === 300").await;
}

async fn what_was_received_is_taken_along(stage: &mut Stage) {
    stage.watch("user = 42").await;
    let browser = &stage.browser;
    browser.run(CLIPBOARD, json!([])).await;
    tracing::info!(user = 42, big = u64::MAX, "it's \u{e9}");
    browser.wait_for_text(".row .message", "it's").await;
    open_last_row(browser).await;
    browser.press("c").await;
    let copied = browser.wait("globalThis.copied[0]").await;
    let item: Item = serde_json::from_str(copied.as_str().expect("it is text")).expect("it is the line as it came");
    assert_eq!(item.into_event().expect("it is an event").message(), "it's é");
    browser.press("l").await;
    let link = browser.wait("globalThis.copied[1]").await;
    assert_eq!(link, format!("{}#q=user+%3D+42", stage.page()));
    browser.click(".menu summary").await;
    browser
        .run(
            "[...document.querySelectorAll('.menu button')].find((one) => one.textContent.includes('curl')).click()",
            json!([]),
        )
        .await;
    let curl = browser.wait("globalThis.copied[2]").await;
    let expected = format!("curl -N -H \"Authorization: Bearer $TOKEN\" '{}/watch?q=user+%3D+42'", stage.page());
    assert_eq!(curl, expected);
    let grab = "globalThis.blobs = []; URL.createObjectURL = (blob) => { globalThis.blobs.push(blob); return 'about:blank#'; };
        HTMLAnchorElement.prototype.click = function () { globalThis.saved = this.download; };";
    browser.run(grab, json!([])).await;
    browser.press("d").await;
    assert_eq!(browser.wait("globalThis.saved").await, "user-42.ndjson");
    let saved = browser.settled("globalThis.blobs[0].text()").await;
    assert_eq!(saved, format!("{}\n", copied.as_str().expect("it is text")));
    let partly =
        "Promise.all([import('/tap/page/store.js'), import('/tap/page/save.js')]).then(([{ Store }, { download }]) => {
        const store = new Store(2);
        const push = (raw) => store.push({ kind: 'event', raw, level: 2, second: 0 });
        ['1', '2', '3'].forEach(push);
        store.keepFrom = store.first;
        push('4');
        download(store, 'partly');
        return globalThis.blobs.at(-1).text();
    })";
    let partly = browser.settled(partly).await;
    let lines: Vec<_> = partly.as_str().expect("it is text").lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].contains("1 older events were dropped from the page"), "{lines:?}");
    assert_eq!(lines[1..3], ["2", "3"]);
    assert!(lines[3].contains("1 events arrived while the view was held"), "{lines:?}");
}

async fn what_is_found_behind_a_pause_is_shown_and_the_pause_goes_on(stage: &mut Stage) {
    stage.watch("user = 42").await;
    let browser = &stage.browser;
    tracing::info!(user = 42, "before");
    browser.wait_for_text(".row .message", "before").await;
    browser.press("p").await;
    browser.wait_for_text(".waiting", "Paused").await;
    for word in ["needle", "hay"] {
        tracing::info!(user = 42, "{word}");
    }
    browser.wait_for_text(".waiting", "2 new rows").await;
    browser.press("/").await;
    browser.press("needle").await;
    browser.press(ENTER).await;
    browser.wait_for_text(".row[aria-selected=true]", "needle").await;
    browser.wait_for_text(".waiting", "1 new row").await;
    assert!(browser.text(".waiting").await.contains("Paused"));
}

async fn a_trace_id_leads_to_the_trace_and_to_all_its_events(stage: &mut Stage) {
    stage.watch("user = 42").await;
    let browser = &stage.browser;
    let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    let request = tracing::info_span!("request");
    in_trace(trace, || request.in_scope(|| tracing::warn!(user = 42, "in a trace")));
    browser.wait_for_text(".row .message", "in a trace").await;
    open_last_row(browser).await;
    browser.wait_for_text(".detail", "0000000000000007").await;
    let link = browser.wait("document.querySelector('.detail a.elsewhere')?.href").await;
    assert_eq!(link, format!("https://jaeger.example/trace/{trace:032x}?uiEmbed=v0"));
    assert_eq!(browser.value("document.querySelector('.detail a.elsewhere').rel").await, "noopener noreferrer");
    browser.click(".detail [data-of='trace_id'] .only").await;
    let narrowed = format!("user = 42 and trace_id = {trace:032x}");
    assert_eq!(typed(browser).await, narrowed);
    assert!(narrowed.parse::<Predicate>().is_ok());
    // What was not checked by the endpoint is no link either.
    let foreign =
        "import('/tap/page/catalog.js').then(({ traceAddress }) => traceAddress('1?a=b').concat(traceAddress('ABC')))";
    assert_eq!(browser.settled(foreign).await, "");
}

isolated! {
    fn a_row_leads_to_the_next_question() {
        play!(
            a_click_on_a_value_asks_for_exactly_that_value,
            a_trace_id_leads_to_the_trace_and_to_all_its_events,
            text_is_found_in_what_was_received_and_only_in_what_is_shown,
            a_letter_that_is_everywhere_is_marked_in_bounds,
            what_is_found_behind_a_pause_is_shown_and_the_pause_goes_on,
            what_was_received_is_taken_along,
        );
    }
}
