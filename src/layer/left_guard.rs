//! Looking for guards that are held across `.await`, by the tasks that entered and that run; see [`task`](super::task).

use super::instance::Instance;
use super::task::{Compared, Task};
use super::thread::ThreadState;

impl Instance {
    /// Compares the task that runs now with the one that entered the current span. Returns the former.
    #[inline(always)]
    pub(super) fn compare_tasks(&self, state: &ThreadState) -> Task {
        let now = Task::current();
        if let Some((span, then)) = state.entered.top(self.keeper())
            && then.compared(now) != Compared::Same
        {
            self.note_foreign_span(state, span, then.compared(now));
        }
        now
    }

    /// Looks at the spans that were entered after one that is left, out of order: a guard may have outlived its poll.
    #[inline]
    pub(super) fn note_exit_out_of_order(&self, state: &ThreadState, id: u64) {
        if let Some((span, then)) = state.entered.top(self.keeper()).filter(|(span, _)| *span != id)
            && then != Task::NONE
        {
            self.note_foreign_span(state, span, Compared::Other);
        }
    }

    #[cold]
    fn note_foreign_span(&self, state: &ThreadState, span: u64, compared: Compared) {
        // Once for each time that it is entered.
        state.entered.settle_top();
        let Some(metadata) = self.spans.with(span, |cell| cell.metadata()).flatten() else { return };
        match compared {
            Compared::Same => {}
            Compared::Over => self.shared.seen.note_held_guard(metadata),
            Compared::Other => {
                #[cfg(feature = "tokio")]
                between_polls::look(self, span, metadata);
            }
        }
    }
}

/// A look at the thread between two polls.
#[cfg(feature = "tokio")]
mod between_polls {
    use super::super::entered::Keeper;
    use super::super::instance::Instance;
    use super::super::task::Task;
    use super::super::thread;
    use crate::guard::run_user_code;
    use crate::shared::Shared;
    use crate::sync::atomic::{AtomicBool, Ordering};
    use std::cell::Cell;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::{Arc, Weak};
    use std::task::{Context, Wake, Waker};
    use std::thread::ThreadId;
    use tracing_core::{Metadata, dispatcher};

    thread_local! {
        /// The last look of this thread, whose memory serves the next one once the runtime has woken it.
        static LAST: Cell<Option<Arc<Look>>> = const { Cell::new(None) };
    }

    /// Woken by the runtime between polls.
    struct Look {
        /// Weak: it is kept by threads that may never look again.
        shared: Weak<Shared>,
        keeper: Keeper,
        /// The subscriber of the span, by its first layer; `None` if it is not known. Another one may have a span of that id.
        subscriber: Option<u64>,
        span: u64,
        metadata: &'static Metadata<'static>,
        thread: ThreadId,
        /// Whether it was left to the runtime: outside of its loop it wakes at once.
        is_deferred: AtomicBool,
    }

    /// Has the runtime of this thread, if it is in its loop, look between polls whether the span is still entered.
    pub(super) fn look(instance: &Instance, span: u64, metadata: &'static Metadata<'static>) {
        let look = kept(Look {
            shared: Arc::downgrade(&instance.shared),
            keeper: instance.keeper(),
            subscriber: instance.dispatch().as_ref().and_then(Instance::first_in),
            span,
            metadata,
            thread: std::thread::current().id(),
            is_deferred: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&look));
        let yields = pin!(tokio::task::yield_now());
        // What it does first is to leave the waker to the scheduler. In user code's place: no panic of it may pass.
        run_user_code(|| yields.poll(&mut Context::from_waker(&waker)).is_pending());
        // Relaxed: read on this thread alone.
        look.is_deferred.store(true, Ordering::Relaxed);
        drop(waker);
        // A thread that ends keeps none.
        let _ = LAST.try_with(|last| last.set(Some(look)));
    }

    /// The look, in the memory of this thread's last one if the runtime is done with that.
    fn kept(look: Look) -> Arc<Look> {
        let Some(mut last) = LAST.try_with(Cell::take).ok().flatten() else { return Arc::new(look) };
        match Arc::get_mut(&mut last) {
            Some(unshared) => *unshared = look,
            None => last = Arc::new(look),
        }
        last
    }

    impl Look {
        fn is_left(&self) -> bool {
            let is_entered = || thread::with(|state| state.entered.contains(self.keeper, self.span));
            let is_current = || {
                dispatcher::get_default(|dispatch| {
                    let current = dispatch.current_span();
                    self.subscriber.is_none_or(|ours| Instance::first_in(dispatch) == Some(ours))
                        && current.id().is_some_and(|id| id.into_u64() == self.span)
                        && current.metadata().is_some_and(|metadata| std::ptr::eq(metadata, self.metadata))
                })
            };
            is_entered() || is_current()
        }
    }

    impl Wake for Look {
        fn wake(self: Arc<Self>) {
            let is_here = std::thread::current().id() == self.thread && self.is_deferred.load(Ordering::Relaxed);
            if is_here
                && Task::current() == Task::NONE
                && self.is_left()
                && let Some(shared) = self.shared.upgrade()
            {
                shared.seen.note_held_guard(self.metadata);
            }
        }
    }
}
