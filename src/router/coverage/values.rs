//! Tests that the values seen so far can never satisfy, by the shapes of those values.

use super::Inquiry;
use super::spans::declares;
use crate::coverage::Finding;
use crate::layer::key_of;
use crate::predicate::{FieldTest, Test, plain_name};
use crate::value::Shape;
use rustc_hash::{FxHashMap, FxHashSet};
use tracing_core::Metadata;

/// How many open spans are looked at.
const MAX_SPANS: usize = 10_000;

/// The shapes of the values that open spans have in tested fields, as bits, by callsite and field.
#[derive(Debug, Default)]
pub(super) struct SpanShapes(FxHashMap<(usize, String), u64>);

impl Inquiry<'_> {
    pub(super) fn look_at_values(&mut self) {
        self.span_shapes = self.survey();
        let mut found = Vec::new();
        for test in self.predicate.tests().filter_map(Test::field) {
            for key in test.keys() {
                let shapes = self.shapes_of(key);
                if shapes != 0 && !Shape::of_bits(shapes).any(|shape| test.admits_shape(shape)) {
                    let shapes = Shape::of_bits(shapes).collect();
                    found.push(Finding::ValueShape { field: key.to_string(), shapes });
                }
            }
        }
        found.into_iter().for_each(|finding| self.find(finding));
    }

    /// Whether a callsite that declares a field may bring a value in it that passes. Where none was seen, any may come.
    pub(super) fn may_supply(&self, metadata: &Metadata<'_>, key: &str, test: &FieldTest) -> bool {
        let shapes = self.shapes_at(metadata, key);
        shapes == 0 || Shape::of_bits(shapes).any(|shape| test.admits_shape(shape))
    }

    /// The shapes of all values of a field that were seen so far.
    fn shapes_of(&self, key: &str) -> u64 {
        let spans = self.spans.iter().filter(|site| site.exists()).map(|site| site.metadata);
        let declaring = spans.chain(self.events.iter().copied()).filter(|metadata| declares(metadata, key));
        declaring.fold(0, |shapes, metadata| shapes | self.shapes_at(metadata, key))
    }

    fn shapes_at(&self, metadata: &Metadata<'_>, key: &str) -> u64 {
        let open = self.span_shapes.0.get(&(key_of(metadata), key.to_owned())).copied().unwrap_or(0);
        let field = metadata.fields().iter().find(|field| plain_name(field.name()) == key);
        open | field.map_or(0, |field| self.core.shared.seen.shapes_of(key_of(metadata), field.index()))
    }

    /// Looks at the values of the spans that are open now.
    fn survey(&self) -> SpanShapes {
        let tested: FxHashSet<&str> = self.tested_fields().collect();
        let declaring = self.spans.iter().filter(|site| tested.iter().any(|key| site.declares(key)));
        let wanted: FxHashSet<usize> = declaring.map(|site| key_of(site.metadata)).collect();
        let mut shapes = SpanShapes::default();
        if wanted.is_empty() {
            return shapes;
        }
        for (instance, _) in &self.installed {
            let wants = |metadata: &'static Metadata<'static>| wanted.contains(&key_of(metadata));
            instance.survey_spans(MAX_SPANS, wants, |metadata, fields| {
                for (name, value) in fields.iter().filter(|(name, _)| tested.contains(name)) {
                    let bit = Shape::of(value).map_or(0, Shape::bit);
                    *shapes.0.entry((key_of(metadata), name.to_owned())).or_default() |= bit;
                }
            });
        }
        shapes
    }
}
