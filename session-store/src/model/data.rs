//! Session data, and its encoding as JSON text, which every database returns unchanged.

use std::collections::HashMap;
use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use super::numbers::{Plain, to_plain};
use crate::error::BoxError;

/// The data of a session: what `Session::insert` and `Session::get` work on.
pub type Data = HashMap<String, Value>;

/// The levels of nesting that `serde_json` reads back. More could be written, but never loaded.
pub(crate) const MAX_DEPTH: usize = 127;

pub(crate) fn encode(data: &Data) -> Result<String, BoxError> {
    check_depth(data, MAX_DEPTH)?;
    let mut text = Vec::with_capacity(128);
    Plain(data).serialize(&mut Serializer::with_formatter(&mut text, WholeFloats))?;
    Ok(String::from_utf8(text)?)
}

pub(crate) fn decode(text: &str) -> Result<Data, BoxError> {
    // Keeps only the parts of the source that cannot quote the data.
    let data: Data = serde_json::from_str(text).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "expected a JSON object",
            _ => "expected JSON text",
        };
        format!("{what} (line {}, column {})", error.line(), error.column())
    })?;
    with_plain_numbers(data)
}

/// Returns data that `serde_json` has read, with the numbers that it reads by default.
pub(crate) fn with_plain_numbers(mut data: Data) -> Result<Data, BoxError> {
    data.values_mut().try_for_each(to_plain)?;
    Ok(data)
}

/// Refuses data that is nested deeper than `max` levels, the session's own map included.
pub(crate) fn check_depth(data: &Data, max: usize) -> Result<(), BoxError> {
    let deepest = 1 + data.values().map(depth).max().unwrap_or(0);
    if deepest > max {
        return Err(format!("nested {deepest} levels deep, and the limit is {max}").into());
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Returns whether a key or a text of the data contains a NUL character.
pub(crate) fn has_nul(data: &Data) -> bool {
    fn in_value(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(in_value),
            Value::Object(map) => map
                .iter()
                .any(|(key, value)| key.contains('\0') || in_value(value)),
            _ => false,
        }
    }
    data.iter()
        .any(|(key, value)| key.contains('\0') || in_value(value))
}

/// Writes large whole floats with their digits instead of an exponent: PostgreSQL's `jsonb` turns
/// `1e16` into the integer `10000000000000000`, but keeps `10000000000000000.0`.
struct WholeFloats;

impl Formatter for WholeFloats {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // Above 2^64 an integer is read back as a float anyway.
        if value.fract() == 0.0 && (1e15..1e20).contains(&value.abs()) {
            write!(writer, "{value:.1}")
        } else {
            CompactFormatter.write_f64(writer, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Data, MAX_DEPTH, decode, encode};

    fn nested(levels: usize) -> Data {
        let inner = (1..levels).fold(json!(1), |value, _| Value::Array(vec![value]));
        Data::from([("deep".to_owned(), inner)])
    }

    #[test]
    fn floats_come_back_as_floats() {
        for float in [
            1e15, 1e16, -1e19, 1.8e19, 1e20, 1e300, 5e-324, 0.1, -0.0, 1.0,
        ] {
            let data = Data::from([("f".to_owned(), json!(float))]);
            let text = encode(&data).unwrap();
            assert_eq!(decode(&text).unwrap(), data, "{text}");
        }
        let data = Data::from([("f".to_owned(), json!(1e16))]);
        assert_eq!(encode(&data).unwrap(), r#"{"f":10000000000000000.0}"#);
    }

    #[test]
    fn data_nested_too_deep_to_be_read_is_not_written() {
        let deepest = nested(MAX_DEPTH);
        assert_eq!(decode(&encode(&deepest).unwrap()).unwrap(), deepest);
        let error = encode(&nested(MAX_DEPTH + 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nested 128 levels deep, and the limit is 127"
        );
    }

    #[test]
    fn a_decode_error_does_not_quote_the_data() {
        for text in [r#""secret""#, r#"{"a": secret}"#, r#"["secret"]"#, ""] {
            let error = decode(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
