//! A door to all instances of a service: its sessions are opened on the fleet.

use super::ask::Ask;
use super::door::Inner;
use super::hub::{Entry, PublicId};
use super::opening::{Life, entry, no_randomness};
use super::problem::{Kind, Problem};
use super::security::Admitted;
use super::sight::Sight;
use super::source::Source;
use crate::fleet::{Config, watch};
use async_nats::Client;
use std::sync::Arc;

/// Where the instances meet.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub(super) client: Client,
    pub(super) config: Config,
}

impl Inner {
    /// Opens what is asked for on all instances. What is said that it can see is what it could see at this one.
    pub(super) async fn open_on(
        self: &Arc<Self>,
        fleet: &Fleet,
        admitted: &Admitted,
        ask: Ask,
        life: Life,
    ) -> Result<(Arc<Entry>, Sight), Problem> {
        let (door, asking) = (Arc::clone(self), admitted.clone());
        let looked = self.off_executor(move || {
            let session = ask.session(&asking.asker)?;
            let id = PublicId::random().map_err(|_| no_randomness())?;
            let sight = Sight::of(door.router.coverage_of(&session), &session, &door, &asking);
            Ok((session, id, sight))
        });
        let (session, id, sight) = looked.await?;
        self.hub.check_room(&admitted.asker, self.router.max_sessions_per_opener())?;
        let watched = watch(fleet.client.clone(), &fleet.config, session.clone()).await;
        let stream = watched.map_err(|error| Problem::new(Kind::Unavailable, format!("failed to {error}")))?;
        if self.router.shutdowns() != admitted.shutdowns {
            return Err(Problem::shutting_down());
        }
        Ok((entry(id, &session, Source::Fleet(Box::new(stream)), life), sight))
    }
}
