//! A service with an endpoint, and a browser in front of it.

use super::tracing::Traces;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testing::address::{listen, own_loopback};
use testing::browser::{Browser, ENTER};
use testing::{Output, PATIENCE, info_printer, runtime};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing_subscriber::prelude::*;
use tracing_tap::TapRouter;
use tracing_tap_web::{Auth, Endpoint};

pub(crate) use testing::client::TOKEN;

/// Everything a scenario plays with.
pub(crate) struct Stage {
    pub(crate) browser: Browser,
    pub(crate) router: TapRouter,
    pub(crate) address: SocketAddr,
    /// The service's connections; gone at once when it is killed.
    served: Option<Runtime>,
}

/// How long all scenarios of a test may take; reaching it is a failure.
const WHOLE_TEST: Duration = PATIENCE.saturating_mul(14);

pub(crate) fn run(test: impl Future<Output = ()>) {
    let bounded = async { tokio::time::timeout(WHOLE_TEST, test).await.expect("the test ends in time") };
    runtime::multi_thread().block_on(bounded);
}

/// A service that ends when it is asked to.
pub(crate) struct Graceful {
    ends: watch::Sender<()>,
    serving: JoinHandle<()>,
}

pub(crate) struct Ending(watch::Receiver<()>);

impl Ending {
    pub(crate) fn signal(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ending = self.0.clone();
        async move { while ending.changed().await.is_ok() {} }
    }
}

impl Graceful {
    /// Ends it; how long that took.
    pub(crate) async fn stop(self) -> Duration {
        let begun = Instant::now();
        drop(self.ends);
        runtime::soon("the service to end", self.serving).await.expect("it does not panic");
        begun.elapsed()
    }
}

/// Says which scenario it was where one fails.
pub(crate) struct Name(&'static str);

impl Drop for Name {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the scenario that failed: {}", self.0);
        }
    }
}

/// Plays scenarios one after the other on a new stage, each from a page that has just been opened.
macro_rules! play {
    ($($scenario:path),* $(,)?) => {
        $crate::browser::stage::play!(on $crate::browser::stage::Stage::set() => $($scenario),*)
    };
    (on $stage:expr => $($scenario:path),* $(,)?) => {
        $crate::browser::stage::run(async {
            let mut stage = $stage.await;
            $(
                let name = stage.scenario(stringify!($scenario)).await;
                $scenario(&mut stage).await;
                stage.end_of_scenario().await;
                drop(name);
            )*
            stage.clear();
        })
    };
}
pub(crate) use play;

impl Stage {
    /// Installs the subscriber of the process, serves an endpoint, and starts a browser.
    pub(crate) async fn set() -> Self {
        Self::set_with(TapRouter::builder().max_sessions_per_opener(64).trace_source(Traces).build()).await
    }

    /// The same with this router.
    pub(crate) async fn set_with(router: TapRouter) -> Self {
        let log = Output::default();
        tracing_subscriber::registry().with(info_printer(&log)).with(router.layer()).init();
        let address = (own_loopback(), 0).into();
        let mut stage = Self { browser: Browser::start().await, router, address, served: None };
        stage.serve();
        stage
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let endpoint = Endpoint::new(self.router.clone(), Auth::token(TOKEN).expect("the token is long enough"));
        endpoint.trace_view("https://jaeger.example/trace/{trace_id}?uiEmbed=v0").expect("it is an address")
    }

    /// Serves the endpoint below `/tap`, at the address it had before if it was served before.
    pub(crate) fn serve(&mut self) {
        self.serve_application(axum::Router::new().nest("/tap", self.endpoint().routes()));
    }

    pub(crate) fn serve_application(&mut self, application: axum::Router) {
        let served = runtime::multi_thread();
        let listener = self.listen();
        served.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it is a listener");
            axum::serve(listener, application).await
        });
        self.served = Some(served);
    }

    /// Serves an application that ends by a signal, as the usual recipe has it; the application's routes are given the
    /// same one.
    pub(crate) fn serve_gracefully(&mut self, application: impl FnOnce(&Ending) -> axum::Router) -> Graceful {
        let (ends, ending) = watch::channel(());
        let ending = Ending(ending);
        let application = application(&ending);
        let served = runtime::multi_thread();
        let listener = self.listen();
        let serving = served.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it is a listener");
            axum::serve(listener, application).with_graceful_shutdown(ending.signal()).await.expect("axum serves");
        });
        self.served = Some(served);
        Graceful { ends, serving }
    }

    /// Listens where the service did before, in its place.
    fn listen(&mut self) -> std::net::TcpListener {
        self.kill();
        let listener = listen(self.address);
        self.address = listener.local_addr().expect("a listener has an address");
        listener
    }

    /// Ends the service as if its process had been killed: nothing is said to anybody.
    pub(crate) fn kill(&mut self) {
        if let Some(served) = self.served.take() {
            served.shutdown_background();
        }
    }

    pub(crate) async fn scenario(&self, name: &'static str) -> Name {
        self.browser.looks(1280, 800, false).await;
        Name(name)
    }

    /// The page complained of nothing, and leaves nothing open.
    pub(crate) async fn end_of_scenario(&self) {
        assert_eq!(self.browser.complaints().await, Vec::<String>::new());
        // A page that is nothing has no storage.
        self.browser.run("try { localStorage.clear(); } catch {}", serde_json::json!([])).await;
        self.browser.goto("about:blank").await;
        self.wait_for_sessions(0).await;
    }

    pub(crate) fn clear(mut self) {
        self.kill();
    }

    pub(crate) async fn wait_for_sessions(&self, count: usize) {
        runtime::until("the sessions to be as many", || self.router.sessions().len() == count).await;
    }

    pub(crate) fn page(&self) -> String {
        format!("http://{}/tap", self.address)
    }

    /// Opens the page, and goes in with the token.
    pub(crate) async fn go_in(&self) {
        self.browser.open(&self.page()).await;
        self.bring_token().await;
    }

    pub(crate) async fn bring_token(&self) {
        self.browser.wait("document.querySelector('#token').open").await;
        self.browser.press(TOKEN).await;
        self.browser.press(ENTER).await;
        self.browser.wait("!document.querySelector('#token').open").await;
        self.browser.wait("document.activeElement.matches('.predicate')").await;
    }

    /// Goes in and watches; the session is read when this returns.
    pub(crate) async fn watch(&self, predicate: &str) {
        self.go_in().await;
        self.browser.press(predicate).await;
        self.browser.press(ENTER).await;
        self.wait_for_sessions(1).await;
        self.browser.wait("document.querySelector('.view:not([hidden]) .state')?.dataset.state === 'live'").await;
    }
}

/// The rows that are there, without their times, in order.
pub(crate) async fn rows(browser: &Browser) -> Vec<String> {
    let shown = "[...document.querySelectorAll('.row:not([hidden])')]
        .sort((one, other) => one.ariaRowIndex - other.ariaRowIndex)
        .map((row) => [...row.querySelectorAll('span:not(.said)')].slice(1).map((cell) => cell.textContent).filter((text) => text !== '').join(' '))";
    let shown = browser.value(shown).await;
    shown.as_array().expect("it is a list").iter().map(|row| row.as_str().expect("it is text").to_owned()).collect()
}
