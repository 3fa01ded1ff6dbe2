//! The signal that ends an endpoint's sessions when a graceful shutdown of its server begins.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a graceful shutdown closes.
pub(super) trait Closes: Send + Sync {
    fn close(&self);
}

/// Shared by the clones of a [`Endpoint`](super::Endpoint): one task waits for all of them.
#[derive(Clone)]
pub(super) struct Shutdown(Arc<Shared>);

struct Shared {
    /// Until a task waits for it.
    signal: Mutex<Option<Signal>>,
    task: OnceLock<AbortHandle>,
    /// Endpoints to close. Locked while it is decided whether that is now.
    endpoints: Mutex<Vec<Weak<dyn Closes>>>,
    has_come: watch::Sender<bool>,
}

impl Shutdown {
    pub(super) fn new(signal: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Arc::new(Shared {
            signal: Mutex::new(Some(Box::pin(signal))),
            task: OnceLock::new(),
            endpoints: Mutex::default(),
            has_come: watch::Sender::new(false),
        }))
    }

    /// Has `endpoint` closed when the signal comes, or now if it has come already.
    pub(super) fn close_in_the_end(&self, endpoint: Arc<dyn Closes>) {
        let mut endpoints = lock(&self.0.endpoints);
        if *self.0.has_come.borrow() {
            drop(endpoints);
            return endpoint.close();
        }
        endpoints.push(Arc::downgrade(&endpoint));
        drop(endpoints);
        self.begin();
    }

    /// Waits for the signal on a task of its own from now on. Outside of a runtime it does nothing: the first request
    /// comes inside of one.
    pub(super) fn begin(&self) {
        if self.0.task.get().is_some() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let Some(signal) = lock(&self.0.signal).take() else { return };
        let shared = Arc::downgrade(&self.0);
        let task = runtime.spawn(async move {
            signal.await;
            if let Some(shared) = shared.upgrade() {
                shared.come();
            }
        });
        // Set once, since the signal is taken once.
        let _ = self.0.task.set(task.abort_handle());
    }

    /// Waits until the signal has come.
    pub(super) async fn come(&self) {
        let mut has_come = self.0.has_come.subscribe();
        // The sender is here, so this ends when the value is true.
        let _ = has_come.wait_for(|has_come| *has_come).await;
    }
}

impl Shared {
    fn come(&self) {
        let mut endpoints = lock(&self.endpoints);
        self.has_come.send_replace(true);
        let closing = std::mem::take(&mut *endpoints);
        drop(endpoints);
        closing.iter().filter_map(Weak::upgrade).for_each(|endpoint| endpoint.close());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("has_come", &*self.0.has_come.borrow()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use crate::{Auth, Endpoint};
    use std::future::pending;
    use std::sync::Arc;
    use tokio::sync::oneshot;
    use tracing_tap::TapRouter;

    fn endpoint() -> Endpoint {
        Endpoint::new(TapRouter::new(), Auth::loopback_only())
    }

    #[tokio::test]
    async fn every_clone_of_an_endpoint_is_closed() {
        let (stop, stopped) = oneshot::channel::<()>();
        let endpoint = endpoint().with_graceful_shutdown(async { drop(stopped.await) });
        let mounted = [endpoint.clone().into_state(), endpoint.clone().into_state()];
        assert!(mounted.iter().all(|endpoint| !endpoint.hub.is_closed()));
        drop(stop);
        mounted[0].settings.shutdown.as_ref().expect("it was given").come().await;
        let late = endpoint.into_state();
        assert!(mounted.iter().chain([&late]).all(|endpoint| endpoint.hub.is_closed()));
    }

    #[test]
    fn routes_made_outside_of_a_runtime_wait_from_the_first_request() {
        let endpoint = endpoint().with_graceful_shutdown(async {}).into_state();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be built");
        assert!(!endpoint.hub.is_closed());
        runtime.block_on(async {
            let shutdown = endpoint.settings.shutdown.as_ref().expect("it was given");
            shutdown.begin();
            shutdown.come().await;
        });
        assert!(endpoint.hub.is_closed());
    }

    #[tokio::test]
    async fn nothing_waits_for_endpoints_that_are_gone() {
        let held = Arc::new(());
        let (endpoint, signal) = (endpoint(), Arc::clone(&held));
        let inner = endpoint
            .with_graceful_shutdown(async move {
                pending::<()>().await;
                drop(signal)
            })
            .into_state();
        drop(inner);
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
