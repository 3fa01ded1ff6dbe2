//! What happens to sessions: interruptions, restarts, tabs, others who read, leaving.

use super::line::Line;
use super::stage::{Graceful, Stage, TOKEN, play, rows};
use serde_json::json;
use std::time::{Duration, Instant};
use testing::browser::ENTER;
use testing::runtime::until;
use tracing_tap_web::{Auth, Caller, Endpoint};

async fn after_a_lost_connection_it_reads_on_exactly(stage: &mut Stage) {
    let mut line = Line::lay(stage.address);
    stage.browser.open(&format!("http://{}/tap#q=user+%3D+42", line.address)).await;
    stage.bring_token().await;
    stage.browser.press(ENTER).await;
    stage.browser.wait("document.querySelector('.state')?.dataset.state === 'live'").await;
    tracing::info!(user = 42, "before");
    stage.browser.wait_for_text(".row .message", "before").await;
    line.cut();
    stage.browser.wait("document.querySelector('.state').dataset.state === 'waiting'").await;
    for number in 0..10 {
        tracing::info!(user = 42, "missed {number}");
    }
    line.mend();
    stage.browser.wait_for_text(".row .message", "missed 9").await;
    stage.browser.wait_for_text(".row.bar.calm", "It resumed where it stopped").await;
    let shown = rows(&stage.browser).await;
    let expected: Vec<_> =
        (0..10).map(|number| format!("INFO …browser::interrupted missed {number} user=42")).collect();
    assert_eq!(shown[0], "INFO …browser::interrupted before user=42");
    assert_eq!(shown[2..], expected);
    stage.browser.goto("about:blank").await;
    stage.wait_for_sessions(0).await;
}

async fn what_a_first_connection_did_not_bring_comes_with_the_next(stage: &mut Stage) {
    let mut line = Line::lay(stage.address);
    stage.browser.open(&format!("http://{}/tap#q=user+%3D+42", line.address)).await;
    stage.bring_token().await;
    stage.browser.press(ENTER).await;
    stage.browser.wait("document.querySelector('.state')?.dataset.state === 'live'").await;
    line.swallow();
    let before = stage.router.stats().events.delivered;
    tracing::info!(user = 42, "sent and not heard");
    until("the endpoint to have sent it", || stage.router.stats().events.delivered > before).await;
    // It goes out with its batch; what comes later than the cut does not matter here.
    line.cut();
    stage.browser.wait("document.querySelector('.state').dataset.state === 'waiting'").await;
    line.mend();
    stage.browser.wait_for_text(".row.bar.calm", "It resumed where it stopped").await;
    stage.browser.wait_for_text(".row .message", "sent and not heard").await;
    assert_eq!(rows(&stage.browser).await[1..], ["INFO …browser::interrupted sent and not heard user=42"]);
    stage.browser.goto("about:blank").await;
    stage.wait_for_sessions(0).await;
}

async fn after_a_restart_the_session_is_reopened_with_a_gap(stage: &mut Stage) {
    stage.watch("user = 42").await;
    tracing::info!(user = 42, "before");
    stage.browser.wait_for_text(".row .message", "before").await;
    stage.kill();
    stage.browser.wait("document.querySelector('.state').dataset.state === 'waiting'").await;
    stage.wait_for_sessions(0).await;
    stage.serve();
    stage
        .browser
        .wait_for_text(".row.bar.gap", "A new session is open; events in between are missing and not counted")
        .await;
    stage.wait_for_sessions(1).await;
    stage.browser.wait("document.querySelector('.state').dataset.state === 'live'").await;
    tracing::info!(user = 42, "after");
    stage.browser.wait_for_text(".row .message", "after").await;
    let shown = rows(&stage.browser).await;
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(
        shown[0].contains("before") && shown[1].contains("A new session is open") && shown[2].contains("after"),
        "{shown:?}"
    );
    // A service that ends in order says so, and is waited for as well.
    stage.router.shutdown();
    stage.wait_for_sessions(1).await;
    stage.browser.wait("document.querySelectorAll('.row.bar.gap:not([hidden])').length === 2").await;
}

/// How often a machine that is busy with other tests may be too slow.
const ATTEMPTS: usize = 3;

fn within_a_second(times: &[Duration]) -> bool {
    times.iter().any(|time| *time < Duration::from_secs(1))
}

/// Serves the page, and an endpoint that wants no token, since `EventSource` can bring none.
fn serve(stage: &mut Stage) -> Graceful {
    let everybody = Auth::check(|_| Ok(Caller::new("anybody")));
    let (tap, open) = (stage.endpoint(), Endpoint::new(stage.router.clone(), everybody));
    stage.serve_gracefully(|ending| {
        let [tap, open] = [tap, open].map(|endpoint| endpoint.with_graceful_shutdown(ending.signal()).routes());
        let plain = axum::routing::get(|| async { "plain" });
        axum::Router::new().nest("/tap", tap).nest("/open", open).route("/plain", plain)
    })
}

async fn a_page_ends_with_its_service_and_is_soon_back(stage: &mut Stage) {
    let mut service = serve(stage);
    stage.watch("user = 42").await;
    let (mut ends, mut returns) = (Vec::new(), Vec::new());
    for attempt in 1..=ATTEMPTS {
        ends.push(service.stop().await);
        // After so many tries, waits that only grow would be longer than a second.
        stage.browser.wait_for_text(".state", "No connection, retrying").await;
        let begun = Instant::now();
        service = serve(stage);
        stage
            .browser
            .wait(&format!("document.querySelectorAll('.row.bar.gap:not([hidden])').length === {attempt}"))
            .await;
        stage.browser.wait("document.querySelector('.state').dataset.state === 'live'").await;
        returns.push(begun.elapsed());
        if within_a_second(&ends) && within_a_second(&returns) {
            break;
        }
    }
    assert!(within_a_second(&ends) && within_a_second(&returns), "{ends:?} {returns:?}");
    leave(stage).await;
}

async fn an_event_source_ends_with_its_service_and_is_soon_back(stage: &mut Stage) {
    let mut service = serve(stage);
    stage.browser.open(&format!("http://{}/plain", stage.address)).await;
    let listen = "globalThis.received = []; globalThis.opened = 0;
        const source = globalThis.source = new EventSource('/open/watch?q=user%3D42');
        source.onopen = () => (globalThis.opened += 1);
        for (const name of ['message', 'ended', 'gap']) source.addEventListener(name, ({ data }) => globalThis.received.push(JSON.parse(data)));";
    stage.browser.run(listen, json!([])).await;
    stage.browser.wait("globalThis.opened === 1").await;
    let (mut ends, mut returns) = (Vec::new(), Vec::new());
    for attempt in 1..=ATTEMPTS {
        ends.push(service.stop().await);
        stage.browser.wait("globalThis.received.at(-1)?.reason === 'shutdown'").await;
        let begun = Instant::now();
        service = serve(stage);
        stage.browser.wait(&format!("globalThis.opened === {}", attempt + 1)).await;
        returns.push(begun.elapsed());
        stage.browser.wait("globalThis.received.at(-1)?.type === 'gap'").await;
        if within_a_second(&ends) && within_a_second(&returns) {
            break;
        }
    }
    assert!(within_a_second(&ends) && within_a_second(&returns), "{ends:?} {returns:?}");
    // A page that one may go back to keeps what it has open.
    stage.browser.run("globalThis.source.close()", json!([])).await;
    leave(stage).await;
}

/// Leaves the page, and serves as before.
async fn leave(stage: &mut Stage) {
    stage.browser.goto("about:blank").await;
    stage.wait_for_sessions(0).await;
    stage.serve();
}

/// Serves the endpoint with more in each stream than this version sends.
fn serve_a_later_version(stage: &mut Stage) {
    let tap = axum::Router::new().nest("/tap", stage.endpoint().routes());
    stage.serve_application(tap.layer(axum::middleware::map_response(with_more)));
}

async fn with_more(response: axum::response::Response) -> axum::response::Response {
    let is_stream =
        response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_stream {
        return response;
    }
    let more = "event: later\ndata: {\"type\":\"later\",\"count\":7}\n\n\
        event: missing\ndata: {\"type\":\"missing\",\"count\":2,\"reason\":\"later\"}\n\n";
    let (head, body) = response.into_parts();
    let more = futures_util::stream::iter([Ok::<_, axum::Error>(axum::body::Bytes::from_static(more.as_bytes()))]);
    let body = futures_util::StreamExt::chain(more, body.into_data_stream());
    axum::response::Response::from_parts(head, axum::body::Body::from_stream(body))
}

async fn items_of_a_later_version_are_ignored_and_its_losses_shown(stage: &mut Stage) {
    serve_a_later_version(stage);
    stage.watch("user = 42").await;
    tracing::info!(user = 42, "good");
    stage.browser.wait_for_text(".row .message", "good").await;
    let rows = rows(&stage.browser).await;
    assert!(rows.len() == 2 && rows[0].contains("2 events lost: later") && rows[1].contains("good"), "{rows:?}");
    leave(stage).await;
}

async fn several_sessions_are_shown_and_own_ones_can_be_closed(stage: &mut Stage) {
    stage.watch("user = 1").await;
    let browser = &stage.browser;
    browser.press("n").await;
    browser.wait("document.activeElement.matches('.predicate')").await;
    browser.press("user = 2").await;
    browser.press(ENTER).await;
    stage.wait_for_sessions(2).await;
    tracing::info!(user = 1, "of one");
    tracing::info!(user = 2, "of two");
    browser.wait_for_text(".row .message", "of two").await;
    browser.wait("document.activeElement.matches('.rows')").await;
    browser.press("[").await;
    browser.wait_for_text(".row .message", "of one").await;
    assert!(browser.address().await.ends_with("#q=user+%3D+1"));
    // Another client opened it with the same name.
    let elsewhere = testing::client::post(stage.address, "/tap/sessions", r#"{"q":"user = 3","name":"elsewhere"}"#);
    assert_eq!(elsewhere.status, 201);
    browser.press("s").await;
    browser.wait_for_text("#owned", "elsewhere").await;
    browser.wait_for_text("#owned", "being read · 1 matched").await;
    browser.run("[...document.querySelectorAll('#owned li')].find((one) => one.textContent.includes('elsewhere')).querySelector('button').click()", json!([])).await;
    browser.wait("document.querySelector('.view:not([hidden]) .state')?.dataset.state === 'live'").await;
    tracing::info!(user = 3, "of three");
    browser.wait_for_text(".row .message", "of three").await;
    browser.press("s").await;
    let open =
        "[...document.querySelectorAll('#owned li')].filter((one) => one.textContent.includes('being read')).length";
    browser.wait(&format!("{open} === 3")).await;
    browser.click("#owned li [aria-label='Close user = 1']").await;
    browser.wait(&format!("{open} === 2")).await;
    stage.wait_for_sessions(2).await;
    browser.press(testing::browser::ESCAPE).await;
    browser.click(".tab:first-child [role=tab]").await;
    browser.wait_for_text(".row.bar.end", "The session was closed").await;
    browser.click(".tab:nth-child(2) .close").await;
    stage.wait_for_sessions(1).await;
    // Its tab closes one that was found as well; only leaving the page does not.
    browser.click(".tab:nth-child(2) .close").await;
    stage.wait_for_sessions(0).await;
}

async fn a_superseded_session_is_reported_and_read_again(stage: &mut Stage) {
    stage.watch("user = 42").await;
    let browser = &stage.browser;
    let list = testing::client::request(stage.address, TOKEN, "GET", "/tap/sessions", None).json();
    // Behind those that are over and not forgotten yet.
    let newest = list["sessions"].as_array().and_then(|sessions| sessions.last()).expect("it is open");
    let id = newest["id"].as_str().expect("an id is text").to_owned();
    let mut other = testing::client::Curl::get(stage.address, &format!("/tap/sessions/{id}/stream"));
    browser.wait("document.querySelector('.state').dataset.state === 'superseded'").await;
    browser.wait_for_text(".status", "Another reader has taken this session over").await;
    tracing::info!(user = 42, "to the other");
    assert_eq!(other.json()["fields"]["message"], "to the other");
    browser.click(".stop").await;
    browser.wait("document.querySelector('.state').dataset.state === 'live'").await;
    tracing::info!(user = 42, "here again");
    browser.wait_for_text(".row .message", "here again").await;
}

async fn stopping_closes_the_session_with_what_is_left_of_it(stage: &mut Stage) {
    stage.watch("user = 42").await;
    tracing::info!(user = 42, "the last");
    stage.browser.click(".stop").await;
    stage.browser.wait_for_text(".row.bar.end", "The session was closed").await;
    stage.wait_for_sessions(0).await;
    assert!(rows(&stage.browser).await.iter().any(|row| row.contains("the last")));
}

async fn stopping_waits_for_no_endpoint_that_does_not_answer(stage: &mut Stage) {
    let mut line = Line::lay(stage.address);
    stage.browser.open(&format!("http://{}/tap#q=user+%3D+42", line.address)).await;
    stage.bring_token().await;
    stage.browser.press(ENTER).await;
    stage.browser.wait("document.querySelector('.state')?.dataset.state === 'live'").await;
    line.swallow();
    stage.browser.press("X").await;
    stage.browser.wait_for_text(".row.bar.end", "The session was closed").await;
    stage.browser.goto("about:blank").await;
    stage.wait_for_sessions(0).await;
}

/// Makes the endpoint seem slow to open sessions.
const SLOW: &str = "const real = globalThis.fetch;
    globalThis.fetch = async (...what) => {
        const answer = await real(...what);
        if (what[1].method === 'POST' && what[0].endsWith('/sessions')) await new Promise((resolve) => { globalThis.answer = resolve; });
        return answer;
    };";

async fn pressed_often_it_starts_once(stage: &mut Stage) {
    stage.go_in().await;
    stage.browser.run(SLOW, json!([])).await;
    stage.browser.press("user = 42").await;
    for _ in 0..3 {
        stage.browser.press(ENTER).await;
    }
    stage.wait_for_sessions(1).await;
    stage.browser.wait("globalThis.answer !== undefined").await;
    stage.browser.run("globalThis.answer()", json!([])).await;
    stage.browser.wait("document.querySelector('.state')?.dataset.state === 'live'").await;
    assert_eq!(stage.router.sessions().len(), 1);
    assert_eq!(stage.browser.value("document.querySelectorAll('[role=tab]').length").await, 1);
}

async fn a_tab_that_is_closed_while_it_starts_leaves_nothing_open(stage: &mut Stage) {
    stage.go_in().await;
    stage.browser.run(SLOW, json!([])).await;
    stage.browser.press("user = 42").await;
    stage.browser.press(ENTER).await;
    stage.wait_for_sessions(1).await;
    stage.browser.wait("globalThis.answer !== undefined").await;
    stage.browser.click(".tab .close").await;
    stage.browser.run("globalThis.answer()", json!([])).await;
    let soon = tokio::time::timeout(Duration::from_secs(20), stage.wait_for_sessions(0));
    soon.await.expect("nobody waits for the period of grace, which is longer");
}

async fn a_clock_that_is_off_ends_nothing(stage: &mut Stage) {
    let mut line = Line::lay(stage.address);
    stage.browser.open(&format!("http://{}/tap#q=user+%3D+42", line.address)).await;
    let ahead = "const now = Date.now; Date.now = () => now() + 3_600_000;";
    stage.browser.run(ahead, json!([])).await;
    stage.bring_token().await;
    stage.browser.press(ENTER).await;
    stage.browser.wait("document.querySelector('.state')?.dataset.state === 'live'").await;
    stage.browser.wait("/^ends in 1[45]:/.test(document.querySelector('.ends').textContent)").await;
    line.cut();
    stage.browser.wait("document.querySelector('.state').dataset.state === 'waiting'").await;
    line.mend();
    stage.browser.wait_for_text(".row.bar.calm", "It resumed where it stopped").await;
    stage.browser.goto("about:blank").await;
    stage.wait_for_sessions(0).await;
}

async fn a_line_on_which_nothing_comes_any_more_is_given_up(stage: &mut Stage) {
    let mut line = Line::lay(stage.address);
    stage.browser.open(&format!("http://{}/tap#q=user+%3D+42", line.address)).await;
    stage.bring_token().await;
    stage.browser.press(ENTER).await;
    stage.browser.wait("document.querySelector('.state')?.dataset.state === 'live'").await;
    let hurry = "const real = setTimeout; globalThis.setTimeout = (run, ms) => real(run, ms > 30_000 ? 1000 : ms);";
    stage.browser.run(hurry, json!([])).await;
    tracing::info!(user = 42, "before");
    stage.browser.wait_for_text(".row .message", "before").await;
    // The connection stands, and says nothing.
    line.swallow();
    stage.browser.wait("document.querySelector('.state').dataset.state === 'waiting'").await;
    tracing::info!(user = 42, "missed");
    line.cut();
    line.mend();
    stage.browser.wait_for_text(".row.bar.calm", "It resumed where it stopped").await;
    stage.browser.wait_for_text(".row .message", "missed").await;
    stage.browser.goto("about:blank").await;
    stage.wait_for_sessions(0).await;
}

async fn leaving_the_page_closes_its_sessions_and_nobody_elses(stage: &mut Stage) {
    stage.watch("user = 42").await;
    let elsewhere = testing::client::post(stage.address, "/tap/sessions", r#"{"q":"user = 3"}"#).json();
    let path = format!("/tap/sessions/{}", elsewhere["id"].as_str().expect("an id is text"));
    stage.browser.press("s").await;
    stage.browser.wait_for_text("#owned", "user = 3").await;
    stage.browser.run("[...document.querySelectorAll('#owned li')].find((one) => one.textContent.includes('user = 3')).querySelector('button').click()", json!([])).await;
    stage.browser.wait("document.querySelector('.view:not([hidden]) .state')?.dataset.state === 'live'").await;
    stage.browser.goto("about:blank").await;
    stage.wait_for_sessions(1).await;
    assert_eq!(stage.router.sessions()[0].predicate.to_string(), "user = 3");
    testing::client::request(stage.address, TOKEN, "DELETE", &path, None);
    stage.watch("user = 42").await;
    stage.browser.goto("about:blank").await;
    let soon = tokio::time::timeout(Duration::from_secs(20), stage.wait_for_sessions(0));
    soon.await.expect("nobody waits for the period of grace, which is longer");
}

isolated! {
    fn sessions_live_and_end_as_one_expects() {
        play!(
            after_a_lost_connection_it_reads_on_exactly,
            what_a_first_connection_did_not_bring_comes_with_the_next,
            after_a_restart_the_session_is_reopened_with_a_gap,
            a_page_ends_with_its_service_and_is_soon_back,
            an_event_source_ends_with_its_service_and_is_soon_back,
            items_of_a_later_version_are_ignored_and_its_losses_shown,
            several_sessions_are_shown_and_own_ones_can_be_closed,
            a_superseded_session_is_reported_and_read_again,
            stopping_closes_the_session_with_what_is_left_of_it,
            stopping_waits_for_no_endpoint_that_does_not_answer,
            pressed_often_it_starts_once,
            a_tab_that_is_closed_while_it_starts_leaves_nothing_open,
            a_clock_that_is_off_ends_nothing,
            a_line_on_which_nothing_comes_any_more_is_given_up,
            leaving_the_page_closes_its_sessions_and_nobody_elses,
        );
    }
}
