//! The keys of the data that belong to the store: what a session itself says of its expiry, and when its
//! visitor was last authenticated.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tower_sessions::Expiry;

use super::data::Data;
use crate::error::BoxError;
use crate::sql::utc;

/// The key of a session's own expiry. Under `store.layer()`, the application does not see it.
pub(crate) const EXPIRY: &str = "session-store.expiry";

/// The key of the time of the last authentication, as text (RFC 3339).
pub(crate) const AUTHENTICATED_AT: &str = "session-store.authenticated_at";

/// How an [`Expiry`] is stored: its own format of a duration depends on features of the crate `time`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredExpiry {
    OnSessionEnd,
    OnInactivity(std::time::Duration),
    AtDateTime(#[serde(with = "time::serde::rfc3339")] OffsetDateTime),
}

/// Encodes a session's own expiry.
pub(crate) fn encode_expiry(expiry: Expiry) -> Result<Value, BoxError> {
    let stored = match expiry {
        Expiry::OnSessionEnd => StoredExpiry::OnSessionEnd,
        Expiry::OnInactivity(timeout) if timeout.is_positive() => {
            StoredExpiry::OnInactivity(timeout.unsigned_abs())
        }
        Expiry::OnInactivity(timeout) => {
            let problem = format!(
                "expected a positive duration in `Expiry::OnInactivity`, found {timeout}; to end the \
                 session, call `Session::flush`"
            );
            return Err(problem.into());
        }
        Expiry::AtDateTime(end) => StoredExpiry::AtDateTime(utc(end)),
    };
    Ok(serde_json::to_value(stored)?)
}

/// Returns the session's own expiry, if it has one.
pub(crate) fn expiry(data: &Data) -> Result<Option<Expiry>, BoxError> {
    let Some(value) = data.get(EXPIRY) else {
        return Ok(None);
    };
    let problem = || format!("expected an expiry under the key `{EXPIRY}`");
    let expiry = match StoredExpiry::deserialize(value).map_err(|_| problem())? {
        StoredExpiry::OnSessionEnd => Expiry::OnSessionEnd,
        StoredExpiry::OnInactivity(timeout) => {
            Expiry::OnInactivity(timeout.try_into().map_err(|_| problem())?)
        }
        StoredExpiry::AtDateTime(end) => Expiry::AtDateTime(end),
    };
    Ok(Some(expiry))
}

/// Encodes the time of an authentication.
pub(crate) fn encode_authenticated_at(timestamp: OffsetDateTime) -> Value {
    // RFC 3339 has no years before 0 or after 9999, and no clock is set to one.
    let text = utc(timestamp).format(&Rfc3339);
    text.map_or(Value::Null, Value::from)
}

/// Returns when the session's visitor was last authenticated.
pub(crate) fn authenticated_at(data: &Data) -> Option<OffsetDateTime> {
    parse_authenticated_at(data.get(AUTHENTICATED_AT)?)
}

/// Returns the time of an authentication, if this is one.
pub(crate) fn parse_authenticated_at(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339)
        .ok()
        .map(utc)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;
    use time::{Duration, OffsetDateTime};
    use tower_sessions::Expiry;

    use super::{AUTHENTICATED_AT, Data, EXPIRY};

    fn data(key: &str, value: serde_json::Value) -> Data {
        Data::from([(key.to_owned(), value)])
    }

    #[test]
    fn an_expiry_comes_back_equal() {
        for expiry in [
            Expiry::OnSessionEnd,
            Expiry::OnInactivity(Duration::days(30)),
            Expiry::OnInactivity(Duration::NANOSECOND),
            Expiry::OnInactivity(Duration::MAX),
            Expiry::AtDateTime(datetime!(2026-11-26 10:00:00.123456789 +02:30)),
            Expiry::AtDateTime(datetime!(2026-11-26 10:00 +02:30:15)),
        ] {
            let stored = data(EXPIRY, super::encode_expiry(expiry).unwrap());
            assert_eq!(super::expiry(&stored).unwrap(), Some(expiry));
        }
        assert_eq!(super::expiry(&Data::new()).unwrap(), None);
    }

    #[test]
    fn an_idle_timeout_of_zero_or_less_is_refused() {
        for timeout in [Duration::ZERO, -Duration::SECOND] {
            let error = super::encode_expiry(Expiry::OnInactivity(timeout)).unwrap_err();
            assert!(error.to_string().contains("expected a positive duration"));
        }
    }

    #[test]
    fn an_expiry_that_the_store_has_not_written_is_refused() {
        for value in [
            json!(null),
            json!(30),
            json!({"on_inactivity": -1}),
            json!("secret"),
        ] {
            let error = super::expiry(&data(EXPIRY, value)).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_time_of_an_authentication_comes_back_equal() {
        let now = OffsetDateTime::now_utc();
        let stored = data(AUTHENTICATED_AT, super::encode_authenticated_at(now));
        assert_eq!(super::authenticated_at(&stored), Some(now));
        assert_eq!(
            super::authenticated_at(&data(AUTHENTICATED_AT, json!(1))),
            None
        );
    }
}
