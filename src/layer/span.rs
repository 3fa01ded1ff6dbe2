//! A span: its fields from creation on, and the scope that was decided for it.
//!
//! Spans live in a [table](super::table) of our own, not in the registry's extensions: other layers format their users' values
//! while they hold a span's extensions locked, and an event of such a value, or of another thread in the same
//! span, would wait there for code nobody knows.

use crate::event::{CapturedSpan, Fields};
use crate::predicate::plain_name;
use crate::session::sample::RootSerial;
use crate::session::scope::Scope;
use crate::value::Value;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tracing_core::Metadata;

/// One open span.
#[derive(Debug)]
pub(crate) struct Span {
    id: u64,
    metadata: &'static Metadata<'static>,
    /// Whether scopes show it. A span that was not tracked when it was created is as good as vetoed.
    visible: bool,
    /// The nearest visible ancestor and the tree, found when they are first needed; they never change.
    ancestry: OnceLock<Ancestry>,
    /// The serial of its root, once a session that samples needed it; 0 before.
    root: AtomicU64,
    /// Both locks are held for a few instructions, never while anything else is called.
    fields: Mutex<SpanFields>,
    scope: Mutex<Option<Arc<Scope>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Ancestry {
    pub(crate) parent: Option<Arc<Span>>,
    pub(crate) tree: usize,
}

#[derive(Debug)]
enum SpanFields {
    /// As they were recorded; no event has captured them yet.
    Own(Fields),
    /// Shared with the events that captured them; a record replaces them.
    Captured(Arc<CapturedSpan>),
}

impl Span {
    pub(crate) fn new(id: u64, metadata: &'static Metadata<'static>, fields: Fields, visible: bool) -> Self {
        Self {
            id,
            metadata,
            visible,
            ancestry: OnceLock::new(),
            root: AtomicU64::new(0),
            fields: Mutex::new(SpanFields::Own(fields)),
            scope: Mutex::new(None),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn metadata(&self) -> &'static Metadata<'static> {
        self.metadata
    }

    /// Whether this is another's like: of the same callsite. Ids recur.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::ptr::eq(self.metadata, other.metadata)
    }

    pub(crate) fn is_visible(&self) -> bool {
        self.visible
    }

    pub(crate) fn name(&self) -> &'static str {
        plain_name(self.metadata.name())
    }

    /// The ancestry, if it was needed before.
    pub(crate) fn ancestry(&self) -> Option<&Ancestry> {
        self.ancestry.get()
    }

    /// Keeps the ancestry. Two threads may have found it at once: it is the same.
    pub(crate) fn keep_ancestry(&self, ancestry: Ancestry) -> &Ancestry {
        self.ancestry.get_or_init(|| ancestry)
    }

    /// The serial of its root, if it was needed before.
    pub(crate) fn root_serial(&self) -> Option<RootSerial> {
        // Relaxed: one number that says nothing about anything else.
        RootSerial::from_number(self.root.load(Ordering::Relaxed))
    }

    /// Keeps the serial of its root. Of two threads that found one at once, the first is right.
    pub(crate) fn keep_root_serial(&self, serial: RootSerial) -> RootSerial {
        match self.root.compare_exchange(0, serial.number(), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => serial,
            Err(kept) => RootSerial::from_number(kept).unwrap_or(serial),
        }
    }

    /// Sets recorded values and hands back those they replaced, to be dropped outside the lock.
    pub(crate) fn record(&self, recorded: &Fields) -> Vec<Value> {
        let mut fields = lock(&self.fields);
        if let SpanFields::Captured(captured) = &*fields {
            *fields = SpanFields::Own(captured.fields.clone());
        }
        let SpanFields::Own(own) = &mut *fields else { return Vec::new() };
        own.set_all(recorded)
    }

    /// The span as events captured now show it, shared with those before it where nothing was recorded since.
    pub(crate) fn captured(&self) -> Arc<CapturedSpan> {
        let mut fields = lock(&self.fields);
        let captured = match &mut *fields {
            SpanFields::Captured(captured) => return Arc::clone(captured),
            SpanFields::Own(own) => {
                own.keep_last();
                Arc::new(CapturedSpan {
                    name: Cow::Borrowed(self.name()),
                    level: *self.metadata.level(),
                    target: Cow::Borrowed(self.metadata.target()),
                    fields: std::mem::take(own),
                })
            }
        };
        *fields = SpanFields::Captured(Arc::clone(&captured));
        captured
    }

    pub(crate) fn scope(&self) -> Option<Arc<Scope>> {
        lock(&self.scope).clone()
    }

    /// Looks at the scope decided for this span, if there is one. `look` must not call anybody else: a lock is held.
    #[inline]
    pub(crate) fn with_scope<R>(&self, look: impl FnOnce(&Arc<Scope>) -> Option<R>) -> Option<R> {
        lock(&self.scope).as_ref().and_then(look)
    }

    /// Forgets the scope decided for this span.
    pub(crate) fn clear_scope(&self) {
        let forgotten = lock(&self.scope).take();
        drop(forgotten);
    }

    pub(crate) fn set_scope(&self, scope: &Arc<Scope>) {
        let replaced = lock(&self.scope).replace(Arc::clone(scope));
        drop(replaced);
    }
}

/// Nothing panics while one of these locks is held, so poison cannot mean half-done work.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
