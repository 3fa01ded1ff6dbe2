//! The pictures of the README, taken of the demo: `TRACING_TAP_PAGE_PICTURES=docs cargo nextest run -p demo picture` writes them
//! there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testing::browser::{Browser, ENTER};
use testing::runtime;

/// The demo, and the URL of its endpoint.
struct Demo {
    child: Child,
    url: String,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_demo"))
            .args(["--connections", "300", "--seconds", "3600"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the demo can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let url = lines.find_map(|line| url_in(&line.expect("it is text"))).expect("it tells how to watch");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in `curl -N 'http://127.0.0.1:45123/watch?…'`.
fn url_in(line: &str) -> Option<String> {
    let address = line.split_once("http://")?.1.split_once("/watch")?.0;
    Some(format!("http://{address}/"))
}

#[test]
fn the_demo_has_the_page_and_the_pictures_show_it() {
    runtime::multi_thread().block_on(async {
        let demo = Demo::start();
        let browser = Browser::start().await;
        browser.looks(1280, 800, false).await;
        browser.open(&demo.url).await;
        browser.wait_for_text(".suggestion", "user = 42").await;
        browser.press("user = 42").await;
        browser.press(ENTER).await;
        browser.wait_for_text(".row .message", "passed on").await;
        let Some(folder) = std::env::var_os("TRACING_TAP_PAGE_PICTURES") else { return };
        // The chart is to show something.
        browser
            .wait(&format!("(globalThis.began ??= Date.now(), Date.now() - globalThis.began > {PICTURED_MS})"))
            .await;
        open_an_answer(&browser).await;
        // A test runs in the folder of its package.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
        take(&browser, &folder, "page.png").await;
        browser.looks(1280, 800, true).await;
        take(&browser, &folder, "page-dark.png").await;
    });
}

/// How much of the demo's life is in the chart.
const PICTURED_MS: u64 = 30_000;

/// One that was searched for, and is opened.
async fn open_an_answer(browser: &Browser) {
    browser.press("/").await;
    browser.press("published").await;
    browser.wait_for_text(".search .count", "0").await;
    for _ in 0..12 {
        browser.press(ENTER).await;
    }
    browser.click(".row[aria-selected=true] .message").await;
    browser.wait_for_text(".detail", "Spans").await;
}

async fn take(browser: &Browser, folder: &Path, name: &str) {
    // Drawn in the colours that were just asked for.
    browser.settled("new Promise((resolve) => setTimeout(resolve, 1200))").await;
    std::fs::write(folder.join(name), browser.screenshot().await).expect("pictures can be written there");
}
