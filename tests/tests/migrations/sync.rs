//! The table by `SeaORM`'s schema sync.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait};
use serde_json::json;
use session_store::{Error, SeaOrmStore, SessionModel};
use tests::{Clock, entity, on_every_database, record};
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
    table_then_sync_then_create_table_makes_the_table_that_create_table_makes,
    a_second_sync_changes_nothing,
    sync_adds_a_column_and_sessions_stay,
    sync_alone_makes_no_index_for_pruning_and_narrow_columns_on_mysql,
    create_table_before_sync_names_the_missing_columns_and_makes_no_index,
    sync_adds_no_required_column_where_sessions_are_but_on_mysql,
);

/// What the guide recommends.
async fn synced<M: SessionModel>(db: &DatabaseConnection) -> Result<SeaOrmStore<M>, DbErr> {
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

async fn table_then_sync_then_create_table_makes_the_table_that_create_table_makes(
    db: DatabaseConnection,
) {
    synced::<after::Model>(&db).await.unwrap();
    let made = table(&db, "session").await;
    tests::database::execute(&db, "DROP TABLE session").await;
    SeaOrmStore::<after::Model>::new(db.clone())
        .create_table()
        .await
        .unwrap();
    assert_eq!(table(&db, "session").await, made);
}

async fn a_second_sync_changes_nothing(db: DatabaseConnection) {
    synced::<after::Model>(&db).await.unwrap();
    let made = table(&db, "session").await;
    synced::<after::Model>(&db).await.unwrap();
    assert_eq!(table(&db, "session").await, made);
}

async fn sync_adds_a_column_and_sessions_stay(db: DatabaseConnection) {
    let old = synced::<before::Model>(&db).await.unwrap();
    let mut session = record(
        Clock::new().now(),
        [("user_id", json!(7)), ("user_agent", json!("a browser"))],
    );
    old.create(&mut session).await.unwrap();
    let store = synced::<after::Model>(&db).await.unwrap();
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
    // Sync takes no column away, so the old application goes on.
    synced::<before::Model>(&db).await.unwrap();
    assert_eq!(old.load(&session.id).await.unwrap(), Some(session));
    assert_eq!(table(&db, "session").await, lines);
}

async fn sync_alone_makes_no_index_for_pruning_and_narrow_columns_on_mysql(db: DatabaseConnection) {
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

async fn create_table_before_sync_names_the_missing_columns_and_makes_no_index(
    db: DatabaseConnection,
) {
    synced::<before::Model>(&db).await.unwrap();
    let lines = table(&db, "session").await;
    let store = after::Store::new(db.clone());
    match store.create_table().await {
        Err(Error::MissingColumns { columns, .. }) => {
            assert_eq!(columns, ["user_id", "user_agent"])
        }
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!(table(&db, "session").await, lines);
    synced::<after::Model>(&db).await.unwrap();
}

async fn sync_adds_no_required_column_where_sessions_are_but_on_mysql(db: DatabaseConnection) {
    let old = synced::<before::Model>(&db).await.unwrap();
    let mut session = record(Clock::new().now(), []);
    old.create(&mut session).await.unwrap();
    match synced::<required::Model>(&db).await {
        // It fills the rows with zero.
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
