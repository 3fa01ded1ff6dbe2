//! The spans a thread has entered, kept while a session is open: the current span without asking the registry.
//!
//! It mirrors the registry's own stack: a span that is entered again while it is in it counts for nothing until it is
//! left as often, and the current span is the last one that counts. What happened before is not known: the stack is
//! *synchronized* by asking the registry once, and knows from then on the current span (the *base*), and all that is
//! entered on top of it. Whatever it cannot follow (an exit out of order, a layer of another subscriber, a session
//! opened anew after all were closed, more spans than it has room for) makes it ask again.
//!
//! Below the base there may be spans it has not seen. A span entered on top of it could be one of them, and would then
//! count for nothing. One that was created after the stack was synchronized cannot be; any other makes it ask again.

use super::span::NO_SPAN;
use std::cell::Cell;

/// How many spans are followed on top of the base.
const ROOM: usize = 32;

/// Nothing in here has a destructor.
pub(super) struct Entered {
    /// The layer instance it is kept for.
    owner: Cell<u64>,
    /// The epoch in which it was synchronized; 0: it is not.
    synchronized_in: Cell<u64>,
    /// The number that was given to that; 0 where nothing can be below the base.
    synchronized_as: Cell<u64>,
    base: Cell<u64>,
    current: Cell<u64>,
    depth: Cell<usize>,
    spans: [Cell<u64>; ROOM],
    /// Bit by bit, the spans that count for nothing.
    again: Cell<u32>,
    /// Bit by bit, the spans that have the scope of the one they were entered in.
    sharing: Cell<u32>,
}

/// For whom the stack is kept, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeper {
    pub(super) owner: u64,
    /// The epoch in which the first of the sessions was opened that have been open ever since.
    pub(super) awake_since: u64,
}

/// What entering a span has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// The current span is what it was.
    Again,
    /// It was entered in this span.
    Inside(u64),
    /// Nobody knows.
    Unknown,
}

impl Entered {
    pub(super) const fn new() -> Self {
        Self {
            owner: Cell::new(0),
            synchronized_in: Cell::new(0),
            synchronized_as: Cell::new(0),
            base: Cell::new(NO_SPAN),
            current: Cell::new(NO_SPAN),
            depth: Cell::new(0),
            spans: [const { Cell::new(NO_SPAN) }; ROOM],
            again: Cell::new(0),
            sharing: Cell::new(0),
        }
    }

    /// The current span, if it is known.
    #[inline]
    pub(super) fn current(&self, keeper: Keeper) -> Option<u64> {
        self.is_kept_for(keeper).then(|| self.current.get())
    }

    /// Starts at the current span that the registry names. `number` is 0 where it is in no other.
    pub(super) fn synchronize(&self, keeper: Keeper, epoch: u64, current: u64, number: u64) {
        self.owner.set(keeper.owner);
        self.synchronized_in.set(epoch);
        self.synchronized_as.set(number);
        self.base.set(current);
        self.current.set(current);
        self.depth.set(0);
    }

    pub(super) fn lose(&self) {
        self.synchronized_in.set(0);
    }

    /// Follows the entering of a span.
    #[inline]
    pub(super) fn push(&self, keeper: Keeper, id: u64, is_newer_than: impl FnOnce(u64) -> bool) -> Push {
        let depth = self.depth.get();
        if !self.is_kept_for(keeper) {
            return Push::Unknown;
        }
        let again = self.spans[..depth].iter().any(|entered| entered.get() == id);
        let number = self.synchronized_as.get();
        // The base entered again may also be entered for the first time: a layer has asked between the registry and us.
        let is_base = id == self.base.get();
        if depth == ROOM || is_base || !again && number != 0 && !is_newer_than(number) {
            self.lose();
            return Push::Unknown;
        }
        let bit = 1 << depth;
        self.spans[depth].set(id);
        self.depth.set(depth + 1);
        self.sharing.set(self.sharing.get() & !bit);
        if again {
            self.again.set(self.again.get() | bit);
            return Push::Again;
        }
        self.again.set(self.again.get() & !bit);
        Push::Inside(self.current.replace(id))
    }

    /// Notes that the span entered last has the scope of the one it was entered in.
    #[inline]
    pub(super) fn share(&self) {
        self.sharing.set(self.sharing.get() | 1 << (self.depth.get() - 1));
    }

    /// Follows the leaving of a span. Returns whether the scope is what it was.
    #[inline]
    pub(super) fn pop(&self, keeper: Keeper, id: u64) -> bool {
        if !self.is_kept_for(keeper) {
            return false;
        }
        let Some(depth) = self.depth.get().checked_sub(1).filter(|depth| self.spans[*depth].get() == id) else {
            self.lose();
            return false;
        };
        self.depth.set(depth);
        let bit = 1 << depth;
        if self.again.get() & bit == 0 {
            self.current.set(self.last_that_counts(depth));
        }
        (self.again.get() | self.sharing.get()) & bit != 0
    }

    /// Forgets of which spans it was noted that they share a scope, from the current one down to the first that does
    /// not, unless `still` is true of them.
    pub(super) fn check_sharing(&self, still: impl Fn(u64) -> bool) {
        for depth in (0..self.depth.get()).rev() {
            let bit = 1 << depth;
            if self.again.get() & bit == 0 && self.sharing.get() & bit != 0 && !still(self.spans[depth].get()) {
                self.sharing.set(self.sharing.get() & !bit);
            }
        }
    }

    #[inline]
    fn is_kept_for(&self, keeper: Keeper) -> bool {
        self.owner.get() == keeper.owner && self.synchronized_in.get() >= keeper.awake_since
    }

    #[inline]
    fn last_that_counts(&self, depth: usize) -> u64 {
        let counts = |place: &usize| self.again.get() & 1 << *place == 0;
        (0..depth).rev().find(counts).map_or(self.base.get(), |place| self.spans[place].get())
    }
}

#[cfg(test)]
#[cfg(loom)]
mod models;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEEPER: Keeper = Keeper { owner: 7, awake_since: 5 };

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
            let mut scopes = std::collections::HashMap::from([(NO_SPAN, NO_SPAN)]);
            for step in steps {
                let before = registry.current();
                match step {
                    Step::Synchronize => {
                        number += 1;
                        let is_in_none = registry.0.is_empty();
                        entered.synchronize(KEEPER, 6, before, if is_in_none { 0 } else { number });
                    }
                    Step::Enter(id) => {
                        let is_there = registry.0.iter().any(|(entered, _)| *entered == id);
                        registry.enter(id);
                        // One that is in the registry's stack is not newer than a synchronization inside it.
                        let push = entered.push(KEEPER, id, |_| id > 3 && !is_there);
                        let shares = id % 2 == 1 && !is_there;
                        if !is_there {
                            scopes.insert(id, if shares { scopes.get(&before).copied().unwrap_or(before) } else { id });
                        }
                        if matches!(push, Push::Inside(_)) && shares {
                            entered.share();
                        }
                    }
                    Step::Exit(id) => {
                        registry.exit(id);
                        if entered.pop(KEEPER, id) {
                            prop_assert_eq!(scopes.get(&before), scopes.get(&registry.current()), "{:?}", step);
                        }
                    }
                }
                if let Some(current) = entered.current(KEEPER) {
                    prop_assert_eq!(current, registry.current(), "{:?}", step);
                }
            }
        }
    }

    #[test]
    fn what_was_entered_for_another_layer_or_before_a_rest_is_unknown() {
        let entered = Entered::new();
        entered.synchronize(KEEPER, 6, 3, 1);
        assert_eq!(entered.current(KEEPER), Some(3));
        assert_eq!(entered.current(Keeper { owner: 8, ..KEEPER }), None);
        assert_eq!(entered.current(Keeper { awake_since: 7, ..KEEPER }), None);
        assert_eq!(entered.push(Keeper { owner: 8, ..KEEPER }, 4, |_| true), Push::Unknown);
        assert_eq!(entered.current(KEEPER), Some(3), "the other's span is in another registry");
    }

    #[test]
    fn more_spans_than_it_has_room_for_make_it_ask() {
        let entered = Entered::new();
        entered.synchronize(KEEPER, 6, NO_SPAN, 0);
        for id in 1..=ROOM as u64 {
            assert_eq!(entered.push(KEEPER, id, |_| true), Push::Inside(id - 1));
        }
        assert_eq!(entered.push(KEEPER, 100, |_| true), Push::Unknown);
        assert_eq!(entered.current(KEEPER), None);
    }
}
