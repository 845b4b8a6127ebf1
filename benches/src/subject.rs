//! What is asked of a store, whichever crate it is from.

use std::collections::HashMap;

use anyhow::Result;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

/// A session's data as both versions of tower-sessions-core have it.
pub type Data = HashMap<String, Value>;

/// A session of one's own that a store can find again.
pub trait Subject: Clone + Send + Sync + 'static {
    /// How it finds a session: the id, or what it makes of it.
    type Key: Clone + Send + Sync + 'static;

    fn create(&self, data: &Data) -> impl Future<Output = Result<Self::Key>> + Send;
    fn load(&self, key: &Self::Key) -> impl Future<Output = Result<()>> + Send;
    fn save(&self, key: &Self::Key, data: &Data) -> impl Future<Output = Result<()>> + Send;
    fn delete(&self, key: &Self::Key) -> impl Future<Output = Result<()>> + Send;

    /// Moves the session's end, which the peer does by a save.
    fn touch(&self, key: &Self::Key) -> impl Future<Output = Result<()>> + Send;

    /// Deletes the rows of expired sessions.
    fn prune(&self) -> impl Future<Output = Result<()>> + Send;

    /// Deletes the rows of all sessions.
    fn clear(&self) -> impl Future<Output = Result<()>> + Send;
}

/// When a session ends that is written now.
#[must_use]
pub fn end() -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(14)
}

/// The data of a session of some size, in bytes of JSON: a user, a token, and a cart.
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
