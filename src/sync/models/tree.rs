//! Counts of records under `loom`, with the spans they are about, while another thread opens a session.

use super::*;
use crate::event::{Fields, Lane};
use crate::layer::alone::Alone;
use crate::layer::kept::NewSpan;
use crate::session::published::{Epoch, Published};
use crate::sync::{thread, try_all};
use crate::value::ValueRef;
use std::sync::Arc;
use tracing_core::{Callsite, Metadata};

const TREE: usize = 1;

const BEFORE: u64 = 41;
const AFTER: u64 = 42;

fn metadata() -> &'static Metadata<'static> {
    tracing::callsite! { name: "span", kind: tracing::metadata::Kind::SPAN, fields: user }.metadata()
}

fn fields(user: u64) -> Fields {
    let mut fields = Fields::named(metadata().fields());
    fields.push(0, ValueRef::U64(user));
    fields
}

/// One that was created while no session was open: its notes begin with the first look.
fn span() -> Alone {
    Alone::of(1, NewSpan { metadata: metadata(), visible: true, fields: fields(BEFORE).packed(), place: None })
}

fn user_of(span: &Alone) -> u64 {
    let captured = span.cell().captured(Lane::new(0, 0)).expect("the span is visible");
    match captured.fields.last("user") {
        Some(ValueRef::U64(user)) => user,
        other => panic!("{other:?}"),
    }
}

/// What a scope would be kept with and by.
fn decide(trees: &Trees, span: &Alone) -> (u64, u64) {
    let records = trees.deciding(TREE);
    (records, user_of(span))
}

/// What is decided by a value is kept until one count moves, and what is captured until the other does.
#[test]
fn loom_a_kept_value_is_the_last_recorded() {
    check_kept_value(Trees::count_deciding, Trees::deciding);
    check_kept_value(Trees::count, Trees::all);
}

fn check_kept_value(count: fn(&Trees, usize), counted: fn(&Trees, usize) -> u64) {
    try_all(move || {
        let shared = Arc::new((Trees::default(), span()));
        let recording = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (trees, span) = &*shared;
                span.cell().record(&fields(AFTER));
                count(trees, TREE);
            })
        };
        let (trees, span) = &*shared;
        let (records, user) = (counted(trees, TREE), user_of(span));
        recording.join().unwrap();
        assert!(counted(trees, TREE) != records || user == user_of(span), "{user} is kept for good");
    });
}

/// A record that no open session is concerned by is not counted, nor is any while no session is open. A session that is
/// opened meanwhile finds what it set.
#[test]
fn loom_a_record_is_counted_or_a_new_session_sees_it() {
    try_all(|| {
        let shared = Arc::new((Trees::default(), span(), Published::<bool>::default(), Epoch::default()));
        let recording = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (trees, span, is_concerned, epoch) = &*shared;
                span.cell().record(&fields(AFTER));
                if epoch.current() != 0 && **is_concerned.load() {
                    trees.count_deciding(TREE);
                }
            })
        };
        let opening = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (.., is_concerned, epoch) = &*shared;
                is_concerned.replace(true, std::iter::once(epoch));
            })
        };
        let (trees, span, _, epoch) = &*shared;
        let kept = (epoch.current() != 0).then(|| decide(trees, span));
        recording.join().unwrap();
        opening.join().unwrap();
        if let Some((records, user)) = kept {
            assert!(trees.deciding(TREE) != records || user == user_of(span), "{user} is kept for good");
        }
    });
}
