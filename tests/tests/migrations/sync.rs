//! The table and SeaORM's schema sync.

use sea_orm::{DatabaseConnection, DbBackend, EntityTrait};
use serde_json::json;
use session_store::SeaOrmStore;
use tests::{on_every_database, record};
use time::OffsetDateTime;
use tower_sessions::SessionStore;

on_every_database!(
    schema_sync_adds_a_column_to_the_table_that_the_store_has_made,
    schema_sync_leaves_the_stores_own_columns_as_they_are,
    create_table_adds_the_index_to_a_table_that_schema_sync_has_made,
    on_mysql_schema_sync_alone_makes_an_end_of_whole_seconds,
);

mod before {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod after {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(index)]
        pub user_id: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn sync<E: EntityTrait>(db: &DatabaseConnection, entity: E) {
    let schema = db.get_schema_builder().register(entity);
    schema.sync(db).await.unwrap();
}

async fn schema_sync_adds_a_column_to_the_table_that_the_store_has_made(db: DatabaseConnection) {
    let store = before::Store::new(db.clone());
    // At the start of the application, each time.
    for _ in 0..2 {
        store.create_table().await.unwrap();
        sync(&db, before::Entity).await;
    }
    let mut session = record(OffsetDateTime::now_utc(), [("user_id", json!(7))]);
    store.create(&mut session).await.unwrap();

    let store = after::Store::new(db.clone());
    for _ in 0..2 {
        sync(&db, after::Entity).await;
        store.create_table().await.unwrap();
    }
    store.health().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
    let session = store.load(&session.id).await.unwrap().unwrap();
    store.save(&session).await.unwrap();
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.user_id, Some(7));
}

async fn ends_to_the_microsecond(store: &SeaOrmStore<before::Model>) -> bool {
    let mut session = record(OffsetDateTime::now_utc(), []);
    let end = session.expiry_date.replace_microsecond(123_456).unwrap();
    session.expiry_date = end;
    store.create(&mut session).await.unwrap();
    store.find(&session.id).await.unwrap().unwrap().expire == end
}

async fn schema_sync_leaves_the_stores_own_columns_as_they_are(db: DatabaseConnection) {
    let store = before::Store::new(db.clone());
    store.create_table().await.unwrap();
    sync(&db, before::Entity).await;
    assert!(ends_to_the_microsecond(&store).await);
}

async fn create_table_adds_the_index_to_a_table_that_schema_sync_has_made(db: DatabaseConnection) {
    sync(&db, before::Entity).await;
    let store = before::Store::new(db.clone());
    assert!(!store.has_expire_index().await.unwrap());
    store.create_table().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
}

/// Why the store makes the table first.
async fn on_mysql_schema_sync_alone_makes_an_end_of_whole_seconds(db: DatabaseConnection) {
    sync(&db, before::Entity).await;
    let is_mysql = db.get_database_backend() == DbBackend::MySql;
    let store = before::Store::new(db);
    assert_eq!(ends_to_the_microsecond(&store).await, !is_mysql);
}
