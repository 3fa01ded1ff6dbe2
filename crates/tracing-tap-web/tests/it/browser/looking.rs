//! How it looks and how it is reached: by keyboard alone, narrow, dark, read aloud.

use super::stage::{Stage, play};
use serde_json::{Value, json};
use testing::browser::{DELETE, DOWN, END, ENTER, ESCAPE, TAB, UP};

/// Every text that is shown, whose contrast with what is behind it is less than WCAG's AA asks for.
const FAINT: &str = r#"(() => {
  const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const behind = (element) => { for (let at = element; at; at = at.parentElement) { const colour = parse(getComputedStyle(at).backgroundColor); if (colour[3] === undefined || colour[3] === 1) return colour; } return [255, 255, 255]; };
  const own = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    if (!own(element) || !element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) || element.closest(".aside, .mirror, option")) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) faint.push(`${element.className || element.tagName}: ${element.textContent.slice(0, 30)} ${contrast.toFixed(2)}`);
  }
  return [...new Set(faint)];
})()"#;

fn one_of_each_level() {
    let _span = tracing::info_span!("request", user = 42).entered();
    tracing::error!(status = 500, "an error");
    tracing::warn!(latency_ms = 2500, "a warning");
    tracing::info!("an information");
    tracing::debug!("a detail");
    tracing::trace!("a trace");
}

async fn everything_is_done_by_keyboard_alone(stage: &mut Stage) {
    let browser = &stage.browser;
    stage.go_in().await;
    browser.press("user = 42").await;
    browser.press(ENTER).await;
    stage.wait_for_sessions(1).await;
    browser.wait("document.activeElement.matches('.rows')").await;
    one_of_each_level();
    browser.wait_for_text(".row .message", "a trace").await;
    browser.press(UP).await;
    browser.press("kk").await;
    browser.press("j").await;
    browser.press(DOWN).await;
    browser.press(UP).await;
    browser.wait_for_text(".row[aria-selected=true]", "a detail").await;
    let active = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))?.getAttribute('aria-selected')";
    assert_eq!(browser.value(active).await, "true");
    browser.press(ENTER).await;
    browser.wait_for_text(".detail .message", "a detail").await;
    // From the rows on into what is opened, to a value of it.
    let at_user = "document.activeElement.getAttribute('title') === 'and user = 42'";
    for _ in 0..40 {
        if browser.value(at_user).await == true {
            break;
        }
        browser.press(TAB).await;
    }
    browser.wait(at_user).await;
    browser.press(ENTER).await;
    browser.wait("document.querySelector('.predicate').value === 'user = 42 and user = 42'").await;
    browser.press(ESCAPE).await;
    browser.press(ESCAPE).await;
    browser.wait("document.querySelector('.detail').hidden").await;
    browser.press(END).await;
    browser.wait("document.querySelector('.waiting').hidden").await;
    browser.press("?").await;
    browser.wait("document.querySelector('#help').open").await;
    browser.press(ESCAPE).await;
    browser.wait("!document.querySelector('#help').open").await;
    browser.press("X").await;
    stage.wait_for_sessions(0).await;
    browser.run("document.querySelector('[role=tab]').focus()", json!([])).await;
    browser.press(DELETE).await;
    browser.wait_for_text("[role=tab]", "New").await;
}

async fn what_is_read_aloud_has_names(stage: &mut Stage) {
    stage.watch("user = 42").await;
    one_of_each_level();
    stage.browser.wait_for_text(".row .message", "a trace").await;
    stage.browser.press(UP).await;
    stage.browser.press(ENTER).await;
    let tree = stage.browser.tool("Accessibility.getFullAXTree", json!({})).await;
    let nodes = tree["nodes"].as_array().expect("it is a list");
    let roles = [
        "button",
        "combobox",
        "textbox",
        "searchbox",
        "tab",
        "grid",
        "tabpanel",
        "dialog",
        "img",
        "complementary",
        "listbox",
        "image",
        "link",
    ];
    let nameless: Vec<_> = nodes
        .iter()
        .filter(|node| node["ignored"] == false && roles.iter().any(|role| node["role"]["value"] == *role))
        .filter(|node| node["name"]["value"].as_str().is_none_or(|name| name.trim().is_empty()))
        .filter(|node| node["role"]["value"] != "tabpanel" && node["role"]["value"] != "image")
        .map(|node| node.to_string())
        .collect();
    assert_eq!(nameless, Vec::<String>::new());
    assert!(nodes.iter().any(|node| node["role"]["value"] == "grid"), "there is a grid");
    let live = "[...document.querySelectorAll('[aria-live], [role=status], [role=alert]')].every((live) => live.closest('.rows') === null)";
    assert_eq!(stage.browser.value(live).await, true, "rows are not read aloud as they come");
}

async fn text_stands_out_in_light_and_in_dark(stage: &mut Stage) {
    stage.watch("user = 42").await;
    let browser = &stage.browser;
    one_of_each_level();
    browser.wait_for_text(".row .message", "a trace").await;
    browser.press(UP).await;
    browser.press(ENTER).await;
    let ground = "getComputedStyle(document.body).backgroundColor";
    let mut grounds = Vec::new();
    for is_dark in [false, true] {
        browser.looks(1280, 800, is_dark).await;
        browser.wait_for_text(".detail", "Spans").await;
        assert_eq!(browser.value(FAINT).await, json!([]), "dark: {is_dark}");
        grounds.push(browser.value(ground).await);
    }
    assert_ne!(grounds[0], grounds[1]);
    // The switch says otherwise than the system.
    browser.click("#theme").await;
    assert_eq!(browser.value(ground).await, grounds[0]);
    browser.click("#theme").await;
    assert_eq!(browser.value(ground).await, grounds[1]);
    browser.looks(1280, 800, false).await;
    assert_eq!(browser.value(ground).await, grounds[1]);
}

async fn an_opened_row_stays_in_view_when_the_list_gets_narrow(stage: &mut Stage) {
    let browser = &stage.browser;
    browser.looks(980, 800, false).await;
    stage.watch("user = 42").await;
    for number in 0..500 {
        tracing::info!(user = 42, number, "event {number}");
    }
    browser.wait_for_text(".row .message", "event 499").await;
    browser.run("document.querySelector('.rows').scrollTop = 4800", json!([])).await;
    browser.wait_for_text(".row .message", "event 210").await;
    browser
        .run(
            "[...document.querySelectorAll('.row')].find((row) => row.textContent.includes('event 210')).click()",
            json!([]),
        )
        .await;
    browser.wait("getComputedStyle(document.querySelector('.rows')).getPropertyValue('--row-height') === '44'").await;
    let in_view = "(() => { const [row, list] = ['.row[aria-selected=true]', '.rows'].map((one) => document.querySelector(one)?.getBoundingClientRect());
        return row !== undefined && row.top >= list.top && row.bottom <= list.bottom; })()";
    browser.wait(in_view).await;
}

async fn a_narrow_window_has_all_of_it(stage: &mut Stage) {
    let browser = &stage.browser;
    browser.looks(360, 640, false).await;
    stage.watch("user = 42").await;
    one_of_each_level();
    browser.wait_for_text(".row .message", "a trace").await;
    let wide = "document.documentElement.scrollWidth <= 360 && [...document.querySelectorAll('button, input, select, textarea, .row, .state')]
        .filter((one) => one.checkVisibility() && one.closest('#tabs') === null).every((one) => one.getBoundingClientRect().right <= 361)";
    assert_eq!(browser.value(wide).await, true, "nothing is past the edge");
    let rows = "document.querySelector('.rows').clientHeight";
    assert!(browser.value(rows).await.as_u64().is_some_and(|height| height > 250), "there is room for rows");
    browser.click(".row:not([hidden])").await;
    browser.wait("document.querySelector('.detail').getBoundingClientRect().width === 360").await;
    assert_eq!(browser.value(wide).await, true, "nothing is past the edge");
    browser.click(".detail [aria-label='Close the event']").await;
    assert_eq!(browser.value("document.querySelector('.detail').hidden").await, Value::Bool(true));
}

async fn the_limits_panel_fits_a_phone_and_a_tablet(stage: &mut Stage) {
    let browser = &stage.browser;
    for width in [390, 768] {
        browser.looks(width, 800, false).await;
        stage.go_in().await;
        browser.click(".limits summary").await;
        browser.wait("document.querySelector('.limits .panel').checkVisibility()").await;
        let fits = format!(
            "document.documentElement.scrollWidth <= {width} && [...document.querySelectorAll('.limits .panel, .limits .panel *')]
            .map((one) => one.getBoundingClientRect()).every(({{ left, right }}) => left >= 0 && right <= {width})"
        );
        assert_eq!(browser.value(&fits).await, true, "at {width} pixels");
    }
}

async fn a_row_shows_the_innermost_span_first(stage: &mut Stage) {
    let browser = &stage.browser;
    stage.watch("user = 42").await;
    let request = tracing::info_span!("request", user = 42, path = "/a/long/path");
    let query = tracing::info_span!(parent: &request, "query", table = "orders");
    query.in_scope(|| tracing::info!("asked"));
    browser.wait_for_text(".row .spans", "query{table=orders} ‹ request{user=42 path=/a/long/path}").await;
}

async fn lost_context_is_shown_while_the_session_runs(stage: &mut Stage) {
    fn mail() {
        tracing::info!("mail sent");
    }
    stage.watch("user = 42").await;
    tracing::info_span!("request", user = 42).in_scope(mail);
    std::thread::spawn(mail).join().expect("it does not panic");
    stage.browser.wait_for_text(".context .finding", "likely a `spawn` without").await;
    stage.browser.wait_for_text(".context .finding", "looking.rs").await;
}

isolated! {
    fn it_is_there_for_everybody() {
        play!(
            everything_is_done_by_keyboard_alone,
            what_is_read_aloud_has_names,
            text_stands_out_in_light_and_in_dark,
            an_opened_row_stays_in_view_when_the_list_gets_narrow,
            a_narrow_window_has_all_of_it,
            the_limits_panel_fits_a_phone_and_a_tablet,
            a_row_shows_the_innermost_span_first,
            lost_context_is_shown_while_the_session_runs,
        );
    }
}
