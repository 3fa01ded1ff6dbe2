//! From the address to the first row.

use super::stage::{Stage, TOKEN, play, rows};
use serde_json::json;
use std::net::Ipv4Addr;
use testing::address::listen;
use testing::browser::{BACKSPACE, DOWN, ENTER, ESCAPE, TAB};
use tracing::level_filters::LevelFilter;

async fn the_page_asks_for_the_token_and_keeps_it_to_itself(stage: &mut Stage) {
    let browser = &stage.browser;
    browser.open(&stage.page()).await;
    browser.wait("document.querySelector('#token').open").await;
    browser.press("not-the-endpoints-token").await;
    browser.press(ENTER).await;
    browser.wait_for_text("#token [role=alert]", "the token is not this endpoint's").await;
    browser.press(TOKEN).await;
    browser.press(ENTER).await;
    browser.wait("!document.querySelector('#token').open").await;
    browser.wait_for_text(".suggestions", "Examples").await;
    let kept = "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, history.state, document.documentElement.outerHTML])";
    assert!(!browser.value(kept).await.as_str().expect("it is text").contains(TOKEN));
    let typed = "[...document.querySelectorAll('input')].map((input) => input.value).join()";
    assert!(!browser.value(typed).await.as_str().expect("it is text").contains(TOKEN));
}

async fn a_predicate_is_typed_and_its_rows_come_live(stage: &mut Stage) {
    stage.watch("user = 42").await;
    stage.browser.wait_for_text(".empty", "Nothing has matched yet").await;
    stage.browser.wait_for_text(".empty .note", "callsites seen so far can match").await;
    tracing::info!(user = 42, attempt = 3, "first");
    tracing::info!(user = 43, "another user's");
    stage.browser.wait_for_text(".row .message", "first").await;
    tracing::info_span!("request", user = 42).in_scope(|| tracing::debug!("second"));
    stage.browser.wait_for_text(".row .message", "second").await;
    let shown = rows(&stage.browser).await;
    assert_eq!(
        shown,
        ["INFO …browser::opening first user=42 attempt=3", "DEBUG …browser::opening request{user=42} second"]
    );
}

async fn what_is_there_is_offered_and_taken_by_key(stage: &mut Stage) {
    tracing::info_span!("request", tenant_of_the_request = 7).in_scope(|| tracing::info!("so that it is known"));
    stage.go_in().await;
    let browser = &stage.browser;
    let offered = "[...document.querySelectorAll('.choices li .choice')].map((choice) => choice.textContent)";
    let typed = "document.querySelector('.predicate').value";
    browser.press("tenant_of").await;
    browser.wait(&format!("{offered}.includes('tenant_of_the_request')")).await;
    browser.press(TAB).await;
    assert_eq!(browser.value(typed).await, "tenant_of_the_request ");
    assert_eq!(browser.value(&format!("{offered}[0]")).await, "=");
    browser.press(DOWN).await;
    browser.press(ENTER).await;
    browser.press("7 and @sp").await;
    browser.press(TAB).await;
    browser.press("= re").await;
    browser.wait(&format!("{offered}.includes('request')")).await;
    browser.press(ESCAPE).await;
    assert_eq!(browser.value("document.querySelector('.choices').hidden").await, true);
    assert_eq!(browser.value(typed).await, "tenant_of_the_request = 7 and @span = re");
    browser.press("quest and @target = ").await;
    browser.wait(&format!("{offered}.includes('it::browser::opening')")).await;
    browser.press("it::browser::op").await;
    browser.press(TAB).await;
    assert_eq!(
        browser.value(typed).await,
        "tenant_of_the_request = 7 and @span = request and @target = it::browser::opening "
    );
    browser.press("and @level >= de").await;
    browser.press(DOWN).await;
    browser.press(ENTER).await;
    browser.press(ENTER).await;
    stage.wait_for_sessions(1).await;
}

async fn the_services_own_targets_are_offered_before_its_dependencies(stage: &mut Stage) {
    let layer = tower_http::trace::TraceLayer::new_for_http();
    stage.serve_application(axum::Router::new().nest("/tap", stage.endpoint().routes()).layer(layer));
    let open = stage.router.watch(tracing_tap::Predicate::everything());
    tracing::debug!(target: "rarely_reached", "once");
    // Several callsites of a dependency: more frequent than that one.
    stage.go_in().await;
    let browser = &stage.browser;
    browser.press("@target = ").await;
    let offered = "[...document.querySelectorAll('.choices li .choice')].map((choice) => choice.textContent)";
    browser.wait(&format!("{offered}.includes('tower_http')")).await;
    let offered = browser.value(offered).await;
    let offered: Vec<_> = offered.as_array().expect("a list").iter().filter_map(|target| target.as_str()).collect();
    let first_foreign = offered.iter().position(|target| *target == "tower_http").expect("it is there");
    let (own, foreign) = offered.split_at(first_foreign);
    assert!(own.contains(&"rarely_reached"), "{offered:?}");
    assert!(!foreign.iter().any(|target| target.starts_with("it::") || *target == "rarely_reached"), "{offered:?}");
    drop(open);
    stage.serve();
}

async fn a_mistake_is_shown_where_it_is_as_one_types(stage: &mut Stage) {
    stage.go_in().await;
    let browser = &stage.browser;
    browser.press("user = 42 and latency => 250 or x = 1").await;
    browser.press(ESCAPE).await;
    browser
        .wait_for_text(".error .wrong", "expected an operator after `latency`, found `=>`; did you mean `>=`?")
        .await;
    assert_eq!(browser.text(".error .caret").await, "^^");
    assert_eq!(browser.text(".mirror mark").await, "=>");
    let places = "[document.querySelector('.mirror mark'), document.createRange()].map((place, index) => {
        if (index === 1) place.selectNodeContents(document.querySelector('.error .caret'));
        return Math.round(place.getBoundingClientRect().left); })";
    let places = browser.value(places).await;
    let [mistake, caret] = [0, 1].map(|index| places[index].as_i64().expect("it is a number"));
    assert!((mistake - caret).abs() <= 1, "the caret is under the mistake, {caret} and not {mistake}");
    // What is not complete yet is no mistake.
    browser.retype("user = 42 and").await;
    browser.wait_for_text(".error .unfinished", "found the end").await;
    assert_eq!(browser.value("document.querySelector('.predicate').getAttribute('aria-invalid')").await, json!(null));
    // Started nevertheless, it is refused and nothing is open.
    browser.press(ENTER).await;
    browser.wait_for_text(".error .wrong", "found the end").await;
    stage.wait_for_sessions(0).await;
    browser.press(BACKSPACE).await;
    browser.retype("user = 42").await;
    browser.wait("document.querySelector('.error').childElementCount === 0").await;
}

async fn the_box_is_as_high_as_what_is_in_it_up_to_a_bound(stage: &mut Stage) {
    stage.go_in().await;
    let browser = &stage.browser;
    let heights = "['.predicate', '.mirror'].map((one) => document.querySelector(one).offsetHeight).join()";
    assert_eq!(browser.value(heights).await, "38,38");
    let fill = "const box = document.querySelector('.predicate'); box.value = arguments[0]; box.dispatchEvent(new Event('input'));";
    // Lines that are wrapped count, and so does an empty one at the end.
    browser.run(fill, json!(["user = 42 and ".repeat(30)])).await;
    browser.wait(&format!("parseInt({heights}) >= 86")).await;
    browser.run(fill, json!(["*\n"])).await;
    browser.wait(&format!("{heights} === '62,62'")).await;
    browser.run(fill, json!(["*\n".repeat(30)])).await;
    browser.wait(&format!("{heights} === '206,206'")).await;
    browser.run("document.querySelector('.predicate').scrollTop = 100", json!([])).await;
    browser.wait("document.querySelector('.mirror').scrollTop === 100").await;
}

async fn what_can_match_is_shown_before_anything_is_started(stage: &mut Stage) {
    tracing::info!(user = 1, "so that it is known");
    stage.go_in().await;
    stage.browser.press("usr = 42").await;
    stage
        .browser
        .wait_for_text(
            ".coverage.nothing .finding",
            "no callsite seen so far declares the field `usr`: did you mean `user`?",
        )
        .await;
    stage.browser.retype("user = 42").await;
    stage.browser.wait_for_text(".coverage.everything", "All matching events are visible").await;
    assert_eq!(stage.router.sessions().len(), 0, "nothing was started for that");
}

async fn limits_and_follow_are_asked_for_and_what_is_refused_is_shown(stage: &mut Stage) {
    stage.go_in().await;
    let browser = &stage.browser;
    browser.press("user = 42").await;
    browser.click(".limits summary").await;
    browser.click(".limits input[title='Name of the session']").await;
    browser.press("ticket 7").await;
    browser.click(".limits input[title='Sample whole requests: one in this many']").await;
    browser.press("0").await;
    browser.press(ENTER).await;
    browser.wait_for_text(".error .wrong", "`sample` is 0; the minimum, 1, samples everything").await;
    browser.wait("document.activeElement.title === 'Sample whole requests: one in this many'").await;
    browser.retype("1").await;
    browser.click(".limits input[title='Maximum number of events']").await;
    browser.press("2").await;
    let spans = "const spans = document.querySelector('.limits select'); spans.value = 'debug'; spans.dispatchEvent(new Event('change', { bubbles: true }));";
    browser.run(spans, json!([])).await;
    let follow = "const follow = document.querySelectorAll('.form select')[1]; follow.value = 'root'; follow.dispatchEvent(new Event('change', { bubbles: true }));";
    browser.run(follow, json!([])).await;
    browser.click(".start").await;
    stage.wait_for_sessions(1).await;
    let open = &stage.router.sessions()[0];
    assert_eq!((open.name.as_deref(), open.predicate.to_string().as_str()), (Some("ticket 7"), "user = 42"));
    assert_eq!((open.max_level, open.spans), (LevelFilter::TRACE, LevelFilter::DEBUG));
    browser.wait_for_text("[role=tab]", "ticket 7").await;
    browser.wait("location.hash.includes('name=ticket+7') && location.hash.includes('max=2') && location.hash.includes('follow=root') && location.hash.includes('spans=debug')").await;
    tracing::info!(user = 42, "one");
    tracing::info!(user = 42, "two");
    browser.wait_for_text(".row.bar.end", "The session has reached its maximum of events").await;
}

async fn requests_that_fail_are_asked_for_by_a_checkbox(stage: &mut Stage) {
    stage.go_in().await;
    let browser = &stage.browser;
    browser.press("*").await;
    browser.wait("document.querySelector('.outcome').hidden").await;
    browser.click(".check input").await;
    browser.wait("!document.querySelector('.outcome').hidden").await;
    let shown =
        "[document.querySelectorAll('.outcome input')[0].value, document.querySelectorAll('.form select')[1].value]";
    assert_eq!(browser.value(shown).await, json!(["status >= 500", "root"]));
    browser.click(".outcome label:last-child input").await;
    browser.press("2").await;
    browser.click(".start").await;
    browser.wait_for_text(".error .wrong", "`slower_than` has no unit: did you mean `2s`?").await;
    browser.retype("30s").await;
    browser.click(".start").await;
    stage.wait_for_sessions(1).await;
    let open = &stage.router.sessions()[0];
    assert_eq!(open.only_if.as_ref().map(ToString::to_string).as_deref(), Some("status >= 500"));
    assert_eq!(open.slower_than, Some(std::time::Duration::from_secs(30)));
    browser
        .wait("location.hash.includes('only_if=status+%3E%3D+500') && location.hash.includes('slower_than=30s')")
        .await;
    for status in [200, 503] {
        tracing::info_span!("request").in_scope(|| {
            tracing::trace!("accepted {status}");
            tracing::info!(status, "answered {status}");
        });
    }
    browser.wait_for_text(".row .message", "accepted 503").await;
    browser.wait_for_text(".row .message", "answered 503").await;
    let rows = rows(browser).await;
    assert_eq!(rows.len(), 2, "{rows:?}");
}

async fn a_link_opens_the_same_view_and_starts_nothing(stage: &mut Stage) {
    let browser = &stage.browser;
    browser.open(&format!("{}#q=user+%3D+42&level=info&for=1h&find=needle&rate=100&spans=trace", stage.page())).await;
    stage.bring_token().await;
    assert_eq!(browser.value("document.querySelector('.predicate').value").await, "user = 42");
    assert_eq!(
        browser.value("[...document.querySelectorAll('.form select')].map((select) => select.value)").await,
        json!(["info", "event", "1h", "trace", ""])
    );
    browser.wait_for_text(".coverage", "can match").await;
    assert_eq!(stage.router.sessions().len(), 0);
    browser.press(ENTER).await;
    stage.wait_for_sessions(1).await;
    let open = &stage.router.sessions()[0];
    assert_eq!((open.max_level, open.spans), (LevelFilter::INFO, LevelFilter::TRACE));
    tracing::info!(user = 42, "hay");
    tracing::info!(user = 42, "a Needle");
    browser.wait_for_text(".search .count", "1").await;
    assert!(
        browser.address().await.ends_with("/tap#q=user+%3D+42&level=info&for=1h&spans=trace&rate=100&find=needle"),
        "{}",
        browser.address().await
    );
}

async fn predicates_of_before_are_remembered_by_this_browser(stage: &mut Stage) {
    stage.watch("user = 4711").await;
    stage.go_in().await;
    stage.browser.wait_for_text(".suggestion", "user = 4711").await;
    stage
        .browser
        .run(
            "[...document.querySelectorAll('.suggestion')].find((one) => one.textContent === 'user = 4711').click()",
            json!([]),
        )
        .await;
    assert_eq!(stage.browser.value("document.querySelector('.predicate').value").await, "user = 4711");
}

async fn the_page_opens_without_a_slash_and_from_another_site(stage: &mut Stage) {
    let browser = &stage.browser;
    // `localhost` is another site than the address.
    let listener = listen((Ipv4Addr::LOCALHOST, 0));
    let other = format!("http://localhost:{}/tap/page/icon.svg", listener.local_addr().expect("it listens").port());
    let application = axum::Router::new().nest("/tap", stage.endpoint().routes());
    let listener = tokio::net::TcpListener::from_std(listener).expect("it is a listener");
    tokio::spawn(async move { axum::serve(listener, application).await });
    for path in ["/tap", "/tap/page/"] {
        browser.open(&other).await;
        browser.run("location.href = arguments[0]", json!([format!("http://{}{path}", stage.address)])).await;
        stage.bring_token().await;
        browser.wait_for_text(".suggestions", "Examples").await;
    }
}

isolated! {
    fn a_person_gets_from_the_address_to_the_first_row() {
        play!(
            the_page_asks_for_the_token_and_keeps_it_to_itself,
            a_predicate_is_typed_and_its_rows_come_live,
            what_is_there_is_offered_and_taken_by_key,
            the_services_own_targets_are_offered_before_its_dependencies,
            a_mistake_is_shown_where_it_is_as_one_types,
            the_box_is_as_high_as_what_is_in_it_up_to_a_bound,
            what_can_match_is_shown_before_anything_is_started,
            requests_that_fail_are_asked_for_by_a_checkbox,
            limits_and_follow_are_asked_for_and_what_is_refused_is_shown,
            a_link_opens_the_same_view_and_starts_nothing,
            predicates_of_before_are_remembered_by_this_browser,
            the_page_opens_without_a_slash_and_from_another_site,
        );
    }
}
