//! A service with an endpoint.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use testing::{Output, info_printer, wait_until};
use tokio::sync::Notify;
use tracing_subscriber::prelude::*;
use tracing_tap::{Predicate, TapRouter};
use tracing_tap_web::{Auth, AuthRequest, Caller, Denied, Endpoint};

pub(crate) use testing::client::TOKEN;

/// A service whose events reach its router, and a log.
pub(crate) struct Service {
    pub(crate) router: TapRouter,
    pub(crate) log: Output,
}

/// An endpoint that is being served.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Installs the subscriber of the process.
    pub(crate) fn start() -> Self {
        Self::start_with(TapRouter::builder().max_sessions_per_opener(64).build())
    }

    pub(crate) fn start_with(router: TapRouter) -> Self {
        let log = Output::default();
        tracing_subscriber::registry().with(info_printer(&log)).with(router.layer()).init();
        Self { router, log }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.router.clone(), Auth::token(TOKEN).expect("the token is long enough"))
    }

    /// An endpoint for ann and ben of tenant 7 and root, who is an admin: each brings their name as their token.
    pub(crate) fn endpoint_of_people(&self) -> Endpoint {
        Endpoint::new(self.router.clone(), Auth::check(who))
    }

    pub(crate) fn wait_for_sessions(&self, count: usize) {
        wait_until("the sessions to be as many", || self.router.sessions().len() == count);
    }

    /// The lines of the audit with this message.
    pub(crate) fn audit(&self, message: &str) -> Vec<String> {
        let lines = self.log.all_lines().into_iter();
        lines.filter(|line| line.contains("tracing_tap::audit") && line.contains(message)).collect()
    }
}

fn who(request: &AuthRequest) -> Result<Caller, Denied> {
    match request.bearer() {
        Some("ann") => Ok(Caller::new("ann").confined_to(Predicate::eq("tenant", 7))),
        Some("ben") => Ok(Caller::new("ben")),
        Some("hal") => Ok(Caller::new("hal").confined_to(Predicate::target("it::endpoint::watching::hal"))),
        Some("root") => Ok(Caller::new("root").admin()),
        Some("peer") => request.peer().map(|peer| Caller::new(peer.ip().to_string())),
        Some(_) => Err(Denied::forbidden("your account may not watch")),
        None => Err(Denied::unauthenticated("bring the token of your account")),
    }
}

impl Served {
    /// Serves an endpoint on a runtime of its own.
    pub(crate) fn start(endpoint: Endpoint) -> Self {
        Self::run(move |listener, stop| async move {
            endpoint.serve(listener, async move { stop.notified().await }).await.expect("the endpoint can be served");
        })
    }

    /// Serves an application that has mounted an endpoint, as `axum` does it.
    pub(crate) fn start_mounted(application: axum::Router) -> Self {
        Self::run(move |listener, stop| async move {
            let stopped = async move { stop.notified().await };
            axum::serve(listener, application).with_graceful_shutdown(stopped).await.expect("axum serves");
        })
    }

    /// The same, and the application knows the addresses of its peers.
    pub(crate) fn start_with_peers(application: axum::Router) -> Self {
        Self::run(move |listener, stop| async move {
            let stopped = async move { stop.notified().await };
            let application = application.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, application).with_graceful_shutdown(stopped).await.expect("axum serves");
        })
    }

    /// Serves an endpoint as the usual recipe has it: the server and the endpoint end by one signal.
    pub(crate) fn start_graceful(endpoint: Endpoint) -> Self {
        Self::run(move |listener, stop| async move {
            let (ends, ending) = tokio::sync::watch::channel(());
            let signal =
                |mut ending: tokio::sync::watch::Receiver<()>| async move { while ending.changed().await.is_ok() {} };
            let tap = endpoint.with_graceful_shutdown(signal(ending.clone())).routes();
            tokio::spawn(async move {
                stop.notified().await;
                drop(ends);
            });
            let application = axum::Router::new().nest("/tap", tap);
            axum::serve(listener, application).with_graceful_shutdown(signal(ending)).await.expect("axum serves");
        })
    }

    fn run<F: Future<Output = ()>>(
        serve: impl FnOnce(tokio::net::TcpListener, Arc<Notify>) -> F + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        listener.set_nonblocking(true).expect("a socket can be set so");
        let address = listener.local_addr().expect("a listener has an address");
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = testing::runtime::multi_thread();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("it is a listener");
                serve(listener, stopped).await;
            });
            runtime.shutdown_timeout(Duration::from_secs(5));
        });
        Self { address, stop, thread: Some(thread) }
    }

    /// Stops serving, and waits until all connections are gone.
    pub(crate) fn stop(self) {
        self.stop.notify_one();
        self.wait();
    }

    /// Waits until it has stopped by itself.
    pub(crate) fn wait(mut self) {
        let thread = self.thread.take().expect("it is stopped once");
        wait_until("the endpoint to close", || thread.is_finished());
        thread.join().expect("the endpoint did not panic");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}
