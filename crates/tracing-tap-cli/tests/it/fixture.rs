//! A service with an HTTP endpoint, in the test's own process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use testing::address::{listen, own_loopback};
use testing::wait_until;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tracing_subscriber::prelude::*;
use tracing_tap::TapRouter;
use tracing_tap_web::{Auth, Endpoint};

pub(crate) const TOKEN: &str = "S8uWXu0mEZzN1Fbs";

/// A service whose events reach its router.
pub(crate) struct Service {
    pub(crate) router: TapRouter,
}

/// An endpoint that is being served.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: Arc<Notify>,
    kill: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Installs the subscriber of the process.
    pub(crate) fn start() -> Self {
        Self::start_with(TapRouter::new())
    }

    /// The same of a router that was built otherwise.
    pub(crate) fn start_with(router: TapRouter) -> Self {
        tracing_subscriber::registry().with(router.layer()).init();
        Self { router }
    }

    /// Serves an endpoint for callers on this machine.
    pub(crate) fn serve(&self) -> Served {
        Served::start(Endpoint::new(self.router.clone(), Auth::loopback_only()), anywhere())
    }

    /// Serves an endpoint for callers with the token.
    pub(crate) fn serve_with_token(&self) -> Served {
        let auth = Auth::token(TOKEN).expect("the token is long enough");
        Served::start(Endpoint::new(self.router.clone(), auth), anywhere())
    }

    /// Serves an endpoint that offers CPU profiles.
    pub(crate) fn serve_cpu_profiles(&self) -> Served {
        Served::start(Endpoint::new(self.router.clone(), Auth::loopback_only()).cpu_profiles(), anywhere())
    }

    pub(crate) fn wait_for_sessions(&self, count: usize) {
        wait_until("the sessions to be as many", || self.router.sessions().len() == count);
    }
}

/// An address of this process, with any port.
pub(crate) fn anywhere() -> SocketAddr {
    (own_loopback(), 0).into()
}

impl Served {
    pub(crate) fn start(endpoint: Endpoint, address: SocketAddr) -> Self {
        Self::run(address, |listener, stopped| async move {
            let stopped = async move { stopped.notified().await };
            endpoint.serve(listener, stopped).await.expect("the endpoint can be served");
        })
    }

    /// Mounts an endpoint under `/tap`, and ends it and its server by one signal, as the usual recipe has it.
    pub(crate) fn start_graceful(endpoint: Endpoint, address: SocketAddr) -> Self {
        Self::run(address, |listener, stopped| async move {
            let (ends, ending) = watch::channel(());
            let signal = |mut ending: watch::Receiver<()>| async move { while ending.changed().await.is_ok() {} };
            let tap = endpoint.with_graceful_shutdown(signal(ending.clone())).routes();
            let application = axum::Router::new().nest("/tap", tap).into_make_service_with_connect_info::<SocketAddr>();
            let serving = axum::serve(listener, application).with_graceful_shutdown(signal(ending));
            let ended = async move {
                stopped.notified().await;
                drop(ends);
            };
            tokio::join!(ended, async { serving.await.expect("axum serves") });
        })
    }

    fn run<F: Future<Output = ()>>(
        address: SocketAddr,
        serve: impl FnOnce(TcpListener, Arc<Notify>) -> F + Send + 'static,
    ) -> Self {
        let runtime = testing::runtime::multi_thread();
        let listener = listen(address);
        let address = listener.local_addr().expect("a listener has an address");
        let stop = Arc::new(Notify::new());
        let kill = Arc::new(Notify::new());
        let (stopped, killed) = (Arc::clone(&stop), Arc::clone(&kill));
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("it is a listener");
                tokio::select! {
                    () = serve(listener, stopped) => {}
                    () = killed.notified() => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(5));
        });
        Self { address, stop, kill, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it as the end of a process does: no reader learns of it, and its sessions are gone.
    pub(crate) fn kill(self) {
        self.kill.notify_one();
        self.wait();
    }

    /// Shuts it down: readers get the end.
    pub(crate) fn stop(self) {
        self.stop.notify_one();
        self.wait();
    }

    fn wait(mut self) {
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
