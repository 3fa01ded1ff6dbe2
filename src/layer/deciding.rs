//! Which span's decision holds inside a span: that of the nearest one, from it outwards, that is a root or not known to share
//! its parent's scope. Of a request it is mostly the root.

use super::decided::Stamp;
use super::instance::Instance;
use super::name::{NO_SPAN, SpanName};
use super::notes::Notes;
use super::span::SpanCell;
use super::thread::{self, Decision, Empty, ThreadState};
use super::word::Look;

/// How many spans are looked at: a request's are seldom deeper.
const MAX_SPANS: usize = 16;

impl Instance {
    /// The span whose decision holds inside this one under this key generation; `None` where it is too far out, or may not be
    /// in the table.
    ///
    /// A span that a session begins to follow stops sharing, and then moves the records of its tree. So the records that
    /// the decision is kept under are read before this, or compared after it.
    #[inline]
    pub(super) fn deciding_span<'a>(
        &'a self,
        id: u64,
        cell: SpanCell<'a>,
        generation: u32,
    ) -> Option<(SpanName, SpanCell<'a>)> {
        let (mut id, mut cell) = (id, cell);
        if self.spans.has_others() {
            return None;
        }
        for _ in 0..MAX_SPANS {
            let sharing = cell.notes().filter(|notes| notes.say_absent_in(generation) && !notes.say_below(NO_SPAN));
            let Some(notes) = sharing else { return Some((SpanName { id, number: cell.number() }, cell)) };
            id = notes.parent()?;
            cell = self.spans.find_in_table(id)?;
        }
        None
    }

    /// What the thread knows about the scope inside a span without looking it up.
    #[inline]
    pub(super) fn known_decision(&self, id: u64, epoch: u64) -> Option<Decision> {
        thread::with(|state| {
            let generation = state.judged_in(epoch)?.generation();
            let (span, _) = self.deciding_span(id, self.spans.find_in_table(id)?, generation)?;
            state.decided_for(epoch, span, &self.trees)
        })
    }

    /// Goes by what was decided for a span that the thread enters, by whichever thread, where that still holds.
    #[inline(never)]
    pub(super) fn adopt(&self, state: &ThreadState, epoch: u64, span: SpanName, notes: &Notes) {
        if let Some(decision) = self.decided_before(state, epoch, span, notes) {
            state.remember(epoch, span, decision);
        }
    }

    fn decided_before(&self, state: &ThreadState, epoch: u64, span: SpanName, notes: &Notes) -> Option<Decision> {
        let judged = state.judged_in(epoch)?;
        let tree = notes.tree()?;
        let records = self.trees.deciding(tree);
        let scope = notes.lock(span.number)?.decided_under(Stamp { version: judged.version?, records })?;
        let look = Look::new(judged.generation(), scope.place());
        match scope.own_scope() {
            Some(own) => Some(Decision::of(own, tree, records, look)),
            None => Some(Decision::of_empty(Empty { scope: judged.empty_outside()?, tree, records, look })),
        }
    }
}
