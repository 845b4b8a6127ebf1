//! `SeaORM`'s schema sync, which creates and extends the table.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait};
use serde_json::json;
use session_store::{Error, SeaOrmStore, SessionModel};
use tests::{Clock, entity, new_session, on_every_database};
use tower_sessions::SessionStore;

use crate::table::table;

entity!(before {
    pub sess: String,
    pub expire: TimeDateTimeWithTimeZone,
});

entity!(after {
    pub sess: String,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(index)]
    pub user_id: Option<i32>,
    #[sea_orm(column_type = "Text", nullable)]
    pub user_agent: Option<String>,
});

entity!(required {
    pub sess: String,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(default)]
    pub visits: i32,
});

on_every_database!(
    table_sync_and_create_table_create_the_table_that_create_table_alone_creates,
    a_second_sync_changes_nothing,
    sync_adds_a_column_and_sessions_stay,
    sync_alone_creates_no_index_for_pruning_and_narrow_columns_on_mysql,
    create_table_before_sync_names_the_missing_columns_and_creates_no_index,
    sync_adds_a_required_column_to_a_table_with_rows_only_on_mysql,
);

/// Runs the steps that the guide recommends.
async fn sync_and_create_table<M: SessionModel>(
    db: &DatabaseConnection,
) -> Result<SeaOrmStore<M>, DbErr> {
    let store = SeaOrmStore::<M>::new(db.clone());
    db.execute(&store.table()).await?;
    sync::<M>(db).await?;
    store.create_table().await.unwrap();
    store.health().await.unwrap();
    Ok(store)
}

async fn sync<M: SessionModel>(db: &DatabaseConnection) -> Result<(), DbErr> {
    let entity = M::Entity::default();
    db.get_schema_builder().register(entity).sync(db).await
}

async fn table_sync_and_create_table_create_the_table_that_create_table_alone_creates(
    db: DatabaseConnection,
) {
    sync_and_create_table::<after::Model>(&db).await.unwrap();
    let created = table(&db, "session").await;
    tests::database::execute(&db, "DROP TABLE session").await;
    SeaOrmStore::<after::Model>::new(db.clone())
        .create_table()
        .await
        .unwrap();
    assert_eq!(table(&db, "session").await, created);
}

async fn a_second_sync_changes_nothing(db: DatabaseConnection) {
    sync_and_create_table::<after::Model>(&db).await.unwrap();
    let created = table(&db, "session").await;
    sync_and_create_table::<after::Model>(&db).await.unwrap();
    assert_eq!(table(&db, "session").await, created);
}

async fn sync_adds_a_column_and_sessions_stay(db: DatabaseConnection) {
    let old = sync_and_create_table::<before::Model>(&db).await.unwrap();
    let session = new_session(
        &old,
        Clock::new().now(),
        [("user_id", json!(7)), ("user_agent", json!("a browser"))],
    )
    .await;
    let store = sync_and_create_table::<after::Model>(&db).await.unwrap();
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    store.save(&session).await.unwrap();
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.user_id, Some(7));
    assert_eq!(row.user_agent.as_deref(), Some("a browser"));
    let lines = table(&db, "session").await;
    assert!(
        lines
            .iter()
            .any(|line| line.contains("idx-session-user_id")),
        "{lines:?}"
    );
    // Sync removes no column, so the old application keeps working.
    sync_and_create_table::<before::Model>(&db).await.unwrap();
    assert_eq!(old.load(&session.id).await.unwrap(), Some(session));
    assert_eq!(table(&db, "session").await, lines);
}

async fn sync_alone_creates_no_index_for_pruning_and_narrow_columns_on_mysql(
    db: DatabaseConnection,
) {
    sync::<before::Model>(&db).await.unwrap();
    let store = before::Store::new(db.clone());
    store.health().await.unwrap();
    assert!(!store.has_expire_index().await.unwrap());
    if db.get_database_backend() == DbBackend::MySql {
        let lines = table(&db, "session").await;
        for narrow in ["expire timestamp NO", "sess varchar(255) NO"] {
            let found = lines.iter().any(|line| line.starts_with(narrow));
            assert!(found, "{narrow}: {lines:?}");
        }
    }
}

async fn create_table_before_sync_names_the_missing_columns_and_creates_no_index(
    db: DatabaseConnection,
) {
    sync_and_create_table::<before::Model>(&db).await.unwrap();
    let lines = table(&db, "session").await;
    let store = after::Store::new(db.clone());
    match store.create_table().await {
        Err(Error::MissingColumns { columns, .. }) => {
            assert_eq!(columns, ["user_id", "user_agent"])
        }
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!(table(&db, "session").await, lines);
    sync_and_create_table::<after::Model>(&db).await.unwrap();
}

async fn sync_adds_a_required_column_to_a_table_with_rows_only_on_mysql(db: DatabaseConnection) {
    let old = sync_and_create_table::<before::Model>(&db).await.unwrap();
    let session = new_session(&old, Clock::new().now(), []).await;
    match sync_and_create_table::<required::Model>(&db).await {
        // MySQL fills the existing rows with zero.
        Ok(store) => {
            assert_eq!(db.get_database_backend(), DbBackend::MySql);
            let row = store.find(&session.id).await.unwrap().unwrap();
            assert_eq!(row.visits, 0);
        }
        Err(_) => assert_ne!(db.get_database_backend(), DbBackend::MySql),
    }
    assert_eq!(old.load(&session.id).await.unwrap(), Some(session));
    assert_eq!(before::Entity::find().all(&db).await.unwrap().len(), 1);
}
