//! A span: its fields from creation on, and the scope that was decided for it.
//!
//! Spans live in a [table](super::table) of our own, not in the registry's extensions: other layers format their users' values
//! while they hold a span's extensions locked, and an event of such a value, or of another thread in the same
//! span, would wait there for code nobody knows.

use crate::event::{CapturedSpan, Fields};
use crate::predicate::plain_name;
use crate::session::open::OpenSession;
use crate::session::sample::RootSerial;
use crate::session::scope::{Scope, Sessions};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::value::Value;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::time::Instant;
use tracing_core::Metadata;

/// One open span.
#[derive(Debug)]
pub(crate) struct Span {
    id: u64,
    metadata: &'static Metadata<'static>,
    /// Whether scopes show it. A span that was not tracked when it was created is as good as vetoed.
    visible: bool,
    /// The nearest visible ancestor, the root and the tree, found when they are first needed; they never change.
    ancestry: OnceLock<Ancestry>,
    /// Names it where it is a root and a session that samples needed that; 0 before.
    serial: AtomicU64,
    /// Both locks are held for a few instructions, never while anything else is called.
    fields: Mutex<SpanFields>,
    decided: Mutex<Decided>,
}

/// What was decided for a span.
#[derive(Debug, Default)]
struct Decided {
    scope: Option<Arc<Scope>>,
    followers: Vec<Follower>,
}

/// A session that follows a span. Weak: spans live for hours and must not keep a closed session.
#[derive(Debug)]
struct Follower {
    session: Weak<OpenSession>,
    since: Instant,
}

#[derive(Clone, Debug)]
pub(crate) struct Ancestry {
    pub(crate) parent: Option<Arc<Span>>,
    /// The outermost span in the registry, visible or not; nothing if it is this one.
    pub(crate) root: Option<Arc<Span>>,
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
            serial: AtomicU64::new(0),
            fields: Mutex::new(SpanFields::Own(fields)),
            decided: Mutex::default(),
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

    /// Its serial as a root, given when it is first needed.
    pub(crate) fn serial(&self) -> RootSerial {
        // Relaxed: one number that says nothing about anything else.
        RootSerial::from_number(self.serial.load(Ordering::Relaxed)).unwrap_or_else(|| self.new_serial())
    }

    /// Of two threads that give it one at once, the first is right.
    #[cold]
    fn new_serial(&self) -> RootSerial {
        let serial = RootSerial::next();
        match self.serial.compare_exchange(0, serial.number(), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => serial,
            Err(given) => RootSerial::from_number(given).unwrap_or(serial),
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
        lock(&self.decided).scope.clone()
    }

    /// Looks at the scope decided for this span, if there is one. `look` must not call anybody else: a lock is held.
    #[inline]
    pub(crate) fn with_scope<R>(&self, look: impl FnOnce(&Arc<Scope>) -> Option<R>) -> Option<R> {
        lock(&self.decided).scope.as_ref().and_then(look)
    }

    /// Forgets what was decided for this span, and who followed it and has ended. A session that was opened meanwhile
    /// may follow it already.
    pub(crate) fn clear_decided(&self) {
        let mut decided = lock(&self.decided);
        let forgotten = decided.scope.take();
        decided.followers.retain(Follower::is_open);
        drop(decided);
        drop(forgotten);
    }

    pub(crate) fn set_scope(&self, scope: &Arc<Scope>) {
        let replaced = lock(&self.decided).scope.replace(Arc::clone(scope));
        drop(replaced);
    }

    /// Marks the span as followed by a session. Returns whether it was not before.
    pub(crate) fn add_follower(&self, session: &Arc<OpenSession>) -> bool {
        let mut decided = lock(&self.decided);
        decided.followers.retain(Follower::is_open);
        let is_new = !decided.followers.iter().any(|follower| follower.is(session));
        if is_new {
            decided.followers.push(Follower { session: Arc::downgrade(session), since: Instant::now() });
        }
        is_new
    }

    /// Adds the open sessions that follow this span, each once.
    pub(crate) fn add_followers_to(&self, sessions: &mut Sessions) {
        for follower in &lock(&self.decided).followers {
            let open = follower.session.upgrade().filter(|session| session.ended().is_none());
            sessions.extend(open.filter(|open| !sessions.iter().any(|known| Arc::ptr_eq(known, open))));
        }
    }

    /// Since when a session has followed this span, if it does.
    pub(crate) fn followed_since(&self, session: &Arc<OpenSession>) -> Option<Instant> {
        let decided = lock(&self.decided);
        decided.followers.iter().find(|follower| follower.is(session)).map(|follower| follower.since)
    }
}

impl Follower {
    fn is_open(&self) -> bool {
        self.session.upgrade().is_some_and(|session| session.ended().is_none())
    }

    fn is(&self, session: &Arc<OpenSession>) -> bool {
        std::ptr::eq(self.session.as_ptr(), Arc::as_ptr(session))
    }
}

/// Nothing panics while one of these locks is held, so poison cannot mean half-done work.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
