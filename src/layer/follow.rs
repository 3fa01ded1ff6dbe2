//! Following: an event has matched a session, and from now on all that happens in a span around it belongs to that
//! session.
//!
//! The span is marked, and its tree's caches are made stale as by a record that decides: the scopes below it are decided
//! again, on every thread, and find the mark. Other layers see nothing of it.

use super::host::Host;
use super::instance::Instance;
use super::name::NO_SPAN;
use super::span::SpanCell;
use crate::event::plain_name;
use crate::session::Follow;
use crate::session::scope::Sessions;

impl Instance {
    /// Marks what these sessions follow, after an event right inside `leaf` has matched them.
    #[cold]
    pub(super) fn follow(&self, sessions: Sessions, leaf: u64, host: &dyn Host) {
        if leaf == NO_SPAN {
            return;
        }
        let mut followed: Vec<_> =
            sessions.iter().map(|session| (self.followed_span(session.follow(), leaf, host), session)).collect();
        followed.sort_by_key(|(span, _)| *span);
        let mut is_new = false;
        // A span's sessions together: thousands may begin to follow it at once.
        for together in followed.chunk_by(|(one, _), (other, _)| one == other) {
            let span = together[0].0;
            let sessions = together.iter().map(|(_, session)| *session);
            if self.spans.with(span, |cell| cell.add_followers(span, sessions)) == Some(true) {
                is_new = true;
                self.note_left_out(span, host);
            }
        }
        if is_new {
            // After the marks are in place, as after a record.
            let tree = self.tree(leaf, host);
            self.trees.count_deciding(tree);
            self.trees.count(tree);
        }
    }

    /// Marks the span that an event would be right inside now as followed by these sessions: another service has said so.
    #[cold]
    pub(super) fn follow_here(&self, sessions: &Sessions, leaf: u64, host: &dyn Host) {
        if self.spans.with(leaf, |cell| cell.add_followers(leaf, sessions)) == Some(true) {
            let tree = self.tree(leaf, host);
            self.trees.count_deciding(tree);
            self.note_left_out(leaf, host);
            self.time_from_now_on(leaf, host);
            self.trees.count(tree);
        }
    }

    fn followed_span(&self, follow: &Follow, leaf: u64, host: &dyn Host) -> u64 {
        match follow {
            Follow::Event => NO_SPAN,
            Follow::Root => self.root(leaf, host),
            Follow::Span => self.nearest(leaf, host, |cell| cell.is_visible()),
            Follow::Named(name) => self.nearest(leaf, host, |cell| cell.is_shown_as(plain_name(name))),
        }
    }

    /// The nearest span from `leaf` outwards that is wanted; [`NO_SPAN`] if there is none.
    pub(super) fn nearest(&self, leaf: u64, host: &dyn Host, is_wanted: impl Fn(&SpanCell<'_>) -> bool) -> u64 {
        let mut next = leaf;
        while next != NO_SPAN && self.spans.with(next, &is_wanted) != Some(true) {
            next = self.parent(next, host);
        }
        next
    }
}
