//! Entities that `sea-orm-cli` has generated from tables that were there, made session stores.

mod from_mysql;
mod from_postgres;
mod from_sqlite;

use sea_orm::{ColumnTrait, ConnectOptions, Database, DatabaseConnection, DbBackend};
use serde_json::json;
use session_store::SessionModel;
use tests::database::{execute, url_of};
use tests::{on_every_database, record};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;

on_every_database!(a_generated_entity_is_a_store_over_the_table_it_was_generated_from);

async fn a_generated_entity_is_a_store_over_the_table_it_was_generated_from(
    db: DatabaseConnection,
) {
    match db.get_database_backend() {
        DbBackend::Sqlite => {
            execute(&db, from_sqlite::TABLE).await;
            works(&from_sqlite::visits::Store::new(db)).await;
        }
        DbBackend::MySql => {
            execute(&db, from_mysql::TABLE).await;
            let store = from_mysql::visits::Store::new(db);
            works(&store).await;
            use from_mysql::sea_orm_active_enums::Device;
            create(&store).await;
            let of_phones = from_mysql::visits::Column::Device.eq(Device::Phone);
            assert_eq!(store.revoke(of_phones).await.unwrap(), 1);
        }
        _ => {
            execute(&db, from_postgres::TABLE).await;
            // SeaORM names the enum's type without its schema.
            let mut options = ConnectOptions::new(url_of(&db).await);
            options.set_schema_search_path("web");
            let store =
                from_postgres::visits::Store::new(Database::connect(options).await.unwrap());
            works(&store).await;
            use from_postgres::sea_orm_active_enums::Device;
            create(&store).await;
            let of_phones = from_postgres::visits::Column::Device.eq(Device::Phone);
            assert_eq!(store.revoke(of_phones).await.unwrap(), 1);
        }
    }
}

async fn create<M: SessionModel>(
    store: &session_store::SeaOrmStore<M>,
) -> tower_sessions::session::Record {
    let data = [("user_id", json!(7)), ("device", json!("phone"))];
    let mut session = record(OffsetDateTime::now_utc(), data);
    store.create(&mut session).await.unwrap();
    session
}

async fn works<M: SessionModel>(store: &session_store::SeaOrmStore<M>) {
    store.health().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
    // Nothing is missing, nothing is changed.
    store.create_table().await.unwrap();
    let mut session = create(store).await;
    session.data.insert("cart".into(), json!(["tea"]));
    store.save(&session).await.unwrap();
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    assert_eq!(loaded.data, session.data);
    let later = store
        .clone()
        .with_clock(|| OffsetDateTime::now_utc() + Duration::DAY);
    assert_eq!(later.load(&session.id).await.unwrap(), None);
    assert_eq!(later.prune().await.unwrap(), 1);
}
