//! A store over the table of tower-sessions-sqlx-store 0.15. `tests/faults` tests the same with that
//! crate.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, PaginatorTrait, QueryOrder,
    Statement,
};
use serde_json::json;
use session_store::{SeaOrmStore, SessionModel};
use tests::database::execute;
use tests::{Clock, Visitor, entity, on_every_database, session_routes};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

on_every_database!(
    visitors_of_the_old_store_stay_signed_in,
    the_old_store_can_read_what_is_written,
    a_touched_session_is_active_for_the_old_store_too,
    the_existing_table_gets_the_index_that_pruning_needs,
    a_row_without_a_record_is_an_error_that_quotes_nothing,
    all_sessions_can_be_copied_to_another_table,
);

/// A `sess` column with the whole record, as tower-sessions-sqlx-store writes it.
mod whole_record {
    use sea_orm::{DeriveValueType, Value};
    use session_store::{Data, SessColumn, SessionRef};

    type BoxError = Box<dyn std::error::Error + Send + Sync>;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
    pub struct WholeRecord(pub Vec<u8>);

    impl SessColumn for WholeRecord {
        fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError> {
            // MessagePack encodes a tuple like a struct with the same fields.
            let record = (session.id, session.data, session.expiry_date);
            Ok(rmp_serde::to_vec(&record)?.into())
        }

        fn decode(self) -> Result<Data, BoxError> {
            // The error of `rmp_serde` can quote the data.
            rmp_serde::from_slice::<tower_sessions::session::Record>(&self.0)
                .map(|record| record.data)
                .map_err(|_| "expected a record of tower-sessions".into())
        }
    }
}

macro_rules! old_table {
    ($name:ident, $($table:tt)*) => {
        mod $name {
            #![allow(dead_code)] // These tests do not use the derived `Store`.

            use super::whole_record::WholeRecord;
            use sea_orm::entity::prelude::*;
            use session_store::SessionModel;
            use time::OffsetDateTime;

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

            impl super::OldTable for Model {
                fn parts(self) -> (Vec<u8>, OffsetDateTime) {
                    (self.data.0, self.expiry_date)
                }
                fn id() -> Column {
                    Column::Id
                }
            }
        }
    };
}

old_table!(old_sqlite, table_name = "tower_sessions");
old_table!(
    old_postgres,
    schema_name = "tower_sessions",
    table_name = "session"
);
// The connection is to the database `tower_sessions`, because a schema of MySQL is a database.
old_table!(old_mysql, table_name = "session");

/// A model of one of the three tables.
trait OldTable: SessionModel {
    fn parts(self) -> (Vec<u8>, OffsetDateTime);
    fn id() -> session_store::Column<Self>;
}

/// Returns the statements of the old store's `migrate`.
fn old_migration(backend: DbBackend) -> &'static [&'static str] {
    match backend {
        DbBackend::Sqlite => &["create table if not exists tower_sessions
            (
                id text primary key not null,
                data blob not null,
                expiry_date integer not null
            )"],
        DbBackend::MySql => &["create table if not exists `session`
            (
                id char(22) primary key not null,
                data blob not null,
                expiry_date timestamp(6) not null
            )"],
        _ => &[
            r#"create schema if not exists "tower_sessions""#,
            r#"create table if not exists "tower_sessions"."session"
            (
                id text primary key not null,
                data bytea not null,
                expiry_date timestamptz not null
            )"#,
        ],
    }
}

fn old_name(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "tower_sessions",
        DbBackend::MySql => "`session`",
        _ => r#""tower_sessions"."session""#,
    }
}

fn old_statement<const N: usize>(
    db: &DatabaseConnection,
    sql: &str,
    values: [sea_orm::Value; N],
) -> Statement {
    let backend = db.get_database_backend();
    let mut sql = sql.replace("TABLE", old_name(backend));
    if backend == DbBackend::Postgres {
        for n in 1..=N {
            sql = sql.replacen('?', &format!("${n}"), 1);
        }
    }
    Statement::from_sql_and_values(backend, sql, values)
}

/// Writes a row like the old store.
async fn old_create(db: &DatabaseConnection, record: &Record) {
    let values = [
        record.id.to_string().into(),
        rmp_serde::to_vec(record).unwrap().into(),
        record.expiry_date.into(),
    ];
    let sql = "insert into TABLE (id, data, expiry_date) values (?, ?, ?)";
    db.execute_raw(old_statement(db, sql, values))
        .await
        .unwrap();
}

/// Reads a row like the old store.
async fn old_load(db: &DatabaseConnection, id: Id, now: OffsetDateTime) -> Option<Record> {
    let sql = "select data from TABLE where id = ? and expiry_date > ?";
    let statement = old_statement(db, sql, [id.to_string().into(), now.into()]);
    let row = db.query_one_raw(statement).await.unwrap()?;
    let data: Vec<u8> = row.try_get("", "data").unwrap();
    Some(rmp_serde::from_slice(&data).unwrap())
}

/// Returns a session of the old store. Its expiry has a fraction, like that of a real clock.
fn signed_in_session(now: OffsetDateTime) -> Record {
    let mut record = tests::record(
        now,
        [
            ("user_id", json!(7)),
            ("cart", json!([{"price": 2.5, "n": u64::MAX}, null, "ä"])),
        ],
    );
    record.expiry_date += Duration::microseconds(120_340);
    record
}

/// Defines tests that create the old table and run on the entity of the database.
macro_rules! with_old_table {
    ($($test:ident: $generic:ident),* $(,)?) => {
        $(
            async fn $test(db: DatabaseConnection) {
                let backend = db.get_database_backend();
                for statement in old_migration(backend) {
                    execute(&db, statement).await;
                }
                match backend {
                    DbBackend::Sqlite => $generic::<old_sqlite::Model>(db).await,
                    DbBackend::MySql => $generic::<old_mysql::Model>(db).await,
                    _ => $generic::<old_postgres::Model>(db).await,
                }
            }
        )*
    };
}

with_old_table!(
    visitors_of_the_old_store_stay_signed_in: check_visitors,
    the_old_store_can_read_what_is_written: check_old_store_reads,
    a_touched_session_is_active_for_the_old_store_too: check_touch,
    the_existing_table_gets_the_index_that_pruning_needs: check_index,
    a_row_without_a_record_is_an_error_that_quotes_nothing: check_row_without_record,
    all_sessions_can_be_copied_to_another_table: check_copy,
);

/// Returns a store over the old table, with a clock that only the test moves.
fn store_over_old_table<M: OldTable>(db: &DatabaseConnection) -> (SeaOrmStore<M>, Clock) {
    let clock = Clock::new();
    let store = SeaOrmStore::new(db.clone())
        .with_plain_sid()
        .with_clock(clock.reader());
    (store, clock)
}

async fn check_visitors<M: OldTable>(db: DatabaseConnection) {
    let (store, clock) = store_over_old_table::<M>(&db);
    let record = signed_in_session(clock.now());
    old_create(&db, &record).await;
    let mut expired = signed_in_session(clock.now());
    expired.expiry_date = clock.now();
    old_create(&db, &expired).await;

    assert_eq!(store.load(&record.id).await.unwrap(), Some(record.clone()));
    let app = session_routes().layer(store.layer());
    let mut visitor = Visitor::with_cookie(&app, &record.id.to_string());
    assert_eq!(visitor.ok("/get/user_id").await, "7");
    let mut late = Visitor::with_cookie(&app, &expired.id.to_string());
    assert_eq!(late.ok("/get/user_id").await, "nothing");
    assert_eq!(store.prune().await.unwrap(), 1);
    assert_eq!(visitor.ok("/get/user_id").await, "7");
}

async fn check_old_store_reads<M: OldTable>(db: DatabaseConnection) {
    let (store, clock) = store_over_old_table::<M>(&db);
    let mut created = signed_in_session(clock.now());
    store.create(&mut created).await.unwrap();
    let read = old_load(&db, created.id, clock.now()).await;
    assert_eq!(read.as_ref(), Some(&created));
    created.data.insert("seen".into(), json!(true));
    store.save(&created).await.unwrap();
    let read = old_load(&db, created.id, clock.now()).await;
    assert_eq!(read.as_ref(), Some(&created));

    // The same over HTTP, with a session that the old store has created.
    let record = signed_in_session(clock.now());
    old_create(&db, &record).await;
    let app = session_routes().layer(store.layer());
    let mut visitor = Visitor::with_cookie(&app, &record.id.to_string());
    visitor.ok("/insert/seen/true").await;
    let read = old_load(&db, record.id, clock.now()).await.unwrap();
    assert_eq!(read.id, record.id);
    assert_eq!(read.data["user_id"], json!(7));
    assert_eq!(read.data["seen"], json!("true"));
    assert_eq!(visitor.ok("/get/user_id").await, "7");
}

async fn check_touch<M: OldTable>(db: DatabaseConnection) {
    let (store, clock) = store_over_old_table::<M>(&db);
    let store = store.with_idle_timeout(Duration::hours(1));
    let record = signed_in_session(clock.now());
    old_create(&db, &record).await;
    clock.advance(Duration::minutes(50));
    store.load(&record.id).await.unwrap().unwrap();
    clock.advance(Duration::minutes(50));
    let read = old_load(&db, record.id, clock.now()).await.unwrap();
    assert_eq!(read.data, record.data);
    clock.advance(Duration::minutes(10));
    assert_eq!(old_load(&db, record.id, clock.now()).await, None);
}

async fn check_index<M: OldTable>(db: DatabaseConnection) {
    let (store, clock) = store_over_old_table::<M>(&db);
    let record = signed_in_session(clock.now());
    old_create(&db, &record).await;
    store.health().await.unwrap();
    assert!(!store.has_expire_index().await.unwrap());
    store.create_table().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
}

async fn check_row_without_record<M: OldTable>(db: DatabaseConnection) {
    let (store, clock) = store_over_old_table::<M>(&db);
    let record = signed_in_session(clock.now());
    let values = [
        record.id.to_string().into(),
        rmp_serde::to_vec("secret").unwrap().into(),
        record.expiry_date.into(),
    ];
    let sql = "insert into TABLE (id, data, expiry_date) values (?, ?, ?)";
    let insert = old_statement(&db, sql, values);
    db.execute_raw(insert).await.unwrap();
    let error = store.load(&record.id).await.unwrap_err().to_string();
    assert!(error.contains("a record of tower-sessions"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

entity!(
    /// Unlike the old table, it has hashed ids, JSON, and a column to find sessions by.
    session in "web_session" {
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(index)]
        pub user_id: Option<i32>,
    }
);

/// Copies every active session. Running it again is safe.
async fn copy<M: OldTable>(
    old: &SeaOrmStore<M>,
    new: &session::Store,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut pages = old.active().order_by_asc(M::id()).paginate(old.db(), 2);
    while let Some(rows) = pages.fetch_and_next().await? {
        for row in rows {
            let (data, expiry_date) = row.parts();
            let mut record: Record = rmp_serde::from_slice(&data)?;
            record.expiry_date = expiry_date;
            if new.find(&record.id).await?.is_none() {
                new.create(&mut record).await?;
            }
        }
    }
    Ok(())
}

async fn check_copy<M: OldTable>(db: DatabaseConnection) {
    let (old, clock) = store_over_old_table::<M>(&db);
    let old = old.with_idle_timeout(Duration::hours(1));
    let mut records = Vec::new();
    for n in 0..5 {
        let mut record = signed_in_session(clock.now());
        record.data.insert("user_id".into(), json!(n));
        old_create(&db, &record).await;
        records.push(record);
    }
    let mut expired = signed_in_session(clock.now());
    expired.expiry_date = clock.now();
    old_create(&db, &expired).await;
    // A touch moves the expiry in the row, but not that in the record.
    clock.advance(Duration::minutes(50));
    old.load(&records[0].id).await.unwrap().unwrap();
    records[0].expiry_date = clock.now() + Duration::hours(1);

    let store = session::Store::new(db.clone()).with_clock(clock.reader());
    store.create_table().await.unwrap();
    for _ in 0..2 {
        copy(&old, &store).await.unwrap();
        assert_eq!(session::Entity::find().count(&db).await.unwrap(), 5);
    }
    let app = session_routes().layer(store.layer());
    for record in records {
        let row = store.find(&record.id).await.unwrap().unwrap();
        assert_eq!(row.sid, store.sid(&record.id));
        assert_ne!(row.sid, record.id.to_string());
        let user = record.data["user_id"].to_string();
        assert_eq!(row.user_id.unwrap().to_string(), user);
        let mut visitor = Visitor::with_cookie(&app, &record.id.to_string());
        assert_eq!(visitor.ok("/get/user_id").await, user);
        assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
    }
}
