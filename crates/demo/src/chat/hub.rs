//! The rooms and their members, and the delivery of what is published there.

use crate::count::{debug, trace};
use dashmap::DashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The rooms that have members.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    rooms: DashMap<String, Vec<Member>>,
}

/// A connection, as the other members of its room use it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) conn_id: u64,
    pub(crate) outbox: mpsc::Sender<Arc<str>>,
}

impl Hub {
    /// Adds a member. Returns how many there are now.
    pub(crate) fn join(&self, room: &str, member: Member) -> usize {
        let mut members = self.rooms.entry(room.to_owned()).or_default();
        members.push(member);
        debug!(room, members = members.len(), "joined");
        members.len()
    }

    /// Removes a member, and the room with the last one.
    pub(crate) fn leave(&self, room: &str, conn_id: u64) {
        let emptied = self.rooms.remove_if_mut(room, |_, members| {
            members.retain(|member| member.conn_id != conn_id);
            members.is_empty()
        });
        debug!(room, emptied = emptied.is_some(), "left");
    }

    /// Delivers a text to the other members of the room. Returns how many got it; a member that does not keep up misses
    /// it.
    pub(crate) fn publish(&self, room: &str, from: u64, text: &str) -> usize {
        let delivery: Arc<str> = format!("from {from} {text}\n").into();
        let Some(members) = self.rooms.get(room) else { return 0 };
        let others = members.iter().filter(|member| member.conn_id != from);
        others.filter(|member| hand_over(member, &delivery)).count()
    }
}

fn hand_over(member: &Member, delivery: &Arc<str>) -> bool {
    let handed_over = member.outbox.try_send(Arc::clone(delivery)).is_ok();
    if handed_over {
        trace!(to = member.conn_id, bytes = delivery.len(), free = member.outbox.capacity(), "handed over");
    } else {
        debug!(to = member.conn_id, bytes = delivery.len(), "dropped, the member does not keep up");
    }
    handed_over
}
