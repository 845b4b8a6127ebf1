//! The baseline: one prepared statement through sqlx, on the table and the pool of our store.
//!
//! It encodes and decodes nothing. `by_hand` returns a variant that sends the same statements, and
//! encodes and decodes the data as JSON each time, as every store has to.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use sea_orm::sqlx::{self, Row};
use time::OffsetDateTime;

use crate::ours::session;
use crate::subject::{Data, Subject, expires_at};

struct Sql {
    create: &'static str,
    load: &'static str,
    save: &'static str,
    delete: &'static str,
    touch: &'static str,
    clear: &'static str,
}

macro_rules! statements {
    ($name:ident, $pool:ty, $get_pool:ident, $sql:expr) => {
        #[derive(Clone)]
        pub struct $name {
            pool: $pool,
            json: Arc<str>,
            by_hand: bool,
            created: Arc<AtomicU64>,
        }

        impl $name {
            /// Takes the pool of `store`, and encodes `data` once.
            ///
            /// # Errors
            ///
            /// Returns an error if the data cannot be encoded as JSON.
            pub fn new(store: &session::Store, data: &Data) -> Result<Self> {
                Ok(Self {
                    pool: store.db().$get_pool().clone(),
                    json: serde_json::to_string(data)?.into(),
                    by_hand: false,
                    created: Arc::default(),
                })
            }

            /// Returns a variant that encodes and decodes the data each time.
            #[must_use]
            pub fn by_hand(&self) -> Self {
                Self {
                    by_hand: true,
                    ..self.clone()
                }
            }

            fn json(&self, data: &Data) -> Result<Arc<str>> {
                if self.by_hand {
                    Ok(serde_json::to_string(data)?.into())
                } else {
                    Ok(Arc::clone(&self.json))
                }
            }
        }

        impl Subject for $name {
            type Key = String;

            async fn create(&self, data: &Data) -> Result<String> {
                let sid = format!("{:064x}", self.created.fetch_add(1, Ordering::Relaxed));
                sqlx::query(const { $sql }.create)
                    .bind(&sid)
                    .bind(&*self.json(data)?)
                    .bind(expires_at())
                    .execute(&self.pool)
                    .await?;
                Ok(sid)
            }

            async fn load(&self, sid: &String) -> Result<()> {
                let row = sqlx::query(const { $sql }.load)
                    .bind(sid)
                    .fetch_optional(&self.pool)
                    .await?;
                let row = row.context("missing session")?;
                if self.by_hand {
                    let sqlx::types::Json(data) = row.try_get::<sqlx::types::Json<Data>, _>(0)?;
                    let expires_at: OffsetDateTime = row.try_get(1)?;
                    black_box((data, expires_at));
                }
                Ok(())
            }

            async fn save(&self, sid: &String, data: &Data) -> Result<()> {
                sqlx::query(const { $sql }.save)
                    .bind(&*self.json(data)?)
                    .bind(expires_at())
                    .bind(sid)
                    .execute(&self.pool)
                    .await?;
                Ok(())
            }

            async fn delete(&self, sid: &String) -> Result<()> {
                sqlx::query(const { $sql }.delete)
                    .bind(sid)
                    .execute(&self.pool)
                    .await?;
                Ok(())
            }

            async fn touch(&self, sid: &String) -> Result<()> {
                sqlx::query(const { $sql }.touch)
                    .bind(expires_at())
                    .bind(sid)
                    .execute(&self.pool)
                    .await?;
                Ok(())
            }

            async fn prune(&self) -> Result<()> {
                anyhow::bail!("pruning takes more than one statement")
            }

            async fn clear(&self) -> Result<()> {
                sqlx::query(const { $sql }.clear)
                    .execute(&self.pool)
                    .await?;
                Ok(())
            }
        }
    };
}

statements!(
    Sqlite,
    sqlx::SqlitePool,
    get_sqlite_connection_pool,
    QUESTION_MARKS
);
statements!(
    MySql,
    sqlx::MySqlPool,
    get_mysql_connection_pool,
    QUESTION_MARKS
);
statements!(
    CausalMySql,
    sqlx::MySqlPool,
    get_mysql_connection_pool,
    CAUSAL
);
statements!(
    Postgres,
    sqlx::PgPool,
    get_postgres_connection_pool,
    NUMBERED
);

macro_rules! question_marks {
    ($prefix:literal) => {
        Sql {
            create: concat!(
                $prefix,
                "INSERT INTO session (sid, sess, expire) VALUES (?, ?, ?)"
            ),
            load: concat!($prefix, "SELECT sess, expire FROM session WHERE sid = ?"),
            save: concat!(
                $prefix,
                "UPDATE session SET sess = ?, expire = ? WHERE sid = ?"
            ),
            delete: concat!($prefix, "DELETE FROM session WHERE sid = ?"),
            touch: concat!($prefix, "UPDATE session SET expire = ? WHERE sid = ?"),
            clear: concat!($prefix, "DELETE FROM session"),
        }
    };
}

const QUESTION_MARKS: Sql = question_marks!("");

/// Like our store on a Galera cluster.
const CAUSAL: Sql = question_marks!("/*M! SET STATEMENT wsrep_sync_wait = 7 FOR */ ");

const NUMBERED: Sql = Sql {
    create: "INSERT INTO session (sid, sess, expire) VALUES ($1, $2::json, $3)",
    load: "SELECT sess, expire FROM session WHERE sid = $1",
    save: "UPDATE session SET sess = $1::json, expire = $2 WHERE sid = $3",
    delete: "DELETE FROM session WHERE sid = $1",
    touch: "UPDATE session SET expire = $1 WHERE sid = $2",
    clear: "TRUNCATE session",
};
