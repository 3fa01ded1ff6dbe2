//! The same job by `a-tree`: which of many expressions does an event satisfy?
//!
//! Only with `--cfg a_tree`: the generator of its parser takes a minute of the processor to build.

use crate::measure::nanoseconds;
use crate::operations::own_field;
use crate::service::elsewhere;
use crate::table::{Path, path};
use a_tree::{ATree, AttributeDefinition};
use std::hint::black_box;

const SAME: &str = "as many sessions";

pub(crate) const EXPRESSIONS: &[Path] = &[
    path("a-tree, 1 expression: user of an event", || found(1), || elsewhere(1, own_field), SAME),
    path("a-tree, 1,000 expressions", || found(1_000), || elsewhere(1_000, own_field), SAME),
    path("a-tree, 100,000 expressions", || found(100_000), || elsewhere(100_000, own_field), SAME),
];

/// Makes an event of one attribute and looks for the expressions it satisfies, which none does.
fn found(expressions: usize) -> f64 {
    let mut tree = ATree::new(&[AttributeDefinition::string("user")]).expect("one attribute is not there twice");
    for number in 0..expressions {
        let expression = format!("user = \"{}\"", 1_000_000 + number);
        tree.insert(&number, &expression).expect("this is an expression");
    }
    nanoseconds(|| {
        let mut event = tree.make_event();
        event.with_string("user", black_box("7")).expect("the attribute is a text");
        let event = event.build().expect("there is no other attribute");
        black_box(tree.search(&event).expect("the event is of this tree").matches().len());
    })
}
