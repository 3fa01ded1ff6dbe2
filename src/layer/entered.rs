//! The spans a thread has entered, kept while a session is open: the current span without asking the registry.
//!
//! It mirrors the registry's own stack: a span that is entered again while it is in it counts for nothing until it is
//! left as often, and the current span is the last one that counts. What happened before is not known: the stack is
//! *synchronized* by asking the registry once, and knows from then on the current span (the *base*), and all that is
//! entered on top of it. Whatever it cannot follow (an exit out of order, a layer of another subscriber, a session
//! opened after all were closed, more spans than it has room for) makes it ask again.
//!
//! Below the base there may be spans it has not seen. A span entered on top of it could be one of them, and would then
//! count for nothing. One that was created after the stack was synchronized cannot be; any other makes it ask again.

use super::name::{Label, NO_SPAN};
use super::task::Task;
use smallvec::SmallVec;
use std::cell::Cell;

/// How many spans are followed on top of the base.
const ROOM: usize = 32;

/// Nothing in here has a destructor.
pub(super) struct Entered {
    /// The layer that it is kept for; [`NO_KEEPER`]: it is not kept.
    kept_for: Cell<Keeper>,
    /// The number that was given when it was synchronized; 0 where nothing can be below the base.
    synchronized_as: Cell<u64>,
    base: Cell<u64>,
    current: Cell<u64>,
    /// The tree of the current span; 0: not known.
    tree: Cell<u8>,
    depth: Cell<usize>,
    levels: [Cell<Level>; ROOM],
}

/// A span on top of the base, and what the thread goes back to when it leaves it.
#[derive(Clone, Copy, Debug)]
struct Level {
    id: u64,
    /// The current span when it was entered, and its tree.
    outer: u64,
    outer_tree: u8,
    /// The decision that held then.
    label: Label,
    /// The task that has entered it.
    task: Task,
}

impl Level {
    const NONE: Self = Self { id: NO_SPAN, outer: NO_SPAN, outer_tree: 0, label: 0, task: Task::NONE };
}

/// Set in the id of a level whose span is timed: its exit fails the comparison that every exit makes, so that no other
/// exit costs more.
const MARK: u64 = 1 << 63;

/// The layer that the stack is kept for, and since when: the epoch in which the first of the sessions was opened that have been open
/// ever since. No other layer instance ever has the same one.
pub(super) type Keeper = u64;

/// No epoch: that of a layer that rests.
const NO_KEEPER: Keeper = 0;

/// A span that the thread enters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entering {
    pub(super) id: u64,
    /// Its tree; 0: not known.
    pub(super) tree: u8,
    /// The name of the decision that holds before.
    pub(super) label: Label,
    /// The task that enters it.
    pub(super) task: Task,
}

/// What entering a span has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// The current span is what it was.
    Again,
    /// It was entered in this span.
    Inside(u64),
    /// The current span is not known.
    Unknown,
}

impl Entered {
    pub(super) const fn new() -> Self {
        Self {
            kept_for: Cell::new(NO_KEEPER),
            synchronized_as: Cell::new(0),
            base: Cell::new(NO_SPAN),
            current: Cell::new(NO_SPAN),
            tree: Cell::new(0),
            depth: Cell::new(0),
            levels: [const { Cell::new(Level::NONE) }; ROOM],
        }
    }

    /// The current span, if it is known.
    #[inline]
    pub(super) fn current(&self, keeper: Keeper) -> Option<u64> {
        self.is_kept_for(keeper).then(|| self.current.get())
    }

    /// The current span and its tree, if they are known.
    #[inline]
    pub(super) fn current_in_tree(&self, keeper: Keeper) -> Option<(u64, Option<u8>)> {
        let tree = Some(self.tree.get()).filter(|tree| *tree != 0);
        self.current(keeper).map(|current| (current, tree))
    }

    /// The spans that the thread is in around the current one, as far as they are known, and whether these are all.
    pub(super) fn outer(&self, keeper: Keeper) -> (SmallVec<[u64; 8]>, bool) {
        let Some(current) = self.current(keeper) else { return (SmallVec::new(), false) };
        let entered = self.levels.iter().take(self.depth.get()).map(|level| level.get().id & !MARK);
        let all = std::iter::once(self.base.get()).chain(entered);
        (all.filter(|id| *id != NO_SPAN && *id != current).collect(), self.base.get() == NO_SPAN)
    }

    /// Starts at the current span that the registry names. `number` is 0 where it is in no other.
    ///
    /// The keeper may have come after the epoch that the caller has seen: in between all sessions may have been closed, and
    /// the thread may yet enter and leave without looking. Then the stack is not kept.
    pub(super) fn synchronize(&self, keeper: Keeper, epoch: u64, current: u64, number: u64) {
        self.kept_for.set(if epoch >= keeper { keeper } else { NO_KEEPER });
        self.synchronized_as.set(number);
        self.base.set(current);
        self.current.set(current);
        self.tree.set(0);
        self.depth.set(0);
    }

    pub(super) fn lose(&self) {
        self.kept_for.set(NO_KEEPER);
    }

    /// Follows the entering of a span, which may have been entered before as one that is timed if `TIMED`.
    #[inline]
    pub(super) fn push<const TIMED: bool>(
        &self,
        keeper: Keeper,
        entering: Entering,
        is_newer_than: impl FnOnce(u64) -> bool,
    ) -> Push {
        let Entering { id, tree, label, task } = entering;
        if !self.is_kept_for(keeper) {
            return Push::Unknown;
        }
        let depth = self.depth.get();
        let Some((below, [level, ..])) = self.levels.split_at_checked(depth) else { return self.cannot_follow() };
        let is_it = |level: u64| level == id || TIMED && level == id ^ MARK;
        let again = below.iter().any(|level| is_it(level.get().id));
        let number = self.synchronized_as.get();
        // The base entered again may also be entered for the first time: a layer has asked between the registry and us.
        let is_base = id == self.base.get();
        if is_base || !again && number != 0 && !is_newer_than(number) {
            return self.cannot_follow();
        }
        let outer = self.current.get();
        level.set(Level { id, outer, outer_tree: self.tree.get(), label, task });
        self.depth.set(depth + 1);
        if again {
            return Push::Again;
        }
        self.current.set(id);
        self.tree.set(tree);
        Push::Inside(outer)
    }

    /// The span that was entered last, and by which task, if that is known.
    #[inline]
    pub(super) fn top(&self, keeper: Keeper) -> Option<(u64, Task)> {
        let top = self.depth.get().checked_sub(1).and_then(|top| self.levels.get(top))?.get();
        self.is_kept_for(keeper).then_some((top.id & !MARK, top.task))
    }

    /// Has the task that entered the last span compared no more.
    pub(super) fn settle_top(&self) {
        if let Some(top) = self.depth.get().checked_sub(1).and_then(|top| self.levels.get(top)) {
            top.set(Level { task: Task::NONE, ..top.get() });
        }
    }

    /// Whether a span is known to be entered.
    #[cfg(feature = "tokio")]
    pub(super) fn contains(&self, keeper: Keeper, id: u64) -> bool {
        let entered = self.levels.get(..self.depth.get()).unwrap_or_default();
        self.is_kept_for(keeper) && entered.iter().any(|level| level.get().id & !MARK == id)
    }

    /// Loses the stack, if it is kept for this keeper.
    pub(super) fn lose_of(&self, keeper: Keeper) {
        if self.is_kept_for(keeper) {
            self.lose();
        }
    }

    #[cold]
    fn cannot_follow(&self) -> Push {
        self.lose();
        Push::Unknown
    }

    /// Marks the span that was entered last as timed, if it is this one.
    pub(super) fn mark(&self, keeper: Keeper, id: u64) {
        let top = self.depth.get().checked_sub(1).and_then(|top| self.levels.get(top));
        if let Some(top) = top.filter(|top| self.is_kept_for(keeper) && top.get().id == id) {
            top.set(Level { id: id ^ MARK, ..top.get() });
        }
    }

    /// [`pop`](Self::pop) for a span that was marked.
    pub(super) fn pop_marked(&self, keeper: Keeper, id: u64) -> Option<Label> {
        self.pop(keeper, id ^ MARK)
    }

    /// Follows the leaving of a span. Returns the name of the decision that held when it was entered, which holds again;
    /// `None` if the span is not the one that was entered last, or is marked. Then the caller [loses](Self::lose_of) the stack.
    #[inline]
    pub(super) fn pop(&self, keeper: Keeper, id: u64) -> Option<Label> {
        if !self.is_kept_for(keeper) {
            return None;
        }
        let depth = self.depth.get().wrapping_sub(1);
        let level = self.levels.get(depth).map(Cell::get).filter(|level| level.id == id)?;
        self.depth.set(depth);
        self.current.set(level.outer);
        self.tree.set(level.outer_tree);
        Some(level.label)
    }

    #[inline]
    fn is_kept_for(&self, keeper: Keeper) -> bool {
        self.kept_for.get() == keeper
    }
}

#[cfg(test)]
#[cfg(loom)]
#[path = "../sync/models/entered.rs"]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEEPER: Keeper = 5;

    /// The tree of a span is named like the span here.
    fn entering(id: u64) -> Entering {
        Entering { id, tree: id as u8, label: id, task: Task::NONE }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Enter(u64),
        Exit(u64),
        Synchronize,
    }

    /// The registry's stack: what is entered again counts for nothing, and an exit takes the topmost.
    #[derive(Default)]
    struct Registry(Vec<(u64, bool)>);

    impl Registry {
        fn enter(&mut self, id: u64) {
            let again = self.0.iter().any(|(entered, _)| *entered == id);
            self.0.push((id, again));
        }

        fn exit(&mut self, id: u64) {
            if let Some(place) = self.0.iter().rposition(|(entered, _)| *entered == id) {
                self.0.remove(place);
            }
        }

        fn current(&self) -> u64 {
            self.0.iter().rfind(|(_, again)| !again).map_or(NO_SPAN, |(id, _)| *id)
        }
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let id = || 1_u64..7;
        let step = prop_oneof![
            4 => id().prop_map(Step::Enter),
            4 => id().prop_map(Step::Exit),
            1 => Just(Step::Synchronize),
        ];
        prop::collection::vec(step, 0..80)
    }

    proptest! {
        /// Spans 1 to 3 were there before any synchronization, the others are created after the last. Odd ones share the
        /// scope of whatever they are entered in.
        #[test]
        fn what_it_knows_is_what_the_registry_says(steps in steps()) {
            let (entered, mut registry, mut number) = (Entered::new(), Registry::default(), 0);
            // The span whose decision is taken for that of where the thread is.
            let mut label = NO_SPAN;
            let mut scopes = std::collections::HashMap::from([(NO_SPAN, NO_SPAN)]);
            for step in steps {
                let before = registry.current();
                match step {
                    Step::Synchronize => {
                        number += 1;
                        let is_in_none = registry.0.is_empty();
                        entered.synchronize(KEEPER, 6, before, if is_in_none { 0 } else { number });
                        label = before;
                    }
                    Step::Enter(id) => {
                        let is_there = registry.0.iter().any(|(entered, _)| *entered == id);
                        registry.enter(id);
                        // One that is in the registry's stack is not newer than a synchronization inside it.
                        let push =
                            entered.push::<true>(KEEPER, Entering { label, ..entering(id) }, |_| id > 3 && !is_there);
                        // Those of even numbers are timed from some moment on.
                        if id % 2 == 0 && number > 0 {
                            entered.mark(KEEPER, id);
                        }
                        let shares = id % 2 == 1 && !is_there;
                        if !is_there {
                            scopes.insert(id, if shares { scopes.get(&before).copied().unwrap_or(before) } else { id });
                        }
                        label = match push {
                            Push::Inside(outer) if shares => {
                                prop_assert_eq!(outer, before);
                                label
                            }
                            Push::Again => label,
                            _ => registry.current(),
                        };
                    }
                    Step::Exit(id) => {
                        registry.exit(id);
                        let popped = entered.pop_marked(KEEPER, id).or_else(|| entered.pop(KEEPER, id));
                        if popped.is_none() {
                            entered.lose();
                        }
                        label = popped.unwrap_or_else(|| registry.current());
                    }
                }
                if let Some(current) = entered.current(KEEPER) {
                    prop_assert_eq!(current, registry.current(), "{:?}", step);
                    let tree = entered.current_in_tree(KEEPER).and_then(|(_, tree)| tree);
                    prop_assert!(tree.is_none_or(|tree| u64::from(tree) == current), "{:?}", step);
                }
                let scope_of = |id: u64| scopes.get(&id).copied().unwrap_or(id);
                prop_assert_eq!(scope_of(label), scope_of(registry.current()), "{:?}", step);
            }
        }
    }

    #[test]
    fn what_was_entered_for_another_keeper_is_unknown() {
        let entered = Entered::new();
        entered.synchronize(KEEPER, 6, 3, 1);
        assert_eq!(entered.current(KEEPER), Some(3));
        assert_eq!(entered.current(8), None);
        assert_eq!(entered.push::<false>(8, entering(4), |_| true), Push::Unknown);
        assert_eq!(entered.current(KEEPER), Some(3), "the other's span is in another registry");
        entered.synchronize(KEEPER, 4, 3, 1);
        assert_eq!(entered.current(KEEPER), None, "there was a rest since that epoch");
    }

    #[test]
    fn more_spans_than_it_has_room_for_make_it_ask() {
        let entered = Entered::new();
        entered.synchronize(KEEPER, 6, NO_SPAN, 0);
        for id in 1..=ROOM as u64 {
            assert_eq!(entered.push::<false>(KEEPER, entering(id), |_| true), Push::Inside(id - 1));
        }
        assert_eq!(entered.push::<false>(KEEPER, entering(100), |_| true), Push::Unknown);
        assert_eq!(entered.current(KEEPER), None);
    }

    #[test]
    fn the_spans_around_the_current_one_are_those_from_the_base_on() {
        let entered = Entered::new();
        assert_eq!(entered.outer(KEEPER), (SmallVec::new(), false), "it is not kept");
        entered.synchronize(KEEPER, 6, NO_SPAN, 0);
        assert_eq!(entered.outer(KEEPER), (SmallVec::new(), true));
        for id in [1, 2, 3] {
            entered.push::<true>(KEEPER, entering(id), |_| true);
            entered.mark(KEEPER, id);
        }
        assert_eq!(entered.outer(KEEPER), (SmallVec::from_slice(&[1, 2]), true), "marked or not");
        entered.synchronize(KEEPER, 6, 7, 1);
        entered.push::<true>(KEEPER, entering(8), |_| true);
        assert_eq!(entered.outer(KEEPER), (SmallVec::from_slice(&[7]), false), "there may be more below the base");
    }

    #[test]
    fn a_timed_span_that_is_entered_again_counts_for_nothing() {
        let entered = Entered::new();
        entered.synchronize(KEEPER, 6, NO_SPAN, 0);
        for (id, push) in [(2, Push::Inside(NO_SPAN)), (3, Push::Inside(2)), (2, Push::Again)] {
            assert_eq!(entered.push::<true>(KEEPER, entering(id), |_| false), push, "nothing can be below the base");
            entered.mark(KEEPER, id);
        }
        assert_eq!(entered.current_in_tree(KEEPER), Some((3, Some(3))));
        let left = [2, 3, 2].map(|id| entered.pop_marked(KEEPER, id).map(|_| entered.current(KEEPER)));
        assert_eq!(left, [Some(Some(3)), Some(Some(2)), Some(Some(NO_SPAN))]);
    }

    #[test]
    fn only_the_span_that_was_entered_last_is_marked() {
        let entered = Entered::new();
        entered.synchronize(KEEPER, 6, NO_SPAN, 0);
        for (keeper, id, is_marked) in [(KEEPER, 4, false), (8, 3, false), (KEEPER, 3, true)] {
            entered.push::<true>(KEEPER, entering(3), |_| true);
            entered.mark(keeper, id);
            assert_eq!(entered.pop(KEEPER, 3).is_none(), is_marked, "{keeper}, {id}");
            entered.pop_marked(KEEPER, 3);
        }
    }

    #[test]
    fn a_span_older_than_what_is_known_makes_it_ask() {
        let entered = Entered::new();
        for (is_newer, push) in [(true, Push::Inside(7)), (false, Push::Unknown)] {
            entered.synchronize(KEEPER, 6, 7, 1);
            assert_eq!(entered.push::<false>(KEEPER, entering(8), |number| is_newer && number == 1), push);
        }
        entered.synchronize(KEEPER, 6, 7, 1);
        assert_eq!(entered.push::<false>(KEEPER, entering(7), |_| true), Push::Unknown, "the base");
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn a_span_is_contained_from_its_entering_to_its_exit() {
        let entered = Entered::new();
        entered.synchronize(KEEPER, 6, NO_SPAN, 0);
        entered.push::<true>(KEEPER, entering(2), |_| true);
        entered.mark(KEEPER, 2);
        assert!(entered.contains(KEEPER, 2) && !entered.contains(KEEPER, 3) && !entered.contains(8, 2));
        entered.pop_marked(KEEPER, 2);
        assert!(!entered.contains(KEEPER, 2));
    }

    #[cfg(feature = "tokio")]
    #[tokio::test]
    async fn a_task_that_was_compared_is_compared_no_more() {
        let in_a_task = tokio::spawn(async {
            let (entered, task) = (Entered::new(), Task::current());
            entered.synchronize(KEEPER, 6, NO_SPAN, 0);
            entered.settle_top();
            entered.push::<false>(KEEPER, Entering { task, ..entering(2) }, |_| true);
            assert_ne!(task, Task::NONE);
            assert_eq!(entered.top(KEEPER), Some((2, task)));
            entered.settle_top();
            assert_eq!(entered.top(KEEPER), Some((2, Task::NONE)));
        });
        in_a_task.await.unwrap();
    }
}
