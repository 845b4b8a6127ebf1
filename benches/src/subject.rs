//! The interface through which every store is measured.

use std::collections::HashMap;

use anyhow::Result;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

/// A session's data, as both versions of tower-sessions-core have it.
pub type Data = HashMap<String, Value>;

/// The idle timeout of every store and layer.
pub const IDLE_TIMEOUT: Duration = Duration::days(14);

/// A store to measure.
pub trait Subject: Clone + Send + Sync + 'static {
    /// The session id, or the column that is derived from it.
    type Key: Clone + Send + Sync + 'static;

    fn create(&self, data: &Data) -> impl Future<Output = Result<Self::Key>> + Send;
    fn load(&self, key: &Self::Key) -> impl Future<Output = Result<()>> + Send;
    fn save(&self, key: &Self::Key, data: &Data) -> impl Future<Output = Result<()>> + Send;
    fn delete(&self, key: &Self::Key) -> impl Future<Output = Result<()>> + Send;

    /// Moves the session's expiry. tower-sessions-sqlx-store can do this only by a save.
    fn touch(&self, key: &Self::Key) -> impl Future<Output = Result<()>> + Send;

    /// Deletes the rows of expired sessions.
    fn prune(&self) -> impl Future<Output = Result<()>> + Send;

    /// Deletes every row.
    fn clear(&self) -> impl Future<Output = Result<()>> + Send;
}

/// Returns the expiry of a session that is written now.
#[must_use]
pub fn expires_at() -> OffsetDateTime {
    OffsetDateTime::now_utc() + IDLE_TIMEOUT
}

/// Returns session data of about `bytes` bytes of JSON: a user, a token, a language and a cart.
#[must_use]
pub fn data(bytes: usize) -> Data {
    let item = json!({ "id": 1234, "name": "A thing that someone would buy", "price": 19.9 });
    let items = bytes.saturating_sub(100) / item.to_string().len();
    HashMap::from([
        ("user_id".to_owned(), json!(7)),
        ("csrf".to_owned(), json!("0123456789abcdef0123456789abcdef")),
        ("language".to_owned(), json!("en")),
        ("cart".to_owned(), json!(vec![item; items])),
    ])
}
