//! What the tests of asynchronous stacks share: a runtime of several threads, and bounds on all their waits.

use super::PATIENCE;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long a whole test may take on a busy machine; reaching it is a failure.
const WHOLE_TEST: Duration = PATIENCE.saturating_mul(6);

/// A runtime whose tasks move between threads.
pub fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime starts")
}

/// Runs a test on a runtime of several threads, for a bounded time.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let bounded = async { tokio::time::timeout(WHOLE_TEST, test).await.expect("the test ends in time") };
    multi_thread().block_on(bounded)
}

/// Waits for something that must happen, for a bounded time.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE * 3, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Lets other tasks run until `holds`, for a bounded time.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            // Not at once: what is waited for may need the processor.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// A gate that tasks wait at until the test opens it.
#[derive(Clone, Debug)]
pub struct Gate(std::sync::Arc<tokio::sync::Semaphore>);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(std::sync::Arc::new(tokio::sync::Semaphore::new(0)))
    }

    /// Lets all through, from now on.
    pub fn open(&self) {
        self.0.close();
    }

    /// Waits until the gate is open.
    pub async fn pass(&self) {
        self.0.acquire().await.map(drop).expect_err("nobody gives permits: the gate is opened for all");
    }
}
