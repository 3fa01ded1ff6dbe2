//! Sharing the parent's scope under `loom`, while another thread begins to follow the span.

use super::*;
use crate::layer::alone::Alone;
use crate::layer::callsite::Callsites;
use crate::layer::tree::Trees;
use crate::sync::{thread, try_all};
use crate::value::PackedBytes;
use tracing_core::Callsite;

const TREE: usize = 1;
const GENERATION: u32 = 1;

fn span() -> Alone {
    let metadata = tracing::callsite! { name: "span", kind: tracing::metadata::Kind::SPAN, fields: }.metadata();
    let place = Placement::below(7, Some(TREE)).while_watched(Callsites::absent_word(GENERATION), 0);
    Alone::of(1, NewSpan { metadata, visible: true, fields: &PackedBytes::new(), place: Some(place) })
}

/// Who enters the span after a decision for its parent and goes on by that decision must find it stale once the span is
/// followed.
#[test]
fn loom_a_span_that_is_followed_shares_no_scope_for_good() {
    try_all(|| {
        let shared = Arc::new((span(), Trees::default()));
        let following = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (span, trees) = &*shared;
                span.notes.stop_sharing();
                trees.count_deciding(TREE);
            })
        };
        let (span, trees) = &*shared;
        let decided_for_parent = trees.deciding(TREE);
        let shares = span.notes.say_absent_in(GENERATION);
        following.join().unwrap();
        assert!(!shares || trees.deciding(TREE) != decided_for_parent, "it goes on with its parent's decision");
    });
}
