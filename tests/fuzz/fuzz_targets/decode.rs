//! Decoding any bytes never panics, and its error does not quote them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use session_store::SessColumn;

/// Every message of such an error, without the numbers of the line and column.
const MESSAGES: [&str; 4] = [
    "expected a JSON object",
    "expected a JSON object (line , column )",
    "expected JSON text (line , column )",
    "expected a MessagePack map",
];

fn check(sess: impl SessColumn) {
    if let Err(error) = sess.decode() {
        let mut message = error.to_string();
        message.retain(|char| !char.is_ascii_digit());
        assert!(MESSAGES.contains(&message.as_str()), "{error}");
    }
}

fuzz_target!(|row: &[u8]| {
    check(row.to_vec());
    if let Ok(text) = std::str::from_utf8(row) {
        check(text.to_owned());
        if let Ok(json) = serde_json::from_str::<Value>(text) {
            check(json);
        }
    }
});
