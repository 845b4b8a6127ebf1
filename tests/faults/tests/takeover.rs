//! Both stores share the table of tower-sessions-sqlx-store, with the entity of the guide's chapter
//! `session-store/docs/migrations.md`.
//!
//! Run it with `tests/with-servers cargo test --manifest-path tests/faults/Cargo.toml`. Without servers,
//! it tests only SQLite.

use std::collections::HashMap;

use anyhow::{Context, Result};
use sea_orm::Database;
use serde_json::{Value, json};
use session_store::{SeaOrmStore, SessionModel};
use time::{Duration, OffsetDateTime};
use tower_sessions_sqlx_store::sqlx::{MySqlPool, PgPool, SqlitePool};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

/// The traits and types of tower-sessions 0.14, which tower-sessions-sqlx-store implements.
mod v0_14 {
    pub(crate) use tower_sessions_core::session::{Id, Record};
    pub(crate) use tower_sessions_core::{ExpiredDeletion, SessionStore};
}

// `pub`, as in the entity that SeaORM generates.
#[allow(unreachable_pub)]
mod whole_record {
    use sea_orm::{DeriveValueType, Value};
    use session_store::{Data, SessColumn, SessionRef};

    type BoxError = Box<dyn std::error::Error + Send + Sync>;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
    pub struct WholeRecord(pub Vec<u8>);

    impl SessColumn for WholeRecord {
        fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError> {
            let record = (session.id, session.data, session.expiry_date);
            Ok(rmp_serde::to_vec(&record)?.into())
        }

        fn decode(self) -> Result<Data, BoxError> {
            rmp_serde::from_slice::<tower_sessions::session::Record>(&self.0)
                .map(|record| record.data)
                .map_err(|_| "expected a record of tower-sessions".into())
        }
    }
}

macro_rules! table {
    ($name:ident, $($table:tt)*) => {
        #[allow(unreachable_pub)]
        mod $name {
            use super::whole_record::WholeRecord;
            use sea_orm::entity::prelude::*;
            use session_store::SessionModel;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, SessionModel)]
            #[sea_orm($($table)*)]
            pub struct Model {
                #[session(sid)]
                #[sea_orm(primary_key, auto_increment = false)]
                pub id: String,
                #[session(sess)]
                pub data: WholeRecord,
                #[session(expire)]
                pub expiry_date: TimeDateTimeWithTimeZone,
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

table!(sqlite, table_name = "tower_sessions");
table!(
    schema,
    schema_name = "tower_sessions",
    table_name = "session"
);

#[tokio::test]
async fn on_sqlite_each_reads_what_the_other_writes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}/s.sqlite?mode=rwc", folder.path().display());
    let sqlx_store = SqliteStore::new(SqlitePool::connect(&url).await?);
    sqlx_store.migrate().await?;
    let ours = sqlite::Store::new(Database::connect(&url).await?);
    ours.create_table().await?;
    share(&ours.with_plain_sid(), &sqlx_store).await
}

#[tokio::test]
async fn on_postgresql_each_reads_what_the_other_writes() -> Result<()> {
    let Ok(url) = std::env::var("SESSION_STORE_POSTGRES_URL") else {
        return Ok(());
    };
    let sqlx_store = PostgresStore::new(PgPool::connect(&url).await?);
    sqlx_store.migrate().await?;
    let ours = schema::Store::new(Database::connect(&url).await?);
    ours.create_table().await?;
    share(&ours.with_plain_sid(), &sqlx_store).await
}

#[tokio::test]
async fn on_mariadb_each_reads_what_the_other_writes() -> Result<()> {
    let Ok(url) = std::env::var("SESSION_STORE_MARIADB_URL") else {
        return Ok(());
    };
    let sqlx_store = MySqlStore::new(MySqlPool::connect(&url).await?);
    sqlx_store.migrate().await?;
    // The URL names another database than the schema of the entity.
    let ours = schema::Store::new(Database::connect(&url).await?);
    ours.create_table().await?;
    assert!(ours.has_expire_index().await?);
    share(&ours.with_plain_sid(), &sqlx_store).await
}

fn data(n: u32) -> HashMap<String, Value> {
    let cart = json!([{"price": 2.5, "n": u64::MAX}, null, "ä"]);
    HashMap::from([("user_id".into(), json!(n)), ("cart".into(), cart)])
}

async fn share<M, P>(ours: &SeaOrmStore<M>, sqlx_store: &P) -> Result<()>
where
    M: SessionModel,
    P: v0_14::SessionStore + v0_14::ExpiredDeletion,
{
    use tower_sessions::SessionStore as _;

    let now = OffsetDateTime::now_utc();
    let microseconds = i64::from(now.microsecond());
    let now = now.replace_nanosecond(0)? + Duration::microseconds(microseconds);

    // tower-sessions-sqlx-store creates a session, we load and save it, and it loads the change.
    let mut record = v0_14::Record {
        id: v0_14::Id::default(),
        data: data(1),
        expiry_date: now + Duration::HOUR,
    };
    sqlx_store.create(&mut record).await?;
    let id = tower_sessions::session::Id(record.id.0);
    let mut loaded = ours
        .load(&id)
        .await?
        .context("our store does not find the other's session")?;
    assert_eq!(loaded.data, record.data);
    assert_eq!(loaded.expiry_date, record.expiry_date);
    loaded.data.insert("seen".into(), json!(true));
    ours.save(&loaded).await?;
    let read = sqlx_store
        .load(&record.id)
        .await?
        .context("tower-sessions-sqlx-store does not find its session")?;
    assert_eq!(read.id, record.id);
    assert_eq!(read.data, loaded.data);
    assert_eq!(read.expiry_date, loaded.expiry_date);

    // We create a session, tower-sessions-sqlx-store loads and saves it, we load the change, and it
    // deletes the session.
    let mut record = tower_sessions::session::Record {
        id: tower_sessions::session::Id::default(),
        data: data(2),
        expiry_date: now + Duration::HOUR,
    };
    ours.create(&mut record).await?;
    let id = v0_14::Id(record.id.0);
    let mut read = sqlx_store
        .load(&id)
        .await?
        .context("tower-sessions-sqlx-store does not find our session")?;
    assert_eq!(read.data, record.data);
    read.data.insert("seen".into(), json!(true));
    sqlx_store.save(&read).await?;
    let loaded = ours
        .load(&record.id)
        .await?
        .context("our store does not find its session")?;
    assert_eq!(loaded.data, read.data);
    sqlx_store.delete(&id).await?;
    assert_eq!(ours.load(&record.id).await?, None);

    // Each prunes an expired session that the other wrote, and keeps the active one.
    let mut expired = record.clone();
    expired.id = tower_sessions::session::Id::default();
    expired.expiry_date = now - Duration::HOUR;
    ours.create(&mut expired).await?;
    sqlx_store.delete_expired().await?;
    assert_eq!(ours.prune().await?, 0);

    let expired = v0_14::Record {
        id: v0_14::Id::default(),
        data: expired.data,
        expiry_date: expired.expiry_date,
    };
    sqlx_store.save(&expired).await?;
    assert_eq!(ours.prune().await?, 1);
    assert_eq!(ours.count().await?, 1);
    Ok(())
}
