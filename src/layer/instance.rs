//! One layer instance: what it has learned and cached, and what it does at each hook of `tracing`.

use super::callsite::{Callsites, key_of};
use super::capture;
use super::facts::Facts;
use super::span::{Ancestry, Span};
use super::table::Spans;
use super::thread::{self, Asker, ThreadState};
use super::tree::{NO_TREE, Trees};
use crate::event::Fields;
use crate::guard::Guard;
use crate::level::verbosity_of;
use crate::session::open::OpenSession;
use crate::session::published::Epoch;
use crate::session::sample::RootSerial;
use crate::session::snapshot::Snapshot;
use crate::shared::Shared;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::value::Value;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::{Dispatch, Interest, LevelFilter, Metadata, span};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// One layer in one subscriber. Nothing in it is shared with other instances, of this router or another.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) shared: Arc<Shared>,
    /// Changes whenever a cached decision may have become wrong, and names this instance; 0: no session open.
    pub(crate) epoch: Epoch,
    pub(super) callsites: Callsites,
    pub(super) spans: Spans,
    pub(super) trees: Trees,
    /// How often somebody else had a callsite asked; moves while anybody else rebuilds.
    asked_by_others: AtomicU64,
    /// The subscriber this layer is in. Weak: it owns us.
    dispatch: OnceLock<WeakDispatch>,
    /// A span that the current one was and this layer could not see, for coverage.
    withheld: OnceLock<&'static Metadata<'static>>,
}

impl Instance {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            epoch: Epoch::default(),
            callsites: Callsites::default(),
            spans: Spans::default(),
            trees: Trees::default(),
            asked_by_others: AtomicU64::new(0),
            dispatch: OnceLock::new(),
            withheld: OnceLock::new(),
        }
    }

    /// The current epoch; 0: no session open.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.current()
    }

    /// The subscriber this layer is in, while it lives and if it has told us.
    pub(crate) fn dispatch(&self) -> Option<Dispatch> {
        self.dispatch.get()?.upgrade()
    }

    /// Whether this layer is in that subscriber, as far as that can be found out.
    pub(crate) fn is_in(&self, dispatch: &Dispatch) -> bool {
        dispatch.downcast_ref::<Self>().is_some_and(|found| std::ptr::eq(found, self))
    }

    /// Whether both are the same subscriber, of those with a layer of any router in them. A subscriber is asked for the
    /// first such layer: it is in no other.
    pub(crate) fn is_same(one: &Dispatch, other: &Dispatch) -> bool {
        let first_of = |dispatch: &Dispatch| dispatch.downcast_ref::<Self>().map(std::ptr::from_ref);
        first_of(one).is_some_and(|first| first_of(other) == Some(first))
    }

    /// Learns which subscriber this layer is in where it was not told, as behind an `Option` or in a `Vec`.
    pub(crate) fn adopt_dispatch(&self, dispatch: &Dispatch) {
        if self.dispatch.get().is_none() && self.is_in(dispatch) {
            self.set_dispatch(dispatch);
        }
    }

    /// Learns which subscriber this layer is in; the first answer stays.
    pub(crate) fn set_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    /// A count that moves while somebody else than this router rebuilds.
    pub(crate) fn asked_by_others(&self) -> u64 {
        self.asked_by_others.load(Ordering::Acquire)
    }

    pub(crate) fn callsites(&self) -> &Callsites {
        &self.callsites
    }

    /// Whether other layers want a callsite, as far as that is known, and whether it is vetoed where nothing matches.
    pub(crate) fn standing(&self, metadata: &Metadata<'_>) -> (Option<bool>, bool) {
        let (wanted, vetoable) = self.callsites.standing(metadata, self.shared.snapshot.load().names.generation);
        (wanted, vetoable && self.epoch() != 0)
    }

    /// How many callsites are known, and how many of them are vetoed where nothing matches. Takes no lock.
    pub(crate) fn count_callsites(&self) -> (usize, usize) {
        let (known, vetoable) = self.callsites.count(self.shared.snapshot.load().names.generation);
        (known, if self.epoch() == 0 { 0 } else { vetoable })
    }

    /// The names of the spans that a session follows, and since when.
    pub(crate) fn followed_by(&self, session: &Arc<OpenSession>) -> Vec<(&'static str, Instant)> {
        let known = self.spans.known();
        known.iter().filter_map(|span| Some((span.name(), span.followed_since(session)?))).collect()
    }

    /// Frees what spans remember of scopes that no session needs any more.
    pub(crate) fn clear_scopes(&self) {
        for span in self.spans.known() {
            span.clear_decided();
        }
    }

    /// Whether this router has any use for a callsite at present.
    pub(crate) fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let config = &self.shared.config;
        if config.denies(metadata.target()) {
            return false;
        }
        let snapshot = self.shared.snapshot.load();
        if metadata.is_span() {
            return config.always_tracks(metadata) || verbosity_of(*metadata.level()) <= snapshot.span_verbosity;
        }
        snapshot.admits(*metadata.level(), metadata.target())
    }

    /// Whether a span that another layer wants is kept because a session is open.
    #[cold]
    fn tracks_while_watched(&self, metadata: &Metadata<'_>) -> bool {
        self.shared.snapshot.load().has_sessions() && !self.shared.config.denies(metadata.target())
    }

    /// Answers for a callsite: never `always`, so that `enabled` is asked before every event and span.
    pub(super) fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let asker = thread::with(|state| state.asker.get());
        if asker == Asker::Probe(self.shared.router) {
            return Interest::never();
        }
        let kept = metadata.is_span() && self.shared.config.always_tracks(metadata);
        if self.callsites.register(metadata, kept, self.shared.router) {
            // Release pairs with the Acquire in `asked_by_others`; it is counted before the answer is put anywhere.
            self.asked_by_others.fetch_add(1, Ordering::Release);
            if self.epoch() != 0 {
                self.shared.inbox.learn();
            }
        }
        if self.wants(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    /// The most verbose level this router looks at; always some, so that it hides nothing and adds little.
    pub(crate) fn max_level_hint(&self) -> LevelFilter {
        self.shared.config.span_level.max(self.shared.snapshot.load().level())
    }

    /// Keeps a new span's fields, if spans like it are tracked.
    pub(super) fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id) {
        let metadata = attributes.metadata();
        let config = &self.shared.config;
        let epoch = self.epoch();
        if epoch != 0
            && let Some(word) = self.callsites.word(key_of(metadata))
        {
            Callsites::note_parent(word, attributes.is_contextual());
        }
        let is_tracked = || config.always_tracks(metadata) || epoch != 0 && self.tracks_while_watched(metadata);
        if !config.keeps_fields_of(metadata) || !is_tracked() {
            return;
        }
        // A span made by code that formats a value for us is not kept: it may be the very value that is formatted.
        let Some(guard) = Guard::enter() else { return };
        let fields = capture::span_fields(attributes, config);
        drop(guard);
        self.mend(|| Facts::Callsite(metadata));
        self.spans.insert_new(id, metadata, fields);
    }

    /// Keeps what is recorded on a span, and tells the caches it concerns.
    pub(super) fn on_record<S>(&self, id: &span::Id, record: &span::Record<'_>, context: &Context<'_, S>)
    where
        S: tracing_core::Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let Some(span) = self.spans.get(id).filter(|span| span.is_visible()) else { return };
        let Some(guard) = Guard::enter() else { return };
        let recorded = capture::recorded_fields(record, span.metadata(), &self.shared.config);
        drop(guard);
        let replaced = span.record(&recorded);
        let tree = self.ancestry(&span, context).tree;
        // The snapshot is loaded after the values are in place: whoever opens a session that they concern
        // later than this reads them.
        if decides(&self.shared.snapshot.load(), &recorded, &replaced) {
            self.trees.count_deciding(tree);
            self.note_left_out(&span, context);
        }
        self.trees.count(tree);
    }

    pub(super) fn on_close(&self, id: &span::Id) {
        thread::with(|state| state.closed.set(id.into_u64()));
        self.spans.remove(id);
    }

    /// Marks the thread's decision stale: the current span changes.
    #[inline]
    pub(super) fn on_current_span_change(&self) {
        if !self.epoch.has_decided_nothing() {
            thread::with(ThreadState::forget_decision);
        }
    }

    /// The span the thread is in, as far as this layer may see it.
    pub(super) fn current_span<S>(&self, context: &Context<'_, S>) -> Option<Arc<Span>>
    where
        S: tracing_core::Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        let current = context.current_span();
        let known = self.spans.get(current.id()?);
        match known.filter(|span| current.metadata().is_some_and(|metadata| std::ptr::eq(metadata, span.metadata()))) {
            Some(span) => Some(span),
            None => self.visible_span(current.metadata()?, context.lookup_current()),
        }
    }

    /// What stands for a current span not known yet: itself, or what is around it if a filter withholds it.
    #[cold]
    fn visible_span<'a, R>(
        &self,
        current: &'static Metadata<'static>,
        visible: Option<SpanRef<'a, R>>,
    ) -> Option<Arc<Span>>
    where
        R: LookupSpan<'a>,
    {
        if !visible.as_ref().is_some_and(|span| std::ptr::eq(span.metadata(), current)) {
            let _ = self.withheld.set(current);
        }
        visible.map(|span| self.span_of(&span))
    }

    /// A span that some thread was in and a filter around this layer kept from it, if there was one.
    pub(crate) fn withheld_span(&self) -> Option<&'static Metadata<'static>> {
        self.withheld.get().copied()
    }

    /// What is known of a span in the registry, which may be older than its being known.
    pub(super) fn span_of<'a, R>(&self, reference: &SpanRef<'a, R>) -> Arc<Span>
    where
        R: LookupSpan<'a>,
    {
        let id = reference.id();
        let metadata = reference.metadata();
        let known = self.spans.get(&id).filter(|span| std::ptr::eq(span.metadata(), metadata));
        known.unwrap_or_else(|| {
            let config = &self.shared.config;
            // A span without fields to keep has lost nothing by not being known before.
            let visible = config.always_tracks(metadata)
                || !config.keeps_fields_of(metadata) && !config.denies(metadata.target());
            let span = Arc::new(Span::new(id.into_u64(), metadata, Fields::default(), visible));
            // Another layer logs about a span while it closes. An entry made now would never be removed, and would
            // pass its parent on to the next span with this id.
            if thread::with(|state| state.closed.get()) == id.into_u64() {
                return span;
            }
            self.spans.insert_if_unknown(span)
        })
    }

    /// The nearest visible ancestor of a span, its root and its tree.
    pub(super) fn ancestry<S>(&self, span: &Span, context: &Context<'_, S>) -> Ancestry
    where
        S: tracing_core::Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        if let Some(ancestry) = span.ancestry() {
            return ancestry.clone();
        }
        let (mut parent, mut root) = (None, None);
        let mut next = context.span(&span::Id::from_u64(span.id())).and_then(|reference| reference.parent());
        while let Some(reference) = next {
            let ancestor = self.span_of(&reference);
            next = reference.parent();
            parent = parent.or_else(|| Some(&ancestor).filter(|span| span.is_visible()).cloned());
            root = Some(ancestor);
        }
        let tree = Trees::of_root(root.as_ref().map_or(span.id(), |root| root.id()));
        span.keep_ancestry(Ancestry { parent, root, tree }).clone()
    }

    /// The serial of the root above a span, the outermost one in the registry, whether scopes show it or not.
    pub(super) fn root_serial<S>(&self, span: &Span, context: &Context<'_, S>) -> RootSerial
    where
        S: tracing_core::Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        self.ancestry(span, context).root.as_deref().unwrap_or(span).serial()
    }

    /// The tree whose records change what this scope says.
    pub(super) fn tree_of<S>(&self, leaf: Option<&Arc<Span>>, context: &Context<'_, S>) -> usize
    where
        S: tracing_core::Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        leaf.map_or(NO_TREE, |leaf| self.ancestry(leaf, context).tree)
    }
}

/// Whether recorded values may change which sessions match: a key of the index only where the index holds the new
/// or the replaced value, so that a service that records a tested field on every request empties no caches.
fn decides(snapshot: &Snapshot, recorded: &Fields, replaced: &[Value]) -> bool {
    let names = &snapshot.names;
    recorded.iter().any(|(name, value)| {
        names.linear.contains(name)
            || names.beside_index.contains(name)
            || names.index.contains(name)
                && std::iter::once(value)
                    .chain(replaced.iter().map(Value::view))
                    .any(|value| snapshot.index_holds(name, value))
    })
}
