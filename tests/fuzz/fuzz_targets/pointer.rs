//! A JSON pointer finds the same value in session data as serde_json's `pointer` in the same object.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sea_orm::ActiveValue;
use serde_json::Value;
use session_store::__private::{Extra, Source};
use session_store::{SessionRef, express_session};
use time::OffsetDateTime;
use tower_sessions::session::Id;

fuzz_target!(|input: (&str, &str)| {
    let (json, pointer) = input;
    // The derive rejects a pointer that does not begin with a slash.
    let Ok(object @ Value::Object(_)) = serde_json::from_str::<Value>(json) else {
        return;
    };
    if !pointer.starts_with('/') {
        return;
    }
    let Value::Object(map) = object.clone() else {
        return;
    };
    let data = map.into_iter().collect();
    let session = SessionRef::new(&Id(1), &data, OffsetDateTime::UNIX_EPOCH);
    let extra = Extra {
        column: express_session::Column::Sess,
        ty: "Json",
        source: Source::Pointer(pointer),
    };
    match (extra.read::<Value>(&session, None), object.pointer(pointer)) {
        (Ok(ActiveValue::Set(found)), Some(expected)) => assert_eq!(&found, expected),
        (Err(_), None) => {}
        (found, expected) => panic!("{pointer}: expected {expected:?}, found {found:?}"),
    }
});
