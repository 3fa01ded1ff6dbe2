//! The profiles that are being taken: their sessions belong to no reader of events, and can be ended early.

use super::auth::Caller;
use super::hub::PublicId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing_tap::SessionId;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Profiles(Mutex<HashMap<PublicId, Profiled>>);

#[derive(Debug)]
struct Profiled {
    owner: String,
    session: SessionId,
}

impl Profiles {
    pub(super) fn add(&self, id: PublicId, owner: &Caller, session: SessionId) {
        self.lock().insert(id, Profiled { owner: owner.name().to_owned(), session });
    }

    pub(super) fn remove(&self, id: PublicId) {
        self.lock().remove(&id);
    }

    /// The session of the caller's profile of this id; `None` if it is unknown or another owner's.
    pub(super) fn find(&self, id: PublicId, caller: &Caller) -> Option<SessionId> {
        let profiles = self.lock();
        profiles.get(&id).filter(|profiled| caller.may_use(&profiled.owner)).map(|profiled| profiled.session)
    }

    pub(super) fn sessions(&self) -> Vec<SessionId> {
        self.lock().values().map(|profiled| profiled.session).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PublicId, Profiled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
