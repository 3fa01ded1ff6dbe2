//! The layer: `tracing`'s hooks on one screen, each handed to the file that is about it.
//!
//! An event passes, in this order, `max_level_hint` and `register_callsite` ([`instance`]), `enabled` ([`veto`]),
//! `event_enabled` ([`repair`]) and `on_event` ([`route`]); it is stopped at the first that can decide.

mod alone;
mod begun;
mod callsite;
mod capture;
mod carried;
mod decided;
mod deciding;
mod deliver;
mod downcast;
mod entered;
mod facts;
mod follow;
mod followers;
mod held_guard;
mod hold;
mod host;
mod instance;
mod intervals;
mod keeping;
mod kept;
mod left_guard;
mod lineage;
mod matching;
mod message;
mod name;
mod notes;
mod outside;
mod past;
mod place;
mod printed;
mod probe;
mod repair;
mod route;
mod scope;
mod seen;
mod span;
#[cfg(all(feature = "tokio", tokio_unstable))]
mod spawned;
mod surroundings;
mod table;
mod task;
mod tested;
#[cfg(test)]
#[cfg(not(loom))]
mod testing;
pub(crate) mod thread;
mod times;
mod timing;
mod trace;
mod tree;
mod veto;
mod vetoed;
mod visit;
mod word;

pub(crate) use carried::{HeldSpan, Standing};
pub(crate) use held_guard::PollStart;
pub(crate) use instance::Instance;
pub(crate) use name::key_of;
pub(crate) use outside::Outside;
pub(crate) use past::{OpenSpan, is_of_log};
pub(crate) use probe::Visibility;
#[cfg(all(feature = "tokio", tokio_unstable))]
pub(crate) use spawned::note_spawn;

use route::OnWatched;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Interest, LevelFilter, Metadata, Subscriber};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The layer to install next to the service's own: `registry().with(fmt_layer).with(router.layer())`.
///
/// It goes on a [`Registry`](tracing_subscriber::Registry) or on layers over one; other subscribers have no
/// per-layer filters, and `with` panics. Each layer learns and caches for itself; one per subscriber is enough.
pub struct TapLayer<S> {
    instance: Arc<Instance>,
    /// Answers questions from outside the hooks.
    outside: Outside,
    on_watched: OnWatched<S>,
    /// Makes the registry know us as a layer with a filter: with a place in the sum of all layers' interest, and
    /// without a say in what the others see. Every other hook is ours, since `Filtered` looks spans up in each.
    filtered: Filtered<Nothing, TapFilter, S>,
    /// The router lives as long as its layers: an application may have dropped its own handle.
    _router: Arc<dyn Any + Send + Sync>,
}

/// The filter that speaks for the layer where interests and level hints are summed up.
#[derive(Debug)]
pub(crate) struct TapFilter(Arc<Instance>);

/// What the filter filters: the layer does its work itself.
#[derive(Debug)]
pub(crate) struct Nothing;

impl<S> TapLayer<S>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    pub(crate) fn new(instance: Arc<Instance>, router: Arc<dyn Any + Send + Sync>) -> Self {
        let (on_watched, filter) = (instance.on_watched(), TapFilter(Arc::clone(&instance)));
        let outside = Outside::of::<S>(Arc::clone(&instance));
        Self { filtered: Filtered::new(Nothing, filter), instance, outside, on_watched, _router: router }
    }
}

impl<S> Layer<S> for TapLayer<S>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.instance.set_dispatch(dispatch);
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        self.filtered.on_layer(subscriber);
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.filtered.register_callsite(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.filtered.max_level_hint()
    }

    /// Our own bit among the filters' is never set: a filter that always says yes leaves nothing to go stale.
    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        self.instance.enabled(metadata, &context)
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.instance.event_enabled(event)
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.instance.on_event(event, &context, self.on_watched);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.instance.on_new_span(attributes, id, &context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.instance.on_record(id, values, &context);
    }

    fn on_follows_from(&self, span: &Id, follows: &Id, context: Context<'_, S>) {
        self.instance.on_follows_from(span, follows, &context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.instance.on_enter(id, &context);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.instance.on_exit(id);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.instance.on_close(&id, &context);
    }

    #[expect(unsafe_code, reason = "the one method of `Layer` that is unsafe; argued for in `downcast`")]
    unsafe fn downcast_raw(&self, id: std::any::TypeId) -> Option<*const ()> {
        downcast::downcast_raw((&self.instance, &self.outside), &self.filtered, id)
    }
}

impl<S> Filter<S> for TapFilter {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.register_callsite(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.max_level_hint())
    }
}

impl<S: Subscriber> Layer<S> for Nothing {}

impl<S> fmt::Debug for TapLayer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapLayer").finish_non_exhaustive()
    }
}
