//! Looks fields up in the index of open sessions.

use super::SessionId;
use super::scope::Sessions;
use super::snapshot::{Snapshot, index_hash};
use crate::event::Fields;
use smallvec::SmallVec;
use std::sync::Arc;

/// The sessions that the index keeps for these fields, each once.
pub(crate) fn indexed_sessions(snapshot: &Snapshot, fields: &Fields) -> Sessions {
    let mut found = Sessions::new();
    for (name, value) in fields.named_by(|name| snapshot.names.index.contains(name)) {
        value.with_canonical(|text| extend_from_index(&mut found, snapshot, name, text));
    }
    found
}

/// Adds the sessions that the index keeps for this key and value, each once.
pub(crate) fn extend_from_index(found: &mut Sessions, snapshot: &Snapshot, key: &str, text: Option<&str>) {
    let bucket = text.and_then(|text| snapshot.index.get(&index_hash(key, text)));
    // A bucket has each session once.
    let mut before: SmallVec<[SessionId; 4]> = found.iter().map(|session| session.id).collect();
    before.sort_unstable();
    for session in bucket.into_iter().flatten() {
        if before.binary_search(&session.id).is_err() {
            found.push(Arc::clone(session));
        }
    }
}
