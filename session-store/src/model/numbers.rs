//! The numbers of session data: each is an `i64`, a `u64` or an `f64`, whatever features `serde_json` has.
//!
//! Any crate of a build may switch on `serde_json`'s `arbitrary_precision`. Then a number is text, which
//! MessagePack would store as a list, and of which `jsonb` would not keep that it is a float.

use std::collections::HashMap;

use serde::ser::{Error, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

use crate::error::BoxError;

/// `serde_json` reads an object with such a key as something else: a number, or JSON in a string. sqlx
/// switches this on.
const RESERVED_KEYS: &str = "$serde_json::private::";

/// Serializes data with each number as its own kind. Refuses what would not come back equal.
pub(super) struct Plain<'a, T>(pub(super) &'a T);

impl Serialize for Plain<'_, HashMap<String, Value>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_map(self.0.iter(), serializer)
    }
}

impl Serialize for Plain<'_, Value> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) => serialize_number(number, serializer),
            Value::Array(items) => serializer.collect_seq(items.iter().map(Plain)),
            Value::Object(map) => serialize_map(map.iter(), serializer),
            value => value.serialize(serializer),
        }
    }
}

fn serialize_map<'a, S: Serializer>(
    entries: impl ExactSizeIterator<Item = (&'a String, &'a Value)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(entries.len()))?;
    for (key, value) in entries {
        if key.starts_with(RESERVED_KEYS) {
            let problem = format!("serde_json reserves keys that start with `{RESERVED_KEYS}`");
            return Err(S::Error::custom(problem));
        }
        map.serialize_entry(key, &Plain(value))?;
    }
    map.end()
}

fn serialize_number<S: Serializer>(number: &Number, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(number) = number.as_i64() {
        return serializer.serialize_i64(number);
    }
    if let Some(number) = number.as_u64() {
        return serializer.serialize_u64(number);
    }
    let float = number.as_f64().filter(|_| number.is_f64());
    match float.filter(|float| is_exact(number, *float)) {
        Some(float) => serializer.serialize_f64(float),
        None => Err(S::Error::custom(
            "expected numbers that fit `i64`, `u64` or `f64`, found another",
        )),
    }
}

fn is_exact(number: &Number, float: f64) -> bool {
    let float = Number::from_f64(float);
    float.is_some_and(|float| float == *number || decimal(&float) == decimal(number))
}

/// Returns the digits of a number without zeros at the ends, and the power of ten of the last.
fn decimal(number: &Number) -> Option<(String, i64)> {
    let text = number.to_string();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches(['-', '0']);
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let exponent = exponent.parse::<i64>().ok()?.checked_add(zeros - places)?;
    Some((significant.to_owned(), exponent))
}

/// Turns each number that is not an integer of 64 bits into a float, as `serde_json` does by default.
pub(super) fn to_plain(value: &mut Value) -> Result<(), BoxError> {
    match value {
        Value::Number(number) if number.as_i64().is_none() && number.as_u64().is_none() => {
            let float = number.as_f64().and_then(Number::from_f64);
            *number = float.ok_or("expected numbers in the range of `f64`")?;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(to_plain),
        Value::Object(map) => map.values_mut().try_for_each(to_plain),
        _ => Ok(()),
    }
}
