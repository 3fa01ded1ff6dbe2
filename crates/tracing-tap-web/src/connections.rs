//! Slots for connections: authenticated ones, and apart from them *pending* ones, which have no accepted request yet.
//!
//! A client without a valid token holds a pending slot only. Pending connections are bounded in number, time and requests,
//! and a new connection displaces the oldest of them. So clients without a token, however many and however slow, cannot keep
//! a client with a token from connecting.

use super::problem::{Problem, ProblemKind};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

/// Requests of a pending connection. The page and all its files are fewer.
pub(super) const MAX_PENDING_REQUESTS: u32 = 64;

/// The slots of one listener.
#[derive(Debug)]
pub(super) struct Connections {
    authenticated: Arc<Semaphore>,
    max_authenticated: usize,
    max_pending: usize,
    pending: Mutex<PendingConnections>,
}

#[derive(Debug, Default)]
struct PendingConnections {
    /// By number, so that the first is the oldest; with the signal that closes each.
    open: BTreeMap<u64, Arc<Notify>>,
    next_number: u64,
}

/// The slot of one connection. Clones are the same slot; it is free again when the last one is dropped.
#[derive(Clone, Debug)]
pub(super) struct ConnectionSlot(Arc<HeldSlot>);

#[derive(Debug)]
struct HeldSlot {
    connections: Arc<Connections>,
    number: u64,
    displaced: Arc<Notify>,
    /// Set by the first accepted request.
    permit: OnceLock<OwnedSemaphorePermit>,
    requests: AtomicU32,
}

impl Connections {
    pub(super) fn new(max_authenticated: usize, max_pending: usize) -> Arc<Self> {
        let authenticated = Arc::new(Semaphore::new(max_authenticated));
        Arc::new(Self { authenticated, max_authenticated, max_pending, pending: Mutex::default() })
    }

    /// Takes a pending slot. Returns as well whether that displaced the oldest pending connection.
    pub(super) fn enter(self: &Arc<Self>) -> (ConnectionSlot, bool) {
        let displaced = Arc::new(Notify::new());
        let mut pending = self.pending();
        let number = pending.next_number;
        pending.next_number += 1;
        pending.open.insert(number, Arc::clone(&displaced));
        let oldest = if pending.open.len() > self.max_pending { pending.open.pop_first() } else { None };
        drop(pending);
        let displaces = oldest.is_some_and(|(_, closes)| {
            closes.notify_one();
            true
        });
        let connections = Arc::clone(self);
        let requests = AtomicU32::new(0);
        (
            ConnectionSlot(Arc::new(HeldSlot { connections, number, displaced, permit: OnceLock::new(), requests })),
            displaces,
        )
    }

    fn pending(&self) -> MutexGuard<'_, PendingConnections> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionSlot {
    /// Exchanges the pending slot for an authenticated one, once.
    ///
    /// # Errors
    /// If all authenticated slots are taken. The connection stays pending.
    pub(super) fn authenticate(&self) -> Result<(), Problem> {
        if self.is_authenticated() {
            return Ok(());
        }
        let connections = &self.0.connections;
        let permit = Arc::clone(&connections.authenticated).try_acquire_owned().map_err(|_| connections.full())?;
        // Requests of a connection come one after another, so nobody else sets it.
        let _ = self.0.permit.set(permit);
        connections.pending().open.remove(&self.0.number);
        Ok(())
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.0.permit.get().is_some()
    }

    /// Counts an answered request. Returns whether it was the last one that a pending connection may make.
    pub(super) fn is_last_request(&self) -> bool {
        // `Relaxed`: the requests of a connection come one after another, on one task.
        let requests = self.0.requests.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        !self.is_authenticated() && requests >= MAX_PENDING_REQUESTS
    }

    /// Waits until a newer connection has displaced this one.
    pub(super) async fn displaced(&self) {
        self.0.displaced.notified().await;
    }

    /// Waits for so long; then, while the connection is authenticated, forever.
    pub(super) async fn overdue(&self, time: Duration) {
        sleep(time).await;
        if self.is_authenticated() {
            pending().await
        }
    }
}

impl Connections {
    fn full(&self) -> Problem {
        let limit = self.max_authenticated;
        let detail = format!("all {limit} connections of this endpoint are in use");
        Problem::new(ProblemKind::Unavailable, detail).with("limit", limit)
    }
}

impl Drop for HeldSlot {
    fn drop(&mut self) {
        self.connections.pending().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Waker};

    fn is_displaced(slot: &ConnectionSlot) -> bool {
        let mut displaced = std::pin::pin!(slot.displaced());
        Future::poll(displaced.as_mut(), &mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_oldest_pending_connection_is_displaced() {
        let connections = Connections::new(1, 2);
        let [first, second] = [connections.enter().0, connections.enter().0];
        first.authenticate().expect("a slot is free");
        let (third, displaces) = connections.enter();
        assert!(!displaces, "an authenticated connection is not pending");
        let (_fourth, displaces) = connections.enter();
        assert!(displaces && is_displaced(&second) && !is_displaced(&first) && !is_displaced(&third));
    }

    #[test]
    fn a_closed_connection_frees_both_its_slots() {
        let connections = Connections::new(1, 1);
        let (slot, _) = connections.enter();
        slot.authenticate().expect("a slot is free");
        assert!(connections.enter().0.authenticate().is_err());
        drop(slot);
        connections.enter().0.authenticate().expect("the slot is free again");
        assert!(connections.pending().open.is_empty());
    }

    #[test]
    fn a_closed_pending_connection_frees_its_slot() {
        let connections = Connections::new(1, 1);
        drop(connections.enter());
        assert!(!connections.enter().1, "none is left to displace");
    }

    #[test]
    fn only_a_pending_connection_has_a_last_request() {
        let connections = Connections::new(1, 2);
        let [pending, authenticated] = [connections.enter().0, connections.enter().0];
        authenticated.authenticate().expect("a slot is free");
        let last = (1..).find(|_| pending.is_last_request());
        assert_eq!(last, Some(MAX_PENDING_REQUESTS));
        assert!(!(0..2 * MAX_PENDING_REQUESTS).any(|_| authenticated.is_last_request()));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_pending_connection_is_overdue() {
        let connections = Connections::new(1, 2);
        let [pending, authenticated] = [connections.enter().0, connections.enter().0];
        authenticated.authenticate().expect("a slot is free");
        let (started, time) = (tokio::time::Instant::now(), Duration::from_secs(10));
        pending.overdue(time).await;
        assert_eq!(started.elapsed(), time);
        assert!(tokio::time::timeout(100 * time, authenticated.overdue(time)).await.is_err());
    }

    #[test]
    fn a_full_endpoint_names_its_limit() {
        let connections = Connections::new(1, 2);
        let [first, second] = [connections.enter().0, connections.enter().0];
        first.authenticate().expect("a slot is free");
        first.authenticate().expect("it has its slot already");
        let document = second.authenticate().expect_err("all are taken").document();
        assert!(document.contains("all 1 connections") && document.contains("\"limit\":1"), "{document}");
        assert!(first.is_authenticated() && !second.is_authenticated());
    }
}
