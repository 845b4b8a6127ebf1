//! Loading a session. This counts as activity, so it touches the session if that is due.

use std::sync::Arc;

use sea_orm::{EntityTrait, QueryFilter, QueryResult, QuerySelect, QueryTrait};
use time::{OffsetDateTime, PrimitiveDateTime};
use tower_sessions::Expiry;
use tower_sessions::session::Id;

use super::SeaOrmStore;
use super::expiry::SessionTimeouts;
use crate::error::Result;
use crate::model::{Data, SessColumn, SessionModel, store_keys};
use crate::sql::Parameters;
use crate::telemetry::Operation;

/// A session as its row has it.
#[derive(Clone)]
pub(crate) struct LoadedSession {
    pub(crate) data: Arc<Data>,
    /// What the `expire` column has.
    pub(super) expire: OffsetDateTime,
    pub(crate) expires_at: OffsetDateTime,
    /// Its own expiry, if it has one.
    pub(crate) expiry: Option<Expiry>,
    pub(super) timeouts: SessionTimeouts,
    /// `None` without a `created_at` column.
    pub(crate) created_at: Option<OffsetDateTime>,
    /// `None` without a `last_seen` column.
    pub(super) last_seen: Option<OffsetDateTime>,
    /// The number of saves. Zero without such a column.
    pub(crate) version: i64,
    /// When loading it has moved its expiry, if it has.
    pub(crate) slid_at: Option<OffsetDateTime>,
}

impl<M: SessionModel> SeaOrmStore<M> {
    /// Loads a session that has not expired, and touches it if that is due.
    pub(crate) async fn load_and_touch(&self, id: &Id) -> Result<Option<LoadedSession>> {
        let Some(mut loaded) = self.select(id).await? else {
            return Ok(None);
        };
        self.touch_or_warn(id, &mut loaded).await;
        Ok(Some(loaded))
    }

    /// Like [`load_and_touch`](Self::load_and_touch), but from the cache if the store has one.
    pub(crate) async fn load_for_request(&self, id: &Id) -> Result<Option<LoadedSession>> {
        #[cfg(feature = "cache")]
        if let Some(cache) = &self.cache {
            return self.load_cached(cache, id).await;
        }
        self.load_and_touch(id).await
    }

    /// Touches a session if that is due. Returns whether it did, or `None` if nothing was due.
    ///
    /// An error is a warning, and the visitor stays signed in: a database that has become read-only should not
    /// end every session that is read.
    pub(super) async fn touch_or_warn(&self, id: &Id, loaded: &mut LoadedSession) -> Option<bool> {
        let touched = self.touch_if_due(id, loaded).await;
        touched.unwrap_or_else(|error| {
            tracing::warn!(%error, "a session was loaded but not touched");
            None
        })
    }

    /// Reads a session that has not expired, without touching it.
    pub(crate) async fn select(&self, id: &Id) -> Result<Option<LoadedSession>> {
        let mut parameters = Parameters::new(self.executor.backend());
        let sid = parameters.bind(self.sid(id));
        let build = || {
            let columns = M::columns();
            let timestamps = [columns.created_at, columns.last_seen]
                .into_iter()
                .flatten();
            let others = timestamps.map(|timestamp| timestamp.column);
            let others = others.chain(columns.version.map(|version| version.column));
            let select = M::Entity::find()
                .select_only()
                .columns([columns.sess, columns.expire.column])
                .columns(others)
                .filter(self.is_sid(sid));
            self.readable(select).into_query()
        };
        let select = self.templates.select.bind(parameters, build);
        match self.executor.query_one(Operation::LOAD, &select).await? {
            Some(row) => self.read(&row),
            None => Ok(None),
        }
    }

    /// Reads a row of `sess`, `expire` and, as far as there are such columns, `created_at`, `last_seen`
    /// and the version.
    fn read(&self, row: &QueryResult) -> Result<Option<LoadedSession>> {
        let columns = M::columns();
        let mut index = 1;
        let mut next = || {
            index += 1;
            index
        };
        let created_at = columns
            .created_at
            .map(|column| columns.read_timestamp(column, row, next()));
        let last_seen = columns
            .last_seen
            .map(|column| columns.read_timestamp(column, row, next()));
        let version = columns
            .version
            .map(|column| columns.read_version(column, row, next()));
        // Ignore unreadable `created_at` and `last_seen` unless they are needed.
        let created_at = match created_at.transpose() {
            Err(error) if self.expiry.has_absolute_timeout() => return Err(error),
            created_at => created_at.ok().flatten().flatten(),
        };
        let never = PrimitiveDateTime::MIN.assume_utc();
        let last_seen = last_seen
            .and_then(Result::ok)
            .map(|last_seen| last_seen.unwrap_or(never));
        let expire = columns.read_expire(row, 1)?;
        let now = self.now();
        if self.expiry.of(None, created_at).limit(expire) <= now {
            return Ok(None);
        }
        let error = |source| columns.decode_error(columns.sess, source);
        let sess = columns.read::<M::Sess>(columns.sess, row, 0)?;
        let data = sess.decode().map_err(error)?;
        let own = store_keys::expiry(&data).map_err(error)?;
        let timeouts = self.expiry.of(own, created_at);
        let expires_at = timeouts.limit(expire);
        if expires_at <= now {
            return Ok(None);
        }
        Ok(Some(LoadedSession {
            data: Arc::new(data),
            expire,
            expires_at,
            expiry: own,
            timeouts,
            created_at,
            last_seen,
            version: version.transpose()?.unwrap_or(0),
            slid_at: None,
        }))
    }
}
