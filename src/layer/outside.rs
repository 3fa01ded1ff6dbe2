//! Questions about the span that a thread is in, from outside `tracing`'s hooks.
//!
//! Spans are looked up by a [`Context`], which only hooks get. Outside of them one is made: a subscriber of our own
//! [stands in](StandIn) for the one that the layer is on, and a [layer](Visit) on it is entered once. No other layer sees
//! any of that.

use super::host::{HasRegistry, Host};
use super::instance::Instance;
use super::name::NO_SPAN;
use crate::session::scope::Sessions;
use crate::shared::Shared;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// A layer, as it is asked from outside the hooks.
pub(crate) struct Outside {
    instance: Arc<Instance>,
    /// Compiled where the type is known of the subscriber that the layer is on.
    visit: fn(Dispatch, Visit),
}

/// A visit to the span that the thread is in.
struct Visit {
    instance: Arc<Instance>,
    /// The sessions that are to follow that span; `None` to ask which ones its request belongs to.
    followers: Option<Sessions>,
    /// The sessions that follow it now, or that its request belongs to.
    answer: Rc<RefCell<Sessions>>,
}

/// Stands in for the subscriber that a layer is on, which a context borrows.
struct StandIn<S> {
    dispatch: Dispatch,
    subscriber: PhantomData<fn() -> S>,
}

impl Outside {
    pub(super) fn of<S: HasRegistry>(instance: Arc<Instance>) -> Self {
        Self { instance, visit: visit::<S> }
    }

    /// Whether the layer is one of the router with this shared state.
    pub(crate) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.instance.shared, shared)
    }

    /// The sessions on several services to which the current request belongs as a whole. `dispatch` is the subscriber that
    /// the layer was found in.
    pub(crate) fn across_services(&self, dispatch: &Dispatch) -> Sessions {
        if self.instance.epoch() == 0 { Sessions::new() } else { self.ask(dispatch, None) }
    }

    /// Makes sessions follow the current span. Returns those that do; none where there is no span.
    pub(crate) fn follow(&self, dispatch: &Dispatch, sessions: Sessions) -> Sessions {
        self.ask(dispatch, Some(sessions))
    }

    fn ask(&self, dispatch: &Dispatch, followers: Option<Sessions>) -> Sessions {
        let answer = Rc::default();
        let visit = Visit { instance: Arc::clone(&self.instance), followers, answer: Rc::clone(&answer) };
        (self.visit)(dispatch.clone(), visit);
        answer.take()
    }
}

fn visit<S: HasRegistry>(dispatch: Dispatch, visit: Visit) {
    let stand_in = StandIn { dispatch, subscriber: PhantomData::<fn() -> S> };
    visit.with_subscriber(stand_in).enter(&Id::from_u64(1));
}

impl<S: HasRegistry> Layer<S> for Visit {
    fn on_enter(&self, _: &Id, context: Context<'_, S>) {
        let answer = match &self.followers {
            Some(sessions) => self.instance.follow_where_it_is(sessions, &context),
            None => self.instance.across_services(&context),
        };
        self.answer.replace(answer);
    }
}

impl Instance {
    /// The innermost span that the thread is in, by the registry's account; [`NO_SPAN`] also where a filter around this layer
    /// keeps spans from it.
    fn really_current(&self, epoch: u64, host: &dyn Host) -> u64 {
        if self.is_behind_filter() {
            return NO_SPAN;
        }
        let leaf = self.current(epoch, host);
        if self.is_really_in(leaf, host) { leaf } else { self.current(epoch, host) }
    }

    fn across_services(&self, host: &dyn Host) -> Sessions {
        let epoch = self.epoch();
        let leaf = self.really_current(epoch, host);
        let Some(callsite) = host.current_span().metadata() else { return Sessions::new() };
        if epoch == 0 || leaf == NO_SPAN || self.decision(epoch, host, callsite).is_empty {
            return Sessions::new();
        }
        let snapshot = self.shared.snapshot.load();
        let scope = self.scope(leaf, self.stamp(self.tree(leaf, host), &snapshot), &snapshot, host);
        let candidates = &scope.get(&snapshot).candidates;
        let chain = self.chain(leaf, host);
        candidates.iter().filter_map(|candidate| candidate.across_services(&chain)).collect()
    }

    fn follow_where_it_is(&self, sessions: &Sessions, host: &dyn Host) -> Sessions {
        let epoch = self.epoch();
        let leaf = self.really_current(epoch, host);
        if epoch == 0 || leaf == NO_SPAN {
            return Sessions::new();
        }
        self.follow_here(sessions, leaf, host);
        let followers = self.spans.with(leaf, |cell| cell.followers()).unwrap_or_default();
        let follow = |session: &&Arc<_>| followers.iter().any(|follower| Arc::ptr_eq(follower, session));
        sessions.iter().filter(follow).cloned().collect::<SmallVec<_>>()
    }
}

/// Of all that a subscriber does, a context needs the current span and the spans by their ids.
impl<S: HasRegistry> Subscriber for StandIn<S> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn current_span(&self) -> Current {
        self.dispatch.current_span()
    }
}

impl<'a, S: HasRegistry> LookupSpan<'a> for StandIn<S> {
    type Data = <S as LookupSpan<'a>>::Data;

    fn span_data(&'a self, id: &Id) -> Option<Self::Data> {
        self.dispatch.downcast_ref::<S>()?.span_data(id)
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("instance", &self.instance.number).finish_non_exhaustive()
    }
}
