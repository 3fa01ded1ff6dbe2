//! Rows as they come: following, standing still, losses, many of them, hostile ones.

use super::stage::{Stage, play, rows};
use serde_json::{Value, json};
use testing::browser::{END, HOME, UP};

const SCROLLER: &str = "document.querySelector('.view:not([hidden]) .rows')";

fn emit(range: std::ops::Range<usize>) {
    for number in range {
        tracing::info!(user = 42, number, "event {number}");
    }
}

/// The numbers of the rows in view, with where each is on the screen.
async fn in_view(stage: &Stage) -> Value {
    let script = format!(
        "(() => {{ const list = {SCROLLER}.getBoundingClientRect();
          return [...document.querySelectorAll('.row:not([hidden])')].map((row) => [Math.round(row.getBoundingClientRect().top), row.textContent])
            .filter(([top]) => top >= list.top && top < list.bottom).sort(([one], [other]) => one - other); }})()"
    );
    stage.browser.value(&script).await
}

async fn scrolling_away_stops_following_until_a_key_returns(stage: &mut Stage) {
    stage.watch("user = 42").await;
    emit(0..200);
    stage.browser.wait_for_text(".row .message", "event 199").await;
    stage.browser.press(UP).await;
    for _ in 0..30 {
        stage.browser.press("k").await;
    }
    stage.browser.wait_for_text(".waiting", "Not following").await;
    let before = in_view(stage).await;
    assert!(before.as_array().is_some_and(|rows| rows.len() > 10));
    emit(200..500);
    stage.browser.wait_for_text(".waiting", "300 new rows").await;
    assert_eq!(in_view(stage).await, before);
    stage.browser.press(END).await;
    stage.browser.wait_for_text(".row .message", "event 499").await;
    stage.browser.wait("document.querySelector('.waiting').hidden").await;
    emit(500..501);
    stage.browser.wait_for_text(".row .message", "event 500").await;
    // The same by the bar at the side.
    let bar = "const list = document.querySelector('.rows'); list.scrollTop -= 500;";
    stage.browser.run(bar, json!([])).await;
    stage.browser.wait_for_text(".waiting", "Not following").await;
    stage.browser.click(".waiting").await;
    stage.browser.wait("document.querySelector('.waiting').hidden").await;
}

async fn a_pause_holds_the_view_and_loses_nothing(stage: &mut Stage) {
    stage.watch("user = 42").await;
    emit(0..10);
    stage.browser.wait_for_text(".row .message", "event 9").await;
    stage.browser.press("p").await;
    stage.browser.wait_for_text(".waiting", "Paused").await;
    emit(10..60);
    stage.browser.wait_for_text(".waiting", "50 new rows waiting").await;
    assert_eq!(rows(&stage.browser).await.len(), 10);
    stage.browser.press("p").await;
    stage.browser.wait_for_text(".row .message", "event 59").await;
    stage.browser.press(HOME).await;
    let shown = "[...document.querySelectorAll('.row:not([hidden])')].filter((row) => row.ariaRowIndex === '1').some((row) => row.textContent.includes('event 0'))";
    stage.browser.wait(shown).await;
    let all = "document.querySelector('.rows').ariaRowCount";
    assert_eq!(stage.browser.value(all).await, "60");
}

async fn losses_are_a_bar_in_place_with_count_and_reason(stage: &mut Stage) {
    stage.go_in().await;
    let browser = &stage.browser;
    browser.press("user = 42").await;
    browser.click(".limits summary").await;
    browser.click(".limits input[title='Events buffered while they wait to be read']").await;
    browser.press("4").await;
    browser.click(".start").await;
    stage.wait_for_sessions(1).await;
    browser.wait("document.querySelector('.state')?.dataset.state === 'live'").await;
    // More in one go than any reader could take out of so small a ring.
    emit(0..2000);
    browser.wait("document.querySelector('.row.bar.lost:not([hidden])')").await;
    browser.wait_for_text(".row.bar.lost", "the buffer was full").await;
    browser.wait_for_text(".counts.lossy", "lost").await;
    emit(2000..2001);
    browser.wait_for_text(".row .message", "event 2000").await;
    // What came and what was lost is what matched.
    let sum = "document.querySelector('.counts').textContent.split('·').reduce((sum, part) => sum + Number(part.replace(/\\D/g, '')), 0)";
    browser.wait(&format!("{sum} === 2001")).await;
    let chart = "document.querySelector('.chart').ariaLabel.replace(/[^\\w:,. ]/g, '')";
    browser.wait(&format!("{chart}.includes('2001 events matched') && !{chart}.includes(' 0 lost')")).await;
}

async fn events_during_a_pause_are_kept_to_a_bound_then_counted(stage: &mut Stage) {
    stage.go_in().await;
    // A store of ten rows: as with a hundred thousand, only sooner.
    let script = "import('/tap/page/store.js').then(({ Store }) => {
        const store = new Store(10);
        const push = (from, to) => { for (let n = from; n < to; n += 1) store.push({ kind: 'event', raw: String(n), level: 2, second: 0 }); };
        push(0, 12);
        const before = [store.first, store.length, store.left];
        store.keepFrom = 4;
        push(12, 20);
        const during = [store.first, store.length, store.refused];
        store.keepFrom = Infinity;
        push(20, 22);
        const rows = Array.from({ length: store.length }, (_, index) => store.at(store.first + index));
        return { before, during, rows: rows.map((row) => row.raw ?? row.text) };
    })";
    let told = stage.browser.settled(script).await;
    assert_eq!(told["before"], json!([2, 10, 2]));
    assert_eq!(told["during"], json!([4, 10, 6]), "what is looked at stays, and what has no room is counted");
    let rows = told["rows"].as_array().expect("it is a list");
    let (last, bar) = (&rows[rows.len() - 2..], &rows[rows.len() - 3]);
    assert_eq!(last, [json!("20"), json!("21")]);
    assert!(bar.as_str().is_some_and(|bar| bar.starts_with("6 events arrived while the view was held")), "{bar}");
}

async fn losses_and_members_of_a_fleet_are_reported(stage: &mut Stage) {
    stage.go_in().await;
    let script = "import('/tap/page/session.js').then(async ({ Session }) => {
        const item = (name, data) => `event: ${name}\\ndata: ${JSON.stringify(data)}\\n\\n`;
        const text = item('joined', { instance: 'chat-1' }) + item('refused', { instance: 'chat-2', reason: 'max_sessions', error: '64 are open' })
            + item('gap', { instance: 'chat-1', count: 7, place: 'network' }) + item('missing', { instance: 'chat-1', count: 3, reason: 'overflow' })
            + item('missing', { instance: 'chat-1', count: 1, reason: 'rate_limited' })
            + item('left', { instance: 'chat-1', reason: 'shutdown', matched: 13, arrived: 2, lost: 10, missing: { overflow: 3, rate_limited: 1 } }) + item('ended', { reason: 'closed' });
        globalThis.fetch = async () => new Response(text);
        const session = new Session({ q: '*' }, { id: 'x', expires_at: null });
        await session.run();
        return { lost: session.lost, keptBack: session.keptBack, bars: Array.from({ length: session.store.length }, (_, at) => session.store.at(at).text) };
    })";
    let told = stage.browser.settled(script).await;
    assert_eq!((&told["lost"], &told["keptBack"]), (&json!(10), &json!({ "rate_limited": 1 })));
    let bars = [
        "chat-1 takes part",
        "chat-2 takes no part: 64 are open",
        "7 events of chat-1 lost: on the way",
        "3 events of chat-1 lost: the buffer was full",
        "1 event of chat-1 rate-limited",
        "chat-1 takes no more part: it was shut down; 13 matched, 2 arrived, 10 lost, 1 rate-limited",
        "The session was closed",
    ];
    assert_eq!(told["bars"], json!(bars));
}

async fn hostile_text_in_every_field_and_name_is_shown_as_text(stage: &mut Stage) {
    const HOSTILE: &str = "<img src=x onerror=\"globalThis.harmed=1\"><script>globalThis.harmed=1</script>\u{202e}\u{1b}[2J'\"`${globalThis.harmed=1}";
    stage.watch("user exists").await;
    let span = tracing::info_span!("<svg onload=globalThis.harmed=1>", "</span><script>" = HOSTILE, user = HOSTILE);
    span.in_scope(|| tracing::error!(target: "<b>target</b>", message = HOSTILE, "<i>field</i>" = HOSTILE));
    stage.browser.wait_for_text(".row .message", "<img src=x onerror=").await;
    stage.browser.press(UP).await;
    stage.browser.press(testing::browser::ENTER).await;
    stage.browser.wait_for_text(".detail .message", "<script>globalThis.harmed=1</script>\\u{202e}\\u{1b}[2J").await;
    for text in ["<i>field</i>", "<svg onload=globalThis.harmed=1>", "</span><script>", "<b>target</b>"] {
        stage.browser.wait_for_text(".detail", text).await;
    }
    assert_eq!(stage.browser.value("globalThis.harmed").await, Value::Null);
    assert_eq!(stage.browser.value("document.querySelectorAll('main :is(img, script, svg, b, i)').length").await, 0);
    // And as a predicate, a name of a session, a text that is searched for.
    stage.browser.click(".detail tr .only[aria-label*='field']").await;
    stage.browser.wait("document.querySelector('.predicate').value.includes('onerror')").await;
    stage.browser.press(testing::browser::ENTER).await;
    stage.wait_for_sessions(2).await;
    tracing::info!(user = 1, message = "found by what was clicked on", "<i>field</i>" = HOSTILE);
    stage.browser.wait_for_text(".row .message", "found by what was clicked on").await;
    assert_eq!(stage.browser.value("globalThis.harmed").await, Value::Null);
}

isolated! {
    fn rows_come_and_stay_as_one_wants_them() {
        play!(
            scrolling_away_stops_following_until_a_key_returns,
            a_pause_holds_the_view_and_loses_nothing,
            losses_are_a_bar_in_place_with_count_and_reason,
            events_during_a_pause_are_kept_to_a_bound_then_counted,
            losses_and_members_of_a_fleet_are_reported,
            hostile_text_in_every_field_and_name_is_shown_as_text,
        );
    }
}
