//! A callsite's word under `loom`: learned, judged and forgotten at the same time.

use super::*;
use crate::sync::atomic::AtomicBool;
use crate::sync::{thread, try_all};
use std::sync::Arc;
use tracing_core::Callsite;

const ROUTER: u64 = 1;
const JUDGEMENT: Judgement = Judgement { absent: false, ..Judgement::NOTHING };

const GENERATION: u32 = 1;

fn metadata() -> &'static Metadata<'static> {
    let callsite = tracing::callsite! { name: "event", kind: tracing::metadata::Kind::EVENT, fields: };
    callsite.metadata()
}

/// The callsites of an instance, and whether another layer wants the one there is, as its filter says at present.
#[derive(Default)]
struct Stack {
    callsites: Callsites,
    is_wanted: AtomicBool,
}

impl Stack {
    fn new() -> Arc<Self> {
        let stack = Self::default();
        stack.callsites.register(metadata(), false, ROUTER);
        Arc::new(stack)
    }

    fn word(&self) -> &AtomicU64 {
        self.callsites.word(key_of(metadata())).expect("it is registered")
    }

    fn learn(&self) {
        // Relaxed: whatever orders the filter's own change, `register` and `learn` must not need it.
        self.callsites.learn([metadata()], |_| Some(self.is_wanted.load(Ordering::Relaxed)));
    }

    /// Another layer changes its filter, and has callsites asked again.
    fn change_filter(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
        self.callsites.register(metadata(), false, ROUTER);
    }

    fn standing(&self) -> (Option<bool>, bool) {
        self.callsites.standing(metadata(), GENERATION)
    }
}

fn spawn(stack: &Arc<Stack>, run: impl FnOnce(&Stack) + 'static) -> thread::JoinHandle<()> {
    let stack = Arc::clone(stack);
    thread::spawn(move || run(&stack))
}

#[test]
fn loom_an_answer_from_before_a_filter_changed_is_not_kept() {
    try_all(|| {
        let stack = Stack::new();
        let changing = spawn(&stack, Stack::change_filter);
        stack.learn();
        changing.join().unwrap();
        assert_ne!(stack.standing().0, Some(false));
        stack.learn();
        assert_eq!(stack.standing().0, Some(true));
    });
}

#[test]
fn loom_no_veto_after_a_filter_change_is_seen() {
    try_all(|| {
        let stack = Stack::new();
        Callsites::note_parent(stack.word(), true);
        Callsites::is_clear(stack.word(), GENERATION, || JUDGEMENT);
        stack.learn();
        assert_eq!(stack.standing(), (Some(false), true));
        let changed = Arc::new(AtomicBool::new(false));
        let changing = {
            let changed = Arc::clone(&changed);
            spawn(&stack, move |stack| {
                stack.change_filter();
                changed.store(true, Ordering::Release);
            })
        };
        let learning = spawn(&stack, Stack::learn);
        let was_seen = changed.load(Ordering::Acquire);
        let is_vetoed = stack.word().load(Ordering::Acquire) == Word::vetoable(GENERATION);
        assert!(!was_seen || !is_vetoed);
        changing.join().unwrap();
        learning.join().unwrap();
    });
}

#[test]
fn loom_concurrent_changes_of_a_word_are_all_kept() {
    try_all(|| {
        let stack = Stack::new();
        stack.learn();
        let judging = spawn(&stack, |stack| {
            assert!(Callsites::is_clear(stack.word(), GENERATION, || JUDGEMENT));
        });
        let noting = spawn(&stack, |stack| Callsites::note_parent(stack.word(), true));
        stack.change_filter();
        judging.join().unwrap();
        noting.join().unwrap();
        assert_eq!(stack.standing().0, None, "what was forgotten stays so");
        assert_eq!(stack.word().load(Ordering::Relaxed), Word::vetoable(GENERATION) & !Word::UNWANTED);
    });
}

/// Of two that register at once, both get the one word.
#[test]
fn loom_a_callsite_has_one_word() {
    try_all(|| {
        let stack = Arc::new(Stack::default());
        let noting = spawn(&stack, |stack| {
            stack.callsites.register(metadata(), false, ROUTER);
            Callsites::note_parent(stack.word(), true);
        });
        stack.callsites.register(metadata(), true, ROUTER);
        let found = stack.word().load(Ordering::Relaxed);
        assert!(found & Word::KEPT != 0, "its own mark");
        noting.join().unwrap();
        assert_eq!(stack.word().load(Ordering::Relaxed), Word::KEPT | Word::CONTEXTUAL);
    });
}
