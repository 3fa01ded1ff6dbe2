//! Reading values out of `tracing`: one place where code of the users runs, bounded and guarded.

use crate::guard::run_user_code;
use crate::predicate::plain_name;
use crate::value::{TextRef, ValueRef};
use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Write};
use tracing_core::field::{Field, Visit};

/// What stands for a value whose `Debug` or `Display` panicked.
pub(crate) const PANICKED: &str = "<panicked while formatting>";

/// What stands for a value that would have to be printed inside of another one.
const NOT_PRINTED: ValueRef<'_> =
    ValueRef::Debug(TextRef { text: "<recorded while another value was formatted>", cut: false });

/// Takes the values of an event or span, one after the other.
pub(crate) trait Sink {
    /// Whether the value of this field is needed at all; it is not formatted otherwise.
    fn wants(&mut self, field: Named) -> bool;
    /// Takes the value of a field it wants.
    fn take(&mut self, field: Named, value: ValueRef<'_>);
}

/// A field by its plain name and its place among those of its callsite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) index: usize,
}

/// Hands values to a [`Sink`], none longer than `max_value_bytes`. Callers hold the [`Guard`](crate::guard::Guard).
pub(crate) struct Visitor<'a, K> {
    pub(crate) sink: &'a mut K,
    pub(crate) max_value_bytes: usize,
    /// Whether values are printed. Inside of one that is being printed none is: it may be that very one.
    pub(crate) prints: bool,
}

impl<K: Sink> Visitor<'_, K> {
    #[inline(always)]
    fn wanted(&mut self, field: &Field) -> Option<Named> {
        let field = Named { name: plain_name(field.name()), index: field.index() };
        self.sink.wants(field).then_some(field)
    }

    #[inline(always)]
    fn take(&mut self, field: &Field, value: ValueRef<'_>) {
        if let Some(field) = self.wanted(field) {
            self.sink.take(field, value);
        }
    }
}

impl<K: Sink> Visit for Visitor<'_, K> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, ValueRef::F64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, ValueRef::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, ValueRef::U64(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.take(field, ValueRef::I128(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.take(field, ValueRef::U128(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, ValueRef::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let kept = crate::value::kept_part(value, self.max_value_bytes);
        self.take(field, ValueRef::Str(TextRef { text: kept, cut: kept.len() < value.len() }));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let kept = &value[..value.len().min(self.max_value_bytes)];
        self.take(field, ValueRef::Bytes { bytes: kept, cut: kept.len() < value.len() });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if let Some(field) = self.wanted(field) {
            if !self.prints {
                return self.sink.take(field, NOT_PRINTED);
            }
            let shown = |text: TextRef<'_>| self.sink.take(field, ValueRef::Error(text));
            with_formatted(&format_args!("{value}"), self.max_value_bytes, shown);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(field) = self.wanted(field) {
            if !self.prints {
                return self.sink.take(field, NOT_PRINTED);
            }
            let shown = |text: TextRef<'_>| self.sink.take(field, ValueRef::Debug(text));
            with_formatted(value, self.max_value_bytes, shown);
        }
    }
}

thread_local! {
    /// Kept between values, so that formatting one allocates nothing. Taken while in use: users' code may format too.
    static SCRATCH: Cell<String> = const { Cell::new(String::new()) };
}

/// Capacity above which the scratch buffer is not kept.
const MAX_KEPT_SCRATCH_BYTES: usize = 64 << 10;

/// Formats `value` into a buffer that stops it at `max_bytes`, and shows what came out of it.
fn with_formatted(value: &dyn fmt::Debug, max_bytes: usize, show: impl FnOnce(TextRef<'_>)) {
    // While the thread ends the buffer may be gone; then a new one serves.
    let buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    let mut writer = LimitedWriter { buffer, max_bytes, cut: false };
    writer.buffer.clear();
    match run_user_code(|| write!(writer, "{value:?}")) {
        // An `Err` without a cut is the user's own; what was written until then is what the value said.
        Some(_) => show(TextRef { text: &writer.buffer, cut: writer.cut }),
        None => show(TextRef { text: PANICKED, cut: false }),
    }
    if writer.buffer.capacity() <= MAX_KEPT_SCRATCH_BYTES {
        let _ = SCRATCH.try_with(|scratch| scratch.set(writer.buffer));
    }
}

struct LimitedWriter {
    buffer: String,
    max_bytes: usize,
    cut: bool,
}

impl Write for LimitedWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.cut {
            return Err(fmt::Error);
        }
        let kept = crate::value::kept_part(text, self.max_bytes - self.buffer.len());
        self.buffer.push_str(kept);
        self.cut = kept.len() < text.len();
        if self.cut { Err(fmt::Error) } else { Ok(()) }
    }
}
