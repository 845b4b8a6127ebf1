//! Every kind of `sess` column decodes to the data that was encoded, unless encoding rejects it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sea_orm::Value as SqlValue;
use serde_json::Value;
use session_store::{Data, SessColumn, SessionRef};
use time::OffsetDateTime;
use tower_sessions::session::Id;

fuzz_target!(|text: &str| {
    let Ok(data) = serde_json::from_str::<Data>(text) else {
        return;
    };
    let session = SessionRef::new(&Id(1), &data, OffsetDateTime::UNIX_EPOCH);
    if let Ok(SqlValue::String(Some(text))) = <String as SessColumn>::encode(&session) {
        assert_eq!(text.clone().decode().unwrap(), data);
    }
    if let Ok(SqlValue::String(Some(text))) = <Value as SessColumn>::encode(&session) {
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json.decode().unwrap(), data);
    }
    if let Ok(SqlValue::Bytes(Some(bytes))) = <Vec<u8> as SessColumn>::encode(&session) {
        assert_eq!(bytes.decode().unwrap(), data);
    }
});
