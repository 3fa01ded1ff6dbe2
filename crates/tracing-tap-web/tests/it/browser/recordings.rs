//! Recordings: files that the page opens by itself.

use super::stage::{Stage, play, rows};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use testing::browser::{Browser, ENTER, ESCAPE, UP};
use testing::runtime;
use tracing_tap::{Format, Item, write_item};

/// What the service was asked for, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn requests(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, request: &Request) {
        let text = format!("{} {}", request.method(), request.uri().path());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

/// Serves the endpoint, and logs every request.
fn serve_logged(stage: &mut Stage) -> Log {
    let log = Log::default();
    let noted = log.clone();
    let routes = axum::Router::new().nest("/tap", stage.endpoint().routes());
    stage.serve_application(routes.layer(from_fn(move |request: Request, next: Next| {
        noted.note(&request);
        next.run(request)
    })));
    log
}

/// Goes in, and waits until the page has asked for all that it wants to know.
async fn go_in_quietly(stage: &Stage, log: &Log) -> usize {
    stage.go_in().await;
    let catalogs = || log.requests().iter().filter(|request| request.ends_with("/catalog")).count();
    // Without the token, and with it.
    runtime::until("the catalog to be read", || catalogs() >= 2).await;
    stage.browser.wait("document.querySelector('.suggestion')").await;
    log.requests().len()
}

/// What a session on everything records of three requests.
fn recorded(stage: &Stage) -> String {
    let mut stream = stage.router.watch(tracing_tap::Predicate::exists("user"));
    for user in [41, 42, 43] {
        let span = tracing::info_span!("request", user, path = "/orders");
        span.in_scope(|| {
            tracing::info!(step = 1, ratio = 2.0, "begin {user}");
            tracing::error!(target: "app::db", step = 2, "odd name`s" = "a \"b\"", "failed {user}");
        });
    }
    let mut out = Vec::new();
    stream.drain().for_each(|item: Item| write_item(&mut out, &item, Format::Json));
    String::from_utf8(out).expect("lines are text")
}

/// Drops a file on the page.
async fn drop_file(browser: &Browser, text: &str) {
    let script = "const transfer = new DataTransfer();
        transfer.items.add(new File([arguments[0]], 'ticket-7.json'));
        for (const name of ['dragover', 'drop']) {
            const event = new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true });
            (document.querySelector('dialog[open]') ?? document.querySelector('main')).dispatchEvent(event);
            if (!event.defaultPrevented) throw new Error('the browser would open the file itself');
        }";
    browser.run(script, json!([text])).await;
}

async fn wait_for_rows(stage: &Stage, expected: &[&str]) {
    let mut shown = Vec::new();
    for _ in 0..400 {
        shown = rows(&stage.browser).await;
        let messages: Vec<_> = shown.iter().filter(|row| expected.iter().any(|part| row.contains(part))).collect();
        if shown.len() == expected.len() && messages.len() == expected.len() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("waited too long for {expected:?}: {shown:#?}");
}

async fn a_dropped_recording_is_read_without_a_request(stage: &mut Stage) {
    let log = serve_logged(stage);
    let text = recorded(stage)
        + "{\"type\":\"missing\",\"count\":3,\"reason\":\"overflow\"}\n{\"type\":\"gap\",\"after_ms\":2500}\n\
           {\"type\":\"weather\"}\n{\"type\":\"ended\",\"reason\":\"closed\"}\n{\"type\":\"eve";
    let asked = go_in_quietly(stage, &log).await;
    let browser = &stage.browser;
    drop_file(browser, &text).await;
    browser.wait_for_text(".recording", "Recording").await;
    browser.wait_for_text(".recording", "ticket-7.json · 6 events · from 2").await;
    assert_eq!(browser.text(".recording .words").await.matches(" UTC").count(), 2, "from when to when");
    let bars = [
        "3 events lost: the buffer was full",
        "The session was gone for 2.5 s",
        "Of a type unknown to this page",
        "The session was closed",
        "Line 11 is incomplete",
    ];
    let messages = ["begin 41", "failed 41", "begin 42", "failed 42", "begin 43", "failed 43"];
    wait_for_rows(stage, &[&messages[..], &bars].concat()).await;
    browser.wait_for_text(".counts", "6 events · 3 lost").await;
    browser.wait("document.querySelector('.view:not([hidden]) .state').dataset.state === 'recording'").await;
    browser.wait("!document.querySelector('.view:not([hidden]) .form').checkVisibility()").await;

    // Everything that is done with a live session, but for what needs one.
    for key in ["e", "X", "p", "p", "l", "c"] {
        browser.press(key).await;
    }
    browser.press("/").await;
    browser.press("failed").await;
    browser.wait_for_text(".search .count", "3").await;
    browser.press(ENTER).await;
    browser.press(ESCAPE).await;
    browser.press(ENTER).await;
    browser.wait_for_text(".detail .message", "failed 41").await;
    browser.click(".detail [data-of='user'] .not").await;
    wait_for_rows(stage, &[&messages[2..], &bars].concat()).await;
    browser.wait_for_text(".recording", "4 of 6 events").await;
    browser.press("/").await;
    browser.press(ESCAPE).await;
    browser.press("k").await;
    for _ in 0..9 {
        browser.press(UP).await;
    }
    browser.press(ENTER).await;
    browser.wait_for_text(".detail .message", "begin 42").await;
    for (field, left) in [("ratio", &["begin 42", "begin 43"][..]), ("user", &["begin 42"])] {
        browser.click(&format!(".detail [data-of='{field}'] .only")).await;
        wait_for_rows(stage, &[left, &bars].concat()).await;
        browser.press("k").await;
        for _ in 0..9 {
            browser.press(UP).await;
        }
        browser.press(ENTER).await;
        browser.wait_for_text(".detail .message", "begin 42").await;
    }
    let tests = "[...document.querySelectorAll('.recording .tests button')].map((test) => test.ariaLabel).join()";
    browser.wait(&format!("{tests} === 'Remove not user = 41,Remove ratio = 2.0,Remove user = 42'")).await;
    browser.click(".recording .tests button:nth-child(3)").await;
    wait_for_rows(stage, &[&["begin 42", "begin 43"][..], &bars].concat()).await;
    assert_eq!(log.requests()[asked..], Vec::<String>::new(), "nothing was asked for");

    browser.click(".recording .leave").await;
    browser.wait("document.querySelector('.view:not([hidden]) .predicate').checkVisibility()").await;
    assert_eq!(browser.value("document.querySelector('.recording')").await, json!(null));
    assert_eq!(browser.value("document.querySelectorAll('[role=tab]').length").await, json!(1));
    browser.press("user = 42").await;
    browser.press(ENTER).await;
    stage.wait_for_sessions(1).await;
}

async fn times_in_a_recording_are_filtered_by_their_spans(stage: &mut Stage) {
    let session = tracing_tap::SessionOptions::new(tracing_tap::Predicate::exists("user")).timings();
    let mut stream = stage.router.watch(session);
    for user in [41, 42] {
        tracing::info_span!("request", user).in_scope(|| tracing::info!(step = 1, "begin {user}"));
    }
    let mut text = Vec::new();
    stream.drain().for_each(|item: Item| write_item(&mut text, &item, Format::Json));
    let text = String::from_utf8(text).expect("lines are text");
    stage.go_in().await;
    let browser = &stage.browser;
    drop_file(browser, &text).await;
    wait_for_rows(stage, &["begin 41", "close", "begin 42", "close"]).await;
    browser.run("document.querySelector('.view:not([hidden]) .rows').focus()", json!([])).await;
    for _ in 0..4 {
        browser.press(UP).await;
    }
    browser.press(ENTER).await;
    browser.wait_for_text(".detail .message", "begin 41").await;
    browser.click(".detail [data-of='user'] .not").await;
    wait_for_rows(stage, &["begin 42", "close"]).await;
    browser.wait_for_text(".recording", "2 of 4 events").await;
}

async fn each_test_of_an_opened_event_selects_that_event(stage: &mut Stage) {
    stage.go_in().await;
    let script = "Promise.all([import('/tap/page/filter.js'), import('/tap/page/event.js'), import('/tap/page/predicate.js')]).then(([{ matches }, { takeApart }, { fieldTest, nameText }]) => {
        const event = takeApart(arguments[0]);
        const fields = [event.message, ...event.fields, ...event.spans.flatMap(({ fields }) => fields)];
        const tests = [...fields.map(fieldTest), '@level = warn', '@target = a::b', '@target = a', '@span = conn', '@file = src/hub.rs', '@file = hub.rs'];
        const not = ['@level = info', '@target = b', '@target = a::bc', '@span = con', '@file = ub.rs', 'x = 2', 'absent exists', `${nameText('odd `n')} = y`, 'cut = abc'];
        return { missed: tests.filter((test) => !matches(event, [test]) || matches(event, [`not ${test}`])), wrong: not.filter((test) => matches(event, [test]) || !matches(event, [`not ${test}`])), count: tests.length };
    })";
    let line = concat!(
        r#"{"type":"event","level":"WARN","target":"a::b","filename":"src/hub.rs","timestamp":"x","fields":{"#,
        r#""message":"two words","x":1.0,"odd `n":"a\tb\u200b\"","in":"not","big":18446744073709551615,"null":null,"#,
        r#""cut":"abc…[cut]","x#1":"1","r#r#x":true},"spans":[{"raw":[1,2],"name#1":"n","name":"conn"}]}"#,
    );
    let script = script.replace("arguments[0]", &json!(line).to_string());
    let told = stage.browser.settled(&script).await;
    assert_eq!(told, json!({ "missed": [], "wrong": [], "count": 17 }));
}

async fn a_recording_is_opened_by_keyboard_and_without_a_token(stage: &mut Stage) {
    let browser = &stage.browser;
    let text = recorded(stage);
    browser.open(&stage.page()).await;
    browser.wait("document.querySelector('#token').open").await;
    drop_file(browser, &text).await;
    browser.wait("!document.querySelector('#token').open").await;
    browser.wait_for_text(".recording", "6 events").await;
    browser.run("const input = document.getElementById('file'); globalThis.opened = 0; input.click = () => { globalThis.opened += 1; };", json!([])).await;
    browser.run("document.getElementById('open-file').focus()", json!([])).await;
    browser.press(ENTER).await;
    browser.wait("opened === 1").await;
    browser.run("document.querySelector('.view:not([hidden]) .rows').focus()", json!([])).await;
    browser.press("o").await;
    browser.wait("opened === 2").await;
    let chosen = "const transfer = new DataTransfer(); transfer.items.add(new File([arguments[0]], 'other.json'));
        const input = document.getElementById('file'); input.files = transfer.files; input.dispatchEvent(new Event('change'));";
    browser.run(chosen, json!([text])).await;
    browser.wait_for_text(".recording", "other.json · 6 events").await;
    assert_eq!(browser.value("document.querySelectorAll('[role=tab]').length").await, json!(3));
}

async fn what_is_no_recording_is_refused_by_its_first_line(stage: &mut Stage) {
    stage.go_in().await;
    let browser = &stage.browser;
    for (text, told) in [
        (
            "08:15:02.123Z DEBUG chat: hello\n08:15:02.123Z DEBUG chat: hello\n",
            "The recording cannot be read: line 1 is not a line of JSON with a type",
        ),
        ("one line", "The recording cannot be read: line 1 is not a line of JSON with a type"),
        ("", "The recording has no such event."),
    ] {
        drop_file(browser, text).await;
        browser.wait_for_text(".view:not([hidden]) .empty", told).await;
        browser.click(".view:not([hidden]) .recording .leave").await;
    }
    let line = recorded(stage).lines().next().expect("an event").to_owned();
    // The rest of a longer file, and lines in between that are no events.
    drop_file(browser, &format!("sion\":1}}\n{line}\nzeros\n{{\"type\":\"event\"}}\n{{\"type\":\"missing\"}}\n{line}"))
        .await;
    let rows = [
        "Line 1 could not be read",
        "begin 41",
        "Line 3 could not be read",
        "Line 4 could not be read",
        "Of a type unknown",
        "begin 41",
    ];
    wait_for_rows(stage, &rows).await;
}

isolated! {
    fn recordings_are_opened_by_the_page_itself() {
        play!(
            a_dropped_recording_is_read_without_a_request,
            times_in_a_recording_are_filtered_by_their_spans,
            each_test_of_an_opened_event_selects_that_event,
            a_recording_is_opened_by_keyboard_and_without_a_token,
            what_is_no_recording_is_refused_by_its_first_line,
        );
    }
}
