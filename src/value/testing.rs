//! Values for tests.

use super::{Bytes, Text, Value};
use proptest::prelude::*;

/// A value of any kind, cut or not.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let text = || (".{0,40}", any::<bool>()).prop_map(|(text, cut)| Text::kept(&text, cut));
    prop_oneof![
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::U64),
        any::<i128>().prop_map(Value::I128),
        any::<u128>().prop_map(Value::U128),
        any::<f64>().prop_map(Value::F64),
        any::<bool>().prop_map(Value::Bool),
        text().prop_map(Value::Str),
        text().prop_map(Value::Debug),
        text().prop_map(Value::Error),
        (any::<Vec<u8>>(), 0_usize..40).prop_map(|(bytes, kept)| Value::Bytes(Bytes::limited(&bytes, kept))),
        Just(Value::Redacted),
        Just(Value::Null),
    ]
}
