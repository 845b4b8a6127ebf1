//! A table of tower-sessions-sqlx-store, taken over from that store and given back to it.
//!
//! ```sh
//! tests/with-servers cargo test --manifest-path faults/Cargo.toml
//! ```

#![allow(unreachable_pub)]

#[path = "../../tests/tests/migrations/takeover/whole_record.rs"]
mod whole_record;

use std::env;

use anyhow::{Context, Result};
use sea_orm::Database;
use serde_json::json;
use session_store::{SeaOrmStore, SessionModel};
use time::{Duration, OffsetDateTime};
use tower_sessions_core::SessionStore as PeerStore;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_sqlx_store::sqlx::{MySqlPool, PgPool, SqlitePool};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

macro_rules! entity {
    ($name:ident, $($table:tt)*) => {
        mod $name {
            use sea_orm::entity::prelude::*;
            use session_store::SessionModel;

            use super::whole_record::WholeRecord;

            #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
            #[sea_orm($($table)*)]
            pub struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                #[session(sid)]
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

// Where that store keeps its sessions unless it is told otherwise.
entity!(on_sqlite, table_name = "tower_sessions");
entity!(
    on_a_server,
    schema_name = "tower_sessions",
    table_name = "session"
);

#[tokio::test]
async fn a_session_goes_from_the_peer_to_ours_and_back_on_sqlite() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}/test.sqlite?mode=rwc", folder.path().display());
    let peer = SqliteStore::new(SqlitePool::connect(&url).await?);
    peer.migrate().await?;
    let db = Database::connect(url).await?;
    to_and_fro(peer, on_sqlite::Store::new(db)).await
}

#[tokio::test]
async fn a_session_goes_from_the_peer_to_ours_and_back_on_postgresql() -> Result<()> {
    let url = env::var("SESSION_STORE_POSTGRES_URL").context("run it by `tests/with-servers`")?;
    let peer = PostgresStore::new(PgPool::connect(&url).await?);
    peer.migrate().await?;
    let db = Database::connect(url).await?;
    to_and_fro(peer, on_a_server::Store::new(db)).await
}

#[tokio::test]
async fn a_session_goes_from_the_peer_to_ours_and_back_on_mariadb() -> Result<()> {
    let url = env::var("SESSION_STORE_MARIADB_URL").context("run it by `tests/with-servers`")?;
    let peer = MySqlStore::new(MySqlPool::connect(&url).await?);
    peer.migrate().await?;
    let db = Database::connect(url).await?;
    to_and_fro(peer, on_a_server::Store::new(db)).await
}

async fn to_and_fro<M: SessionModel>(peer: impl PeerStore, ours: SeaOrmStore<M>) -> Result<()> {
    let ours = ours.with_plain_sid().with_life(Duration::DAY);
    ours.create_table().await?;
    let mut before = Record {
        id: Id::default(),
        data: [("user".to_owned(), json!({ "name": "ann", "age": 40.5 }))].into(),
        expiry_date: OffsetDateTime::now_utc() + Duration::HOUR,
    };
    peer.create(&mut before).await?;

    let id = session_store::Id(before.id.0);
    let mut session = tower_sessions::SessionStore::load(&ours, &id)
        .await?
        .context("ours does not find it")?;
    assert_eq!(session.data, before.data);

    session.data.insert("cart".to_owned(), json!(["tea"]));
    tower_sessions::SessionStore::save(&ours, &session).await?;
    let mut after = peer.load(&before.id).await?.context("the peer does not")?;
    assert_eq!(after.data, session.data);

    after.data.remove("user");
    peer.save(&after).await?;
    let session = tower_sessions::SessionStore::load(&ours, &id).await?;
    assert_eq!(session.context("ours does not")?.data, after.data);

    peer.delete(&before.id).await?;
    assert_eq!(ours.count().await?, 0);
    Ok(())
}
