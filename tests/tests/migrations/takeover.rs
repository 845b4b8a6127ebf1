//! A table of tower-sessions-sqlx-store that an entity takes over, with everybody in it signed in.
//!
//! `faults/tests/takeover.rs` does it with that store itself.

mod whole_record;

use axum::Router;
use axum::routing::get;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityName, QueryResult, Value};
use serde_json::json;
use session_store::{Id, SeaOrmStore, SessionModel};
use tests::database::execute;
use tests::{Visitor, on_every_database};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::Record;
use tower_sessions::{Session, SessionStore};

on_every_database!(
    a_visitor_of_the_earlier_store_stays_signed_in,
    what_is_saved_is_read_by_the_earlier_store,
    ids_can_be_hashed_afterwards_with_everybody_signed_in,
);

#[test]
fn the_guide_has_the_type_that_is_tested() {
    let guide = include_str!("../../../session-store/docs/migrations.md");
    assert!(guide.contains(include_str!("takeover/whole_record.rs")));
}

/// The tables as tower-sessions-sqlx-store 0.15 makes them. Its default schema on MySQL is a database
/// of its own; here it is the test's.
const SQLITE: &str = "
create table if not exists tower_sessions
(
    id text primary key not null,
    data blob not null,
    expiry_date integer not null
)";
const POSTGRES: &str = r#"
create schema if not exists "tower_sessions";
create table if not exists "tower_sessions"."session"
(
    id text primary key not null,
    data bytea not null,
    expiry_date timestamptz not null
)"#;
const MYSQL: &str = "
create table if not exists session
(
    id char(22) primary key not null,
    data blob not null,
    expiry_date timestamp(6) not null
)";

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

entity!(in_sqlite, table_name = "tower_sessions");
entity!(
    in_postgres,
    schema_name = "tower_sessions",
    table_name = "session"
);
entity!(in_mysql, table_name = "session");

/// Runs a test with the entity for the database, over the earlier store's table.
macro_rules! taken_over {
    ($test:ident, $db:ident) => {
        match $db.get_database_backend() {
            DbBackend::Sqlite => $test(in_sqlite::Store::new($db), SQLITE).await,
            DbBackend::MySql => $test(in_mysql::Store::new($db), MYSQL).await,
            _ => $test(in_postgres::Store::new($db), POSTGRES).await,
        }
    };
}

async fn open<M: SessionModel>(store: SeaOrmStore<M>, table: &str) -> SeaOrmStore<M> {
    execute(store.db(), table).await;
    let store = store.with_plain_sid().with_life(Duration::DAY);
    // Adds the index on the end, which the table has not.
    store.create_table().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
    store
}

/// A row as the earlier store writes it.
async fn written_before<M: SessionModel>(store: &SeaOrmStore<M>) -> Record {
    let record = Record {
        id: Id::default(),
        data: [("user".to_owned(), json!("ann"))].into(),
        expiry_date: OffsetDateTime::now_utc() + Duration::HOUR,
    };
    let end: Value = match store.db().get_database_backend() {
        // Bound without a zone, as everywhere on MySQL.
        DbBackend::MySql => {
            let end = record.expiry_date;
            time::PrimitiveDateTime::new(end.date(), end.time()).into()
        }
        _ => record.expiry_date.into(),
    };
    let insert = Query::insert()
        .into_table(M::Entity::default().table_ref())
        .columns(["id", "data", "expiry_date"])
        .values_panic([
            record.id.to_string().into(),
            rmp_serde::to_vec(&record).unwrap().into(),
            end.into(),
        ])
        .take();
    store.db().execute(&insert).await.unwrap();
    record
}

fn app<M: SessionModel>(store: &SeaOrmStore<M>) -> Router {
    Router::new()
        .route(
            "/",
            get(async |session: Session| session.get::<String>("user").await.unwrap().unwrap()),
        )
        .route(
            "/cart",
            get(async |session: Session| session.insert("cart", "tea").await.unwrap()),
        )
        .route(
            "/logout",
            get(async |session: Session| session.flush().await.unwrap()),
        )
        .layer(store.layer())
}

async fn a_visitor_of_the_earlier_store_stays_signed_in(db: DatabaseConnection) {
    async fn test<M: SessionModel>(store: SeaOrmStore<M>, table: &str) {
        let store = open(store, table).await;
        let before = written_before(&store).await;
        let mut visitor = Visitor::with_cookie(&app(&store), &before.id.to_string());
        assert_eq!(visitor.ok("/").await, "ann");
        visitor.ok("/cart").await;
        assert_eq!(visitor.ok("/").await, "ann");
        assert_eq!(store.count().await.unwrap(), 1);

        // And is found, slid, pruned and ended like any other.
        assert!(store.find(&before.id).await.unwrap().is_some());
        let in_two_hours = store
            .clone()
            .with_clock(|| OffsetDateTime::now_utc() + Duration::hours(2));
        assert_eq!(in_two_hours.prune().await.unwrap(), 0);
        visitor.ok("/logout").await;
        assert_eq!(store.count().await.unwrap(), 0);
    }
    taken_over!(test, db);
}

async fn what_is_saved_is_read_by_the_earlier_store(db: DatabaseConnection) {
    async fn test<M: SessionModel>(store: SeaOrmStore<M>, table: &str) {
        let store = open(store, table).await;
        let mut record = Record {
            id: Id::default(),
            data: [("user".to_owned(), json!("ann"))].into(),
            expiry_date: OffsetDateTime::now_utc() + Duration::HOUR,
        };
        store.create(&mut record).await.unwrap();
        record.data.insert("cart".to_owned(), json!("tea"));
        store.save(&record).await.unwrap();
        // Its own query.
        let select = Query::select()
            .column("data")
            .from(M::Entity::default().table_ref())
            .and_where(Expr::col("id").eq(record.id.to_string()))
            .take();
        let row: QueryResult = store.db().query_one(&select).await.unwrap().unwrap();
        let data: Vec<u8> = row.try_get("", "data").unwrap();
        let read: Record = rmp_serde::from_slice(&data).unwrap();
        assert_eq!((read.id, read.data), (record.id, record.data));
    }
    taken_over!(test, db);
}

async fn ids_can_be_hashed_afterwards_with_everybody_signed_in(db: DatabaseConnection) {
    async fn test<M: SessionModel>(store: SeaOrmStore<M>, table: &str) {
        let store = open(store, table).await;
        let before = written_before(&store).await;
        match store.db().get_database_backend() {
            // It has no such function.
            DbBackend::Sqlite => return,
            DbBackend::MySql => {
                execute(
                    store.db(),
                    "ALTER TABLE session MODIFY id char(64) NOT NULL",
                )
                .await;
                execute(store.db(), "UPDATE session SET id = SHA2(id, 256)").await;
            }
            _ => {
                let hash = "UPDATE tower_sessions.session \
                            SET id = encode(sha256(convert_to(id, 'UTF8')), 'hex')";
                execute(store.db(), hash).await;
            }
        }
        let hashed = SeaOrmStore::<M>::new(store.db().clone()).with_life(Duration::DAY);
        let mut visitor = Visitor::with_cookie(&app(&hashed), &before.id.to_string());
        assert_eq!(visitor.ok("/").await, "ann");
        visitor.ok("/cart").await;
        assert_eq!(hashed.count().await.unwrap(), 1);
    }
    taken_over!(test, db);
}
