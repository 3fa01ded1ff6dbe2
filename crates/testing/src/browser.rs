//! A browser, as a person uses it: types, clicks, looks.

use crate::PATIENCE;
use crate::driver::{Driver, capabilities};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::{Duration, Instant};
use url::{ParseError, Url};

/// How often the page is asked whether what is waited for is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub const ENTER: &str = "\u{e007}";
pub const TAB: &str = "\u{e004}";
pub const SHIFT: char = '\u{e008}';
pub const CONTROL: char = '\u{e009}';
pub const ESCAPE: &str = "\u{e00c}";
pub const UP: &str = "\u{e013}";
pub const DOWN: &str = "\u{e015}";
pub const END: &str = "\u{e010}";
pub const HOME: &str = "\u{e011}";
pub const DELETE: &str = "\u{e017}";
pub const BACKSPACE: &str = "\u{e003}";

#[derive(Debug)]
pub struct Browser {
    client: Client,
    /// Ended last.
    driver: Driver,
}

/// A command of `chromedriver` that is in no standard.
#[derive(Debug)]
struct OfChrome {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for OfChrome {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    pub async fn start() -> Self {
        let mut driver = Driver::start();
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities())
            .connect(&driver.url())
            .await
            .expect("chromium is installed: tests/run.sh does it");
        driver.session = client.session_id().await.expect("the driver answers");
        Self { client, driver }
    }

    /// The process that all of the browser's are below.
    pub fn process(&self) -> u32 {
        self.driver.process()
    }

    pub async fn open(&self, url: &str) {
        // An address that differs in its fragment alone would not be loaded.
        self.client.goto("about:blank").await.expect("a browser can show nothing");
        self.client.goto(url).await.expect("the page is there");
    }

    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.expect("the page is there");
    }

    pub async fn address(&self) -> String {
        self.client.current_url().await.expect("a page has an address").to_string()
    }

    /// What a function with this body returns in the page.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: Value) -> impl Future<Output = Value> {
        let arguments = arguments.as_array().cloned().unwrap_or_else(|| vec![arguments]);
        let running = self.client.execute(script, arguments);
        async move { running.await.unwrap_or_else(|error| panic!("{script}: {error}")) }
    }

    /// What an expression is in the page.
    pub async fn value(&self, expression: &str) -> Value {
        self.run(&format!("return ({expression});"), json!([])).await
    }

    /// What a promise comes to in the page.
    pub async fn settled(&self, expression: &str) -> Value {
        let script =
            format!("const done = arguments[0]; ({expression}).then(done, (error) => done(`failed: ${{error}}`));");
        self.client.execute_async(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits, for a bounded time, until an expression is true in the page; what it is then.
    pub async fn wait(&self, expression: &str) -> Value {
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            let value = self.value(expression).await;
            if !matches!(value, Value::Null | Value::Bool(false)) && value != json!(0) && value != json!("") {
                return value;
            }
            if Instant::now() > deadline {
                let shown = self.value("document.body.innerText.slice(0, 3000)").await;
                panic!("waited too long for {expression}; the page shows:\n{}", shown.as_str().unwrap_or_default());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The text that the page shows of what a selector finds in the tab that is shown.
    pub async fn text(&self, selector: &str) -> String {
        let script =
            "const found = document.querySelector(arguments[0]); return found === null ? '' : found.innerText;";
        self.run(script, json!([selector])).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an element shows this text.
    pub async fn wait_for_text(&self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        self.wait(&format!("[...document.querySelectorAll({selector})].some((found) => found.checkVisibility() && found.innerText.includes({text}))"))
            .await;
    }

    pub async fn click(&self, selector: &str) {
        self.wait(&format!("document.querySelector({})?.checkVisibility() === true", json!(selector))).await;
        let found =
            self.client.find(Locator::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        found.click().await.unwrap_or_else(|error| panic!("{selector} can be clicked: {error}"));
    }

    /// Presses the keys of a text one after the other, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        self.chord(&[], keys).await;
    }

    /// Presses keys while others are held.
    pub async fn chord(&self, held: &[char], keys: &str) {
        let down = |value: &char| KeyAction::Down { value: *value };
        let up = |value: &char| KeyAction::Up { value: *value };
        let mut actions = KeyActions::new("keyboard".to_owned());
        for action in held.iter().map(down) {
            actions = actions.then(action);
        }
        for key in keys.chars() {
            actions = actions.then(down(&key)).then(up(&key));
        }
        for action in held.iter().map(up) {
            actions = actions.then(action);
        }
        self.client.perform_actions(actions).await.expect("there is a keyboard");
    }

    /// Puts a text in place of what is in the field that has the focus.
    pub async fn retype(&self, text: &str) {
        self.chord(&[CONTROL], "a").await;
        self.press(BACKSPACE).await;
        self.press(text).await;
    }

    /// A command of the browser's own protocol for tools.
    pub async fn tool(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        let issued = self.client.issue_cmd(OfChrome { path: "goog/cdp/execute", body }).await;
        issued.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// What the browser complained of since it was last asked, but for requests that were refused.
    pub async fn complaints(&self) -> Vec<String> {
        let body = json!({ "type": "browser" });
        let log = self.client.issue_cmd(OfChrome { path: "se/log", body }).await.expect("there is a log");
        let all = log.as_array().cloned().unwrap_or_default();
        let shown = all.iter().filter(|entry| entry["source"] != "network" && entry["level"] != "INFO");
        shown.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The size of what is shown, and whether the system is dark.
    pub async fn looks(&self, width: u32, height: u32, is_dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tool("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tool("Emulation.setEmulatedMedia", features).await;
    }

    pub async fn screenshot(&self) -> Vec<u8> {
        self.client.screenshot().await.expect("a browser can be looked at")
    }
}
