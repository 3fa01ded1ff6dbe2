//! Opens sessions, off the executor's threads.

use super::ask::Ask;
use super::auth::Caller;
use super::feed::Feed;
use super::hub::{About, HubSession, PublicId};
use super::keeper;
use super::problem::{Problem, ProblemKind};
use super::security::Admitted;
use super::sight::Sight;
use super::source::Source;
use super::state::EndpointState;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::task::spawn_blocking;
use tracing_tap::SessionOptions;
use tracing_tap::endpoint::SessionSource;

/// Of what a session that outlives its connections has sent, so many bytes are kept at most.
const MAX_SENT_BYTES: usize = 4 << 20;

/// How long a session lives without a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// As long as its connection.
    OfConnection,
    /// Through the grace period.
    Kept,
}

impl EndpointState {
    /// Opens the requested session, and returns its coverage.
    pub(super) async fn open(
        self: &Arc<Self>,
        admitted: &Admitted,
        ask: Ask,
        life: Life,
    ) -> Result<(Arc<HubSession>, Sight), Problem> {
        let opened = self.open_somewhere(admitted, ask, life).await?;
        self.hub.add(&opened.0, self.router.max_sessions_per_opener())?;
        keeper::keep(self, &opened.0, admitted.shutdowns);
        Ok(opened)
    }

    async fn open_somewhere(
        self: &Arc<Self>,
        admitted: &Admitted,
        ask: Ask,
        life: Life,
    ) -> Result<(Arc<HubSession>, Sight), Problem> {
        if let Some(source) = &self.settings.source {
            return self.open_at(source.as_ref(), admitted, ask, life).await;
        }
        let (endpoint, admitted) = (Arc::clone(self), admitted.clone());
        let opened = self.off_executor(move || {
            let session = ask.session(&admitted.caller)?;
            endpoint.check_room(&admitted.caller)?;
            let id = PublicId::random().map_err(|_| no_randomness())?;
            let stream = endpoint.router.try_watch(session.clone()).map_err(|error| Problem::from(&error))?;
            // A shutdown in between could not end a session that was not open yet, and it waits for streams.
            if endpoint.router.shutdowns() != admitted.shutdowns {
                return Err(Problem::shutting_down());
            }
            let sight = Sight::of(stream.coverage(), &session, &endpoint, &admitted);
            Ok((entry(id, &session, Source::Own(Box::new(stream)), life), sight))
        });
        opened.await
    }

    /// Opens the session at another source. Its coverage is that of this process's router.
    async fn open_at(
        self: &Arc<Self>,
        source: &dyn SessionSource,
        admitted: &Admitted,
        ask: Ask,
        life: Life,
    ) -> Result<(Arc<HubSession>, Sight), Problem> {
        let (endpoint, asking) = (Arc::clone(self), admitted.clone());
        let looked = self.off_executor(move || {
            let session = ask.session(&asking.caller)?;
            let id = PublicId::random().map_err(|_| no_randomness())?;
            let sight = Sight::of(endpoint.router.coverage_of(&session), &session, &endpoint, &asking);
            Ok((session, id, sight))
        });
        let (session, id, sight) = looked.await?;
        self.hub.check_room(&admitted.caller, self.router.max_sessions_per_opener())?;
        let opened = source.open(session.clone()).await;
        let stream = opened.map_err(|error| Problem::new(ProblemKind::Unavailable, error.to_string()))?;
        if self.router.shutdowns() != admitted.shutdowns {
            return Err(Problem::shutting_down());
        }
        Ok((entry(id, &session, Source::Other(stream), life), sight))
    }

    /// Whether the sessions that are over and wait to be read leave room for one more. If the open ones do
    /// not, the router refuses the session.
    fn check_room(&self, caller: &Caller) -> Result<(), Problem> {
        let limit = self.router.max_sessions_per_opener();
        let open =
            self.router.sessions().iter().filter(|open| open.opened_by.as_deref() == Some(caller.name())).count();
        if open < limit { self.hub.check_room(caller, limit) } else { Ok(()) }
    }

    /// Runs slow work on a blocking thread; a few at a time.
    pub(super) async fn off_executor<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let opening = Arc::clone(&self.openings).acquire_owned().await.map_err(|_| Problem::shutting_down())?;
        // The work continues if the caller leaves, and so it keeps its permit.
        let work = move || {
            let _opening = opening;
            work()
        };
        spawn_blocking(work).await.unwrap_or_else(|_| Err(Problem::shutting_down()))
    }
}

pub(super) fn entry(id: PublicId, session: &SessionOptions, source: Source, life: Life) -> Arc<HubSession> {
    let about = About {
        session: source.id(),
        owner: session.opened_by.clone().unwrap_or_default(),
        name: session.name.clone(),
        predicate: session.predicate.to_string(),
        confinement: session.confinement.as_ref().map(ToString::to_string),
        opened_at: SystemTime::now(),
        expires_in: session.expires_in,
        follow: session.follow.to_string(),
        level: session.level_limit().map(|level| level.to_string()),
        spans: session.enabled_spans().map(|level| level.to_string()),
        timings: session.timings,
        only_if: session.only_if.as_ref().map(ToString::to_string),
        slower_than: session.slower_than,
        is_kept: life == Life::Kept,
    };
    let max_items = if about.is_kept { session.capacity.get() } else { 0 };
    Arc::new(HubSession::new(id, about, Feed::new(source, max_items, MAX_SENT_BYTES)))
}

pub(super) fn no_randomness() -> Problem {
    Problem::new(ProblemKind::Unavailable, "the system provides no random numbers at present")
}

#[cfg(test)]
mod tests {
    use crate::{Auth, Endpoint};
    use std::sync::mpsc;
    use std::time::Duration;
    use tokio::time::timeout;
    use tracing_tap::TapRouter;

    #[tokio::test]
    async fn a_caller_that_leaves_keeps_its_permit_until_its_work_ends() {
        let endpoint = Endpoint::new(TapRouter::new(), Auth::loopback_only()).into_state();
        let places = endpoint.openings.available_permits();
        let mut works = Vec::new();
        for _ in 0..places {
            let (done, waits) = mpsc::channel::<()>();
            works.push(done);
            let left = timeout(Duration::ZERO, endpoint.off_executor(move || Ok(waits.recv().is_ok())));
            assert!(left.await.is_err(), "nobody has said that it is done");
        }
        assert_eq!(endpoint.openings.available_permits(), 0);
        drop(works);
        assert!(endpoint.off_executor(|| Ok(true)).await.is_ok());
    }
}
