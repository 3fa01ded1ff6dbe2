//! Whether a test of a field can be true of values of some shape.

use super::field::{Check, FieldTest};
use crate::value::{Number, Shape};

impl FieldTest {
    /// Whether some value of this shape could pass. Yes wherever the shape does not rule it out.
    pub(crate) fn admits_shape(&self, shape: Shape) -> bool {
        match self.check() {
            Check::Equals(texts) => texts.iter().any(|text| can_read(shape, text)),
            Check::Ordered(..) => matches!(shape, Shape::Number | Shape::NumericText),
            Check::Exists | Check::StartsWith(_) | Check::EndsWith(_) | Check::Contains(_) | Check::Matches(_) => true,
        }
    }
}

/// Whether a value of this shape could be printed as `text`.
fn can_read(shape: Shape, text: &str) -> bool {
    match shape {
        Shape::Number => Number::parse(text).is_some() || matches!(text, "inf" | "-inf"),
        Shape::Boolean => matches!(text, "true" | "false"),
        // A field that was seen with a unit may say `unlimited` another time, but hardly a bare number.
        Shape::TextWithUnit => Number::parse(text).is_none(),
        Shape::Optional => Shape::of_text(text) == Shape::Optional,
        Shape::Structure => Shape::of_text(text) == Shape::Structure || is_variant(text),
        Shape::Collection => Shape::of_text(text) == Shape::Collection,
        Shape::Bytes => text.starts_with('['),
        Shape::NumericText | Shape::Text => true,
    }
}

/// Other variants of an enum may have no fields.
fn is_variant(text: &str) -> bool {
    text.starts_with(char::is_uppercase) && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::predicate::Predicate;

    #[track_caller]
    fn check(predicate: &str, admitted: &[Shape], ruled_out: &[Shape]) {
        let predicate: Predicate = predicate.parse().unwrap();
        let test = predicate.tests().next().unwrap().field().unwrap();
        for shape in admitted {
            assert!(test.admits_shape(*shape), "{predicate}: {shape}");
        }
        for shape in ruled_out {
            assert!(!test.admits_shape(*shape), "{predicate}: {shape}");
        }
    }

    #[test]
    fn a_test_rules_out_the_shapes_it_can_never_be_true_of() {
        use Shape::{Boolean, Bytes, Collection, Number, NumericText, Optional, Structure, Text, TextWithUnit};
        let composed = [Optional, Structure, Collection, TextWithUnit, Boolean, Bytes];
        check("user = 42", &[Number, NumericText, Text], &composed);
        check("user = alice", &[NumericText, Text, TextWithUnit], &[Number, Boolean, Optional, Structure, Collection]);
        check(r#"user = "Some(42)""#, &[Optional, Text], &[Number, Structure]);
        check("role = Guest", &[Structure, Text], &[Optional, Number]);
        check("latency > 0", &[Number, NumericText], &[Text, TextWithUnit, Optional, Structure, Boolean]);
        check(r#"latency = "2 ms""#, &[TextWithUnit, Text], &[Number]);
        check("active = true", &[Boolean, Text], &[Number]);
        check("user ^= 4", &Shape::ALL, &[]);
        check("user exists", &Shape::ALL, &[]);
    }
}
