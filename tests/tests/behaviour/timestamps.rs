//! Timestamps that another program wrote, up to those that Rust cannot hold.

use sea_orm::{DatabaseConnection, DbBackend};
use session_store::{CreatedAt, Error, SeaOrmStore, SessionModel};
use tests::database::execute;
use tests::{
    Clock, create_expiring, entity, new_session, on_every_database, on_every_database_and_kind,
    record, row_count, store,
};
use time::macros::datetime;
use time::{Duration, PrimitiveDateTime};
use tower_sessions::SessionStore;
use tower_sessions::session::Record;

use crate::idle_timeout::IDLE_TIMEOUT;

on_every_database_and_kind!(
    an_expiry_before_the_year_0_has_passed,
    an_expiry_of_infinity_does_not_pass,
    an_expiry_of_minus_infinity_has_passed_and_is_pruned,
    an_expiry_that_rust_cannot_hold_is_a_decode_error,
    an_unreadable_age_is_a_decode_error_if_there_is_an_absolute_timeout,
);

on_every_database!(an_unreadable_last_seen_does_not_matter);

/// Creates the table with columns that hold any value on `SQLite`, and one session in it.
async fn store_with_session<M: SessionModel>(
    db: DatabaseConnection,
) -> (SeaOrmStore<M>, Clock, Record) {
    if db.get_database_backend() == DbBackend::Sqlite {
        let sql = "CREATE TABLE session (sid text PRIMARY KEY, sess blob NOT NULL, \
                   expire datetime NOT NULL, created_at datetime, last_seen datetime)";
        execute(&db, sql).await;
    }
    let (store, clock) = store::<M>(db).await;
    let session = new_session(&store, clock.now(), []).await;
    (store, clock, session)
}

async fn set(db: &DatabaseConnection, column: &str, value: &str) {
    execute(db, &format!("UPDATE session SET {column} = {value}")).await;
}

/// Returns SQL expressions for timestamps that Rust cannot hold.
fn beyond_rust(backend: DbBackend) -> &'static [&'static str] {
    match backend {
        DbBackend::Postgres => &["'10000-01-01'", "'294276-12-31 23:59:59.999999'"],
        // Milliseconds instead of seconds, and the ends of the type.
        DbBackend::Sqlite => &[
            "1900000000000",
            "-1900000000000",
            "9223372036854775807",
            "-9223372036854775807 - 1",
        ],
        _ => &[],
    }
}

async fn an_expiry_before_the_year_0_has_passed<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock, mut session) = store_with_session::<M>(db).await;
    // More often than the pool has connections, of which MySQL's driver would lose one each time.
    for _ in 0..10 {
        let mut early = record(clock.now(), []);
        early.expiry_date = PrimitiveDateTime::MIN.assume_utc();
        store.create(&mut early).await.unwrap();
        assert_eq!(store.load(&early.id).await.unwrap(), None);
    }
    session.expiry_date = datetime!(-0005-01-01 0:00 +01:00);
    store.save(&session).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), None);
    assert_eq!(store.prune().await.unwrap(), 11);
}

async fn an_expiry_of_infinity_does_not_pass<M: SessionModel>(db: DatabaseConnection) {
    if db.get_database_backend() != DbBackend::Postgres {
        return; // The others have no infinity.
    }
    let (store, clock, mut session) = store_with_session::<M>(db).await;
    let store = store.with_idle_timeout(IDLE_TIMEOUT);
    set(store.db(), "expire", "'infinity'").await;
    clock.advance(Duration::days(365_000));
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    let last = PrimitiveDateTime::MAX.assume_utc();
    assert_eq!(
        loaded.expiry_date,
        last.replace_microsecond(999_999).unwrap()
    );
    assert!(store.find(&session.id).await.unwrap().is_some());
    assert_eq!(store.active().all(store.db()).await.unwrap().len(), 1);
    assert_eq!(store.count().await.unwrap(), 1);
    assert_eq!(store.prune().await.unwrap(), 0);
    assert!(!store.touch(&session.id).await.unwrap());
    session.expiry_date = clock.now() + Duration::HOUR;
    store.save(&session).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

async fn an_expiry_of_minus_infinity_has_passed_and_is_pruned<M: SessionModel>(
    db: DatabaseConnection,
) {
    if db.get_database_backend() != DbBackend::Postgres {
        return;
    }
    for batch_size in [1, 2, 100] {
        let (store, clock, session) = store_with_session::<M>(db.clone()).await;
        create_expiring(&store, &[clock.now(); 4]).await;
        set(store.db(), "expire", "'-infinity'").await;
        create_expiring(&store, &[clock.now(), clock.now() + Duration::HOUR]).await;
        assert_eq!(store.load(&session.id).await.unwrap(), None);
        assert!(store.find(&session.id).await.unwrap().is_none());
        assert_eq!(store.expired().all(store.db()).await.unwrap().len(), 6);
        let pruned = store.pruner().batch_size(batch_size).prune().await;
        assert_eq!(pruned.unwrap(), 6, "in batches of {batch_size}");
        assert_eq!(row_count(&store).await, 1);
        store.delete_all().await.unwrap();
    }
}

fn assert_decode_error<T: std::fmt::Debug>(outcome: Result<T, Error>, name: &str, value: &str) {
    match outcome {
        Err(Error::Decode { column, .. }) if column == name => {}
        outcome => panic!("{value}: {outcome:?}"),
    }
}

async fn an_expiry_that_rust_cannot_hold_is_a_decode_error<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock, session) = store_with_session::<M>(db).await;
    let store = store.with_idle_timeout(IDLE_TIMEOUT);
    let backend = store.db().get_database_backend();
    for value in beyond_rust(backend) {
        set(store.db(), "expire", value).await;
        let message = store.load(&session.id).await.unwrap_err().to_string();
        assert!(message.contains("`expire`"), "{value}: {message}");
        // On SQLite such a row is neither active nor expired.
        if backend == DbBackend::Postgres {
            assert_decode_error(store.find(&session.id).await, "expire", value);
        } else {
            assert!(store.find(&session.id).await.unwrap().is_none());
        }
        store.active().all(store.db()).await.unwrap();
        store.expired().all(store.db()).await.unwrap();
        // The others are pruned.
        create_expiring(&store, &[clock.now() - Duration::HOUR]).await;
        assert_eq!(store.prune().await.unwrap(), 1, "{value}");
    }
    store.delete(&session.id).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), None);
}

async fn an_unreadable_age_is_a_decode_error_if_there_is_an_absolute_timeout<M: CreatedAt>(
    db: DatabaseConnection,
) {
    let (store, _, session) = store_with_session::<M>(db).await;
    let limited = store.clone().with_absolute_timeout(Duration::DAY);
    for value in beyond_rust(store.db().get_database_backend()) {
        set(store.db(), "created_at", value).await;
        let loaded = store.load(&session.id).await.unwrap();
        assert_eq!(loaded.unwrap(), session, "{value}");
        assert_decode_error(store.find(&session.id).await, "created_at", value);
        let message = limited.load(&session.id).await.unwrap_err().to_string();
        assert!(message.contains("`created_at`"), "{value}: {message}");
    }
}

entity!(seen {
    pub sess: Json,
    pub expire: TimeDateTime,
    #[session(last_seen)]
    pub last_seen: Option<TimeDateTime>,
});

async fn an_unreadable_last_seen_does_not_matter(db: DatabaseConnection) {
    let (store, _, session) = store_with_session::<seen::Model>(db).await;
    let store = store.with_idle_timeout(IDLE_TIMEOUT);
    let backend = store.db().get_database_backend();
    let infinities: &[_] = match backend {
        DbBackend::Postgres => &["'infinity'", "'-infinity'"],
        _ => &[],
    };
    for value in beyond_rust(backend).iter().chain(infinities) {
        set(store.db(), "last_seen", value).await;
        assert!(store.load(&session.id).await.unwrap().is_some(), "{value}");
        store.active().all(store.db()).await.unwrap();
    }
}
