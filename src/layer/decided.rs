//! What was decided for a span, by what, and whether that still holds.

use super::word::Place;
use crate::predicate::FieldTest;
use crate::session::scope::{Scope, Sessions};
use crate::session::snapshot::Snapshot;
use std::sync::Arc;

/// The scope of a span: its own, or that of events outside any span.
#[derive(Clone, Debug)]
pub(super) struct ScopeRef {
    own: Option<Arc<Scope>>,
    /// Whether some span of the scope declares a tested field, or bears a tested name.
    carries: bool,
}

/// What a scope was decided by: the sessions, and the records that concern them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The version of the sessions.
    pub(super) version: u64,
    /// The deciding records of the span's tree.
    pub(super) records: u64,
}

/// The scope of one span, with what it was decided by.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) stamp: Stamp,
    /// The serial of the parent's scope.
    parent: u64,
    pub(super) scope: ScopeRef,
}

/// What a span brings into its scope from elsewhere.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// The sessions that the index keeps for its fields.
    pub(super) found: Sessions,
    /// The sessions that follow it.
    pub(super) followers: Sessions,
    /// Whether the scope inside carries what is tested.
    pub(super) carries: bool,
}

impl ScopeRef {
    /// The scope of events outside any span, and of spans that add nothing to it.
    pub(super) const OUTSIDE: Self = Self { own: None, carries: false };

    pub(super) fn own(scope: Scope) -> Self {
        Self { own: Some(Arc::new(scope)), carries: false }
    }

    /// The same, carrying what is tested or not.
    #[inline]
    pub(super) fn carrying(self, carries: bool) -> Self {
        Self { carries, ..self }
    }

    /// Where events in it are, if they are inside a span.
    #[inline]
    pub(super) fn place(&self) -> Place {
        if self.carries { Place::Carried } else { Place::Elsewhere }
    }

    #[inline]
    pub(super) fn carries(&self) -> bool {
        self.carries
    }

    /// The scope itself, where it is looked at together with this snapshot.
    pub(super) fn get<'a>(&'a self, snapshot: &'a Snapshot) -> &'a Arc<Scope> {
        self.own.as_ref().unwrap_or_else(|| snapshot.outside())
    }

    /// The span's own scope; `None`: that of events outside any span.
    #[inline]
    pub(super) fn own_scope(&self) -> Option<&Scope> {
        self.own.as_deref()
    }

    #[inline]
    pub(super) fn is_outside(&self) -> bool {
        self.own.is_none()
    }

    /// Names the scope; 0 names that of events outside any span.
    fn serial(&self) -> u64 {
        self.own.as_ref().map_or(0, |scope| scope.serial)
    }
}

impl Decided {
    pub(super) fn new(stamp: Stamp, parent: &ScopeRef, scope: ScopeRef) -> Self {
        Self { stamp, parent: parent.serial(), scope }
    }

    /// Whether the scope is the same now, for a span whose fields satisfy equalities as said: the parent's is, nothing
    /// was recorded that decides, and no session that came or went concerns it.
    pub(super) fn still_holds(
        &self,
        parent: &ScopeRef,
        stamp: Stamp,
        snapshot: &Snapshot,
        satisfies: impl Fn(&FieldTest) -> bool,
    ) -> bool {
        let Some(changes) = snapshot.changes.since(self.stamp.version) else { return false };
        let scope = self.scope.get(snapshot);
        self.stamp.records == stamp.records
            && self.parent == parent.serial()
            && changes.iter().all(|change| scope.outlives(change, &satisfies))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::predicate::Predicate;
    use crate::queue::budget::Budget;
    use crate::session::open::OpenSession;
    use crate::session::registry::Registry;
    use crate::session::{SessionId, SessionOptions};

    #[test]
    fn a_scope_is_a_spans_own_or_that_outside() {
        let (outside, scope) = (ScopeRef::OUTSIDE, Scope::outside(&[]));
        assert_eq!((outside.is_outside(), outside.serial(), outside.carries()), (true, 0, false));
        let serial = scope.serial;
        let own = ScopeRef::own(scope);
        assert_eq!((own.is_outside(), own.serial(), own.carries()), (false, serial, false));
        let carrying = own.carrying(true);
        assert_eq!((carrying.serial(), carrying.carries()), (serial, true));
        assert!(!carrying.carrying(false).carries() && outside.carrying(true).carries());
    }

    #[test]
    fn a_decision_holds_until_something_concerns_it() {
        let mut registry = Registry::default();
        let mut open = |number: u64| {
            let options = SessionOptions::new(Predicate::eq("user", number));
            registry.open(&Arc::new(OpenSession::new(SessionId(number), options, Arc::new(Budget::new(0)))));
            registry.snapshot().0
        };
        let stamp = |snapshot: &Snapshot, records| Stamp { version: snapshot.changes.version(), records };
        let (before, parent) = (open(1), ScopeRef::own(Scope::outside(&[])));
        let decided = Decided::new(stamp(&before, 7), &parent, ScopeRef::own(Scope::outside(&[])));
        let holds = |parent: &ScopeRef, snapshot: &Snapshot, records, satisfies| {
            decided.still_holds(parent, stamp(snapshot, records), snapshot, |_| satisfies)
        };
        assert!(holds(&parent, &before, 7, true));
        assert!(!holds(&parent, &before, 8, true), "something was recorded");
        assert!(!holds(&ScopeRef::OUTSIDE, &before, 7, true), "the parent's scope is another");
        let after = open(2);
        assert!(holds(&parent, &after, 7, false), "the session that came tests something else");
        assert!(!holds(&parent, &after, 7, true));
        let much_later = (3..40).map(open).last().unwrap();
        assert!(!holds(&parent, &much_later, 7, false), "it is not known what came meanwhile");
    }
}
