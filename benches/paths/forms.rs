//! What one captured event costs in each form, written into a buffer that is reused.

use crate::measure::nanoseconds;
use std::hint::black_box;
use tracing_subscriber::prelude::*;
use tracing_tap::{Format, Item, Predicate, TapRouter, write_item};

/// Writes the event that `emit` makes, again and again.
pub(crate) fn written(format: Format, emit: impl FnOnce()) -> f64 {
    let item = captured(emit);
    let mut out = Vec::new();
    nanoseconds(|| {
        out.clear();
        write_item(&mut out, black_box(&item), format);
        black_box(&out);
    })
}

fn captured(emit: impl FnOnce()) -> Item {
    let router = TapRouter::new();
    let _default = tracing_subscriber::registry().with(router.layer()).set_default();
    let mut stream = router.watch(Predicate::everything());
    emit();
    stream.try_recv().expect("the event matches")
}
