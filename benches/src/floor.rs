//! The floor: one prepared statement through sqlx, on our store's table and our store's pool, with
//! nothing encoded and nothing decoded; and the same by hand, with the data as JSON, which is the
//! least that a store has to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use std::hint::black_box;

use anyhow::{Context, Result};
use sea_orm::sqlx::{self, Row};
use time::OffsetDateTime;

use crate::ours::session;
use crate::subject::{Data, Subject, end};

struct Sql {
    create: &'static str,
    load: &'static str,
    save: &'static str,
    delete: &'static str,
    touch: &'static str,
    clear: &'static str,
}

macro_rules! floor {
    ($floor:ident, $pool:ty, $get_pool:ident, $sql:expr) => {
        #[derive(Clone)]
        pub struct $floor {
            pool: $pool,
            json: Arc<str>,
            by_hand: bool,
            created: Arc<AtomicU64>,
        }

        impl $floor {
            /// On the pool of our store, with data that is encoded once.
            ///
            /// # Errors
            ///
            /// The data is no JSON.
            pub fn on(store: &session::Store, data: &Data) -> Result<Self> {
                Ok(Self {
                    pool: store.db().$get_pool().clone(),
                    json: serde_json::to_string(data)?.into(),
                    by_hand: false,
                    created: Arc::default(),
                })
            }

            /// The same statements with the data encoded and decoded each time.
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

        impl Subject for $floor {
            type Key = String;

            async fn create(&self, data: &Data) -> Result<String> {
                let sid = format!("{:064x}", self.created.fetch_add(1, Ordering::Relaxed));
                sqlx::query(const { $sql }.create)
                    .bind(&sid)
                    .bind(&*self.json(data)?)
                    .bind(end())
                    .execute(&self.pool)
                    .await?;
                Ok(sid)
            }

            async fn load(&self, sid: &String) -> Result<()> {
                let row = sqlx::query(const { $sql }.load)
                    .bind(sid)
                    .fetch_optional(&self.pool)
                    .await?;
                let row = row.context("no session")?;
                if self.by_hand {
                    let sqlx::types::Json(data) = row.try_get::<sqlx::types::Json<Data>, _>(0)?;
                    let end: OffsetDateTime = row.try_get(1)?;
                    black_box((data, end));
                }
                Ok(())
            }

            async fn save(&self, sid: &String, data: &Data) -> Result<()> {
                sqlx::query(const { $sql }.save)
                    .bind(&*self.json(data)?)
                    .bind(end())
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
                    .bind(end())
                    .bind(sid)
                    .execute(&self.pool)
                    .await?;
                Ok(())
            }

            async fn prune(&self) -> Result<()> {
                anyhow::bail!("pruning is no statement of its own")
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

floor!(
    Sqlite,
    sqlx::SqlitePool,
    get_sqlite_connection_pool,
    QUESTION_MARKS
);
floor!(
    MySql,
    sqlx::MySqlPool,
    get_mysql_connection_pool,
    QUESTION_MARKS
);
floor!(
    Postgres,
    sqlx::PgPool,
    get_postgres_connection_pool,
    NUMBERED
);

const QUESTION_MARKS: Sql = Sql {
    create: "INSERT INTO session (sid, sess, expire) VALUES (?, ?, ?)",
    load: "SELECT sess, expire FROM session WHERE sid = ?",
    save: "UPDATE session SET sess = ?, expire = ? WHERE sid = ?",
    delete: "DELETE FROM session WHERE sid = ?",
    touch: "UPDATE session SET expire = ? WHERE sid = ?",
    clear: "DELETE FROM session",
};

const NUMBERED: Sql = Sql {
    create: "INSERT INTO session (sid, sess, expire) VALUES ($1, $2::json, $3)",
    load: "SELECT sess, expire FROM session WHERE sid = $1",
    save: "UPDATE session SET sess = $1::json, expire = $2 WHERE sid = $3",
    delete: "DELETE FROM session WHERE sid = $1",
    touch: "UPDATE session SET expire = $1 WHERE sid = $2",
    clear: "TRUNCATE session",
};
