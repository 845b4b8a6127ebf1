//! The table of tower-sessions-sqlx-store 0.15, taken over. (`faults` has the same with that crate
//! itself.)

use axum::Router;
use axum::routing::get;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, PaginatorTrait, QueryOrder,
    Statement,
};
use serde_json::json;
use session_store::{SeaOrmStore, SessionModel};
use tests::database::execute;
use tests::{Clock, Visitor, entity, on_every_database};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::{Session, SessionStore};

on_every_database!(
    visitors_of_the_old_store_stay_signed_in,
    what_is_written_is_what_the_old_store_reads,
    a_session_that_slides_is_alive_to_the_old_store_too,
    the_table_that_is_there_gets_the_index_that_pruning_needs,
    a_row_that_is_no_record_is_an_error_that_quotes_nothing,
    all_sessions_can_be_copied_to_a_table_of_ones_own,
);

/// A `sess` column that holds what tower-sessions-sqlx-store writes: the whole record.
mod whole_record {
    use sea_orm::{DeriveValueType, Value};
    use session_store::{Data, SessColumn, SessionRef};

    type BoxError = Box<dyn std::error::Error + Send + Sync>;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
    pub struct WholeRecord(pub Vec<u8>);

    impl SessColumn for WholeRecord {
        fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError> {
            // A tuple and a struct of the same fields are the same MessagePack.
            let record = (session.id, session.data, session.expiry_date);
            Ok(rmp_serde::to_vec(&record)?.into())
        }

        fn decode(self) -> Result<Data, BoxError> {
            // The error is replaced: it can quote the data.
            rmp_serde::from_slice::<tower_sessions::session::Record>(&self.0)
                .map(|record| record.data)
                .map_err(|_| "expected a record of tower-sessions".into())
        }
    }
}

macro_rules! old_table {
    ($name:ident, $($table:tt)*) => {
        mod $name {
            #![allow(dead_code)] // The derived `Store`: these tests name the model instead.

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
// Connected to the database `tower_sessions`, as which MySQL counts a schema.
old_table!(old_mysql, table_name = "session");

/// One of the three.
trait OldTable: SessionModel {
    fn parts(self) -> (Vec<u8>, OffsetDateTime);
    fn id() -> session_store::Column<Self>;
}

/// What the old store's `migrate` sends.
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

/// Writes a row as the old store does.
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

/// Reads a row as the old store does.
async fn old_load(db: &DatabaseConnection, id: Id, now: OffsetDateTime) -> Option<Record> {
    let sql = "select data from TABLE where id = ? and expiry_date > ?";
    let statement = old_statement(db, sql, [id.to_string().into(), now.into()]);
    let row = db.query_one_raw(statement).await.unwrap()?;
    let data: Vec<u8> = row.try_get("", "data").unwrap();
    Some(rmp_serde::from_slice(&data).unwrap())
}

/// A session of the old store, whose end has the fraction that a clock gives it.
fn signed_in(now: OffsetDateTime) -> Record {
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

macro_rules! for_the_database {
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

for_the_database!(
    visitors_of_the_old_store_stay_signed_in: visitors_stay,
    what_is_written_is_what_the_old_store_reads: old_reads,
    a_session_that_slides_is_alive_to_the_old_store_too: slides,
    the_table_that_is_there_gets_the_index_that_pruning_needs: index,
    a_row_that_is_no_record_is_an_error_that_quotes_nothing: no_record,
    all_sessions_can_be_copied_to_a_table_of_ones_own: copied,
);

fn app<M: SessionModel>(store: SeaOrmStore<M>) -> Router {
    Router::new()
        .route("/who", get(who))
        .route("/see", get(see))
        .layer(store.layer())
}

async fn who(session: Session) -> String {
    let user: Option<u64> = session.get("user_id").await.unwrap();
    user.map_or_else(|| "nobody".to_owned(), |user| user.to_string())
}

async fn see(session: Session) {
    session.insert("seen", true).await.unwrap();
}

async fn visitors_stay<M: OldTable>(db: DatabaseConnection) {
    let clock = Clock::new();
    let record = signed_in(clock.now());
    old_create(&db, &record).await;
    let mut ended = signed_in(clock.now());
    ended.expiry_date = clock.now();
    old_create(&db, &ended).await;

    let store = SeaOrmStore::<M>::new(db)
        .with_plain_sid()
        .with_clock(clock.reader());
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record.clone()));
    let app = app(store.clone());
    let mut visitor = Visitor::with_cookie(&app, &record.id.to_string());
    assert_eq!(visitor.ok("/who").await, "7");
    let mut late = Visitor::with_cookie(&app, &ended.id.to_string());
    assert_eq!(late.ok("/who").await, "nobody");
    assert_eq!(store.prune().await.unwrap(), 1);
    assert_eq!(visitor.ok("/who").await, "7");
}

async fn old_reads<M: OldTable>(db: DatabaseConnection) {
    let clock = Clock::new();
    let store = SeaOrmStore::<M>::new(db.clone())
        .with_plain_sid()
        .with_clock(clock.reader());
    let mut created = signed_in(clock.now());
    store.create(&mut created).await.unwrap();
    let read = old_load(&db, created.id, clock.now()).await;
    assert_eq!(read.as_ref(), Some(&created));
    created.data.insert("seen".into(), json!(true));
    store.save(&created).await.unwrap();
    let read = old_load(&db, created.id, clock.now()).await;
    assert_eq!(read.as_ref(), Some(&created));

    // And over HTTP, of a session that the old store has made.
    let record = signed_in(clock.now());
    old_create(&db, &record).await;
    let app = app(store.clone());
    let mut visitor = Visitor::with_cookie(&app, &record.id.to_string());
    visitor.ok("/see").await;
    let read = old_load(&db, record.id, clock.now()).await.unwrap();
    assert_eq!(read.id, record.id);
    assert_eq!(read.data["user_id"], json!(7));
    assert_eq!(read.data["seen"], json!(true));
    assert_eq!(visitor.ok("/who").await, "7");
}

async fn slides<M: OldTable>(db: DatabaseConnection) {
    let clock = Clock::new();
    let record = signed_in(clock.now());
    old_create(&db, &record).await;
    let store = SeaOrmStore::<M>::new(db.clone())
        .with_plain_sid()
        .with_clock(clock.reader())
        .with_idle_timeout(Duration::hours(1));
    clock.advance(Duration::minutes(50));
    store.load(&record.id).await.unwrap().unwrap();
    clock.advance(Duration::minutes(50));
    let read = old_load(&db, record.id, clock.now()).await.unwrap();
    assert_eq!(read.data, record.data);
    clock.advance(Duration::minutes(10));
    assert_eq!(old_load(&db, record.id, clock.now()).await, None);
}

async fn index<M: OldTable>(db: DatabaseConnection) {
    let clock = Clock::new();
    let record = signed_in(clock.now());
    old_create(&db, &record).await;
    let store = SeaOrmStore::<M>::new(db).with_plain_sid();
    store.health().await.unwrap();
    assert!(!store.has_expire_index().await.unwrap());
    store.create_table().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
}

async fn no_record<M: OldTable>(db: DatabaseConnection) {
    let clock = Clock::new();
    let record = signed_in(clock.now());
    let values = [
        record.id.to_string().into(),
        rmp_serde::to_vec("secret").unwrap().into(),
        record.expiry_date.into(),
    ];
    let sql = "insert into TABLE (id, data, expiry_date) values (?, ?, ?)";
    let insert = old_statement(&db, sql, values);
    db.execute_raw(insert).await.unwrap();
    let store = SeaOrmStore::<M>::new(db).with_plain_sid();
    let error = store.load(&record.id).await.unwrap_err().to_string();
    assert!(error.contains("a record of tower-sessions"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

entity!(
    /// A table with hashed ids, JSON, and a column to find sessions by, which the old table lacks.
    session in "web_session" {
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(index)]
        pub user_id: Option<i32>,
    }
);

/// Copies every session that has not ended; again is fine.
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

async fn copied<M: OldTable>(db: DatabaseConnection) {
    let clock = Clock::new();
    let old = SeaOrmStore::<M>::new(db.clone())
        .with_plain_sid()
        .with_clock(clock.reader())
        .with_idle_timeout(Duration::hours(1));
    let mut records = Vec::new();
    for n in 0..5 {
        let mut record = signed_in(clock.now());
        record.data.insert("user_id".into(), json!(n));
        old_create(&db, &record).await;
        records.push(record);
    }
    let mut ended = signed_in(clock.now());
    ended.expiry_date = clock.now();
    old_create(&db, &ended).await;
    // The end of one has moved since its record was written.
    clock.advance(Duration::minutes(50));
    old.load(&records[0].id).await.unwrap().unwrap();
    records[0].expiry_date = clock.now() + Duration::hours(1);

    let store = session::Store::new(db.clone()).with_clock(clock.reader());
    store.create_table().await.unwrap();
    for _ in 0..2 {
        copy(&old, &store).await.unwrap();
        assert_eq!(session::Entity::find().count(&db).await.unwrap(), 5);
    }
    let app = app(store.clone());
    for record in records {
        let row = store.find(&record.id).await.unwrap().unwrap();
        assert_eq!(row.sid, store.sid(&record.id));
        assert_ne!(row.sid, record.id.to_string());
        let user = record.data["user_id"].to_string();
        assert_eq!(row.user_id.unwrap().to_string(), user);
        let mut visitor = Visitor::with_cookie(&app, &record.id.to_string());
        assert_eq!(visitor.ok("/who").await, user);
        assert_eq!(store.load(&record.id).await.unwrap(), Some(record));
    }
}
