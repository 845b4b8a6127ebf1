//! A column more, where sessions are, and where the database is new.

use sea_orm::{DatabaseConnection, DbBackend, EntityName, EntityTrait};
use sea_orm_migration::prelude::*;
use serde_json::json;
use tests::{Clock, entity, on_every_database, record};
use time::Duration;
use tower_sessions::SessionStore as _;

use crate::table::table;

entity!(
    /// The entity as it is today.
    session {
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(index)]
        pub user_id: Option<i32>,
        #[session(created_at)]
        pub created_at: Option<TimeDateTimeWithTimeZone>,
    }
);

mod create_session {
    use super::*;

    /// The entity as it was when this migration was written. It never changes again.
    pub(super) mod then {
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

    pub(super) struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20260101_000000_create_session"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let backend = manager.get_database_backend();
            manager
                .create_table(then::Store::table_for(backend))
                .await?;
            for index in then::Store::indexes_for(backend) {
                manager.create_index(index).await?;
            }
            Ok(())
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let table = Table::drop().table(then::Entity.table_ref()).take();
            manager.drop_table(table).await
        }
    }
}

mod add_user_id {
    use super::*;

    pub(super) struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20260201_000000_add_user_id"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let column = ColumnDef::new("user_id").integer().null().take();
            let table = Table::alter().table("session").add_column(column).take();
            manager.alter_table(table).await?;
            let index = Index::create()
                .name("idx-session-user_id")
                .table("session")
                .col("user_id")
                .take();
            manager.create_index(index).await
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let mut index = Index::drop();
            index.name("idx-session-user_id").table("session");
            manager.drop_index(index).await?;
            let table = Table::alter()
                .table("session")
                .drop_column("user_id")
                .take();
            manager.alter_table(table).await
        }
    }
}

mod add_created_at {
    use super::*;

    pub(super) struct Migration;

    impl MigrationName for Migration {
        fn name(&self) -> &'static str {
            "m20260301_000000_add_created_at"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Migration {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let mut column = ColumnDef::new("created_at").null().take();
            match manager.get_database_backend() {
                DbBackend::MySql => column.custom("datetime(6)"),
                _ => column.timestamp_with_time_zone(),
            };
            let table = Table::alter().table("session").add_column(column).take();
            manager.alter_table(table).await?;
            // The age of a session that is there counts from now.
            let update = Query::update()
                .table("session")
                .value("created_at", Expr::current_timestamp())
                .take();
            manager.execute(update).await
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let table = Table::alter()
                .table("session")
                .drop_column("created_at")
                .take();
            manager.alter_table(table).await
        }
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(create_session::Migration),
            Box::new(add_user_id::Migration),
            Box::new(add_created_at::Migration),
        ]
    }
}

on_every_database!(
    a_new_database_and_an_old_one_get_the_table_of_todays_entity,
    sessions_survive_a_new_column_and_fill_it_at_their_next_save,
    sessions_that_are_there_get_an_age_and_so_outlive_an_absolute_life_that_is_new,
    the_old_application_goes_on_while_the_column_is_there,
    down_takes_the_column_away_and_sessions_stay,
    a_first_migration_of_todays_entity_breaks_a_new_database,
);

/// What create_table makes of today's entity.
async fn todays(db: &DatabaseConnection) -> Vec<String> {
    session::Store::new(db.clone())
        .create_table()
        .await
        .unwrap();
    let today = table(db, "session").await;
    tests::database::execute(db, "DROP TABLE session").await;
    today
}

async fn a_new_database_and_an_old_one_get_the_table_of_todays_entity(db: DatabaseConnection) {
    let today = todays(&db).await;
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(table(&db, "session").await, today);
    Migrator::down(&db, None).await.unwrap();
    for _ in 0..3 {
        Migrator::up(&db, Some(1)).await.unwrap();
    }
    assert_eq!(table(&db, "session").await, today);
    let store = session::Store::new(db.clone());
    store.health().await.unwrap();
    store.create_table().await.unwrap();
    assert_eq!(table(&db, "session").await, today);
}

async fn sessions_survive_a_new_column_and_fill_it_at_their_next_save(db: DatabaseConnection) {
    Migrator::up(&db, Some(1)).await.unwrap();
    let before = create_session::then::Store::new(db.clone());
    let mut session = record(Clock::new().now(), [("user_id", json!(7))]);
    before.create(&mut session).await.unwrap();

    Migrator::up(&db, None).await.unwrap();
    let store = session::Store::new(db.clone());
    let loaded = store.load(&session.id).await.unwrap();
    assert_eq!(loaded.as_ref(), Some(&session));
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.user_id, None);
    store.save(&session).await.unwrap();
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.user_id, Some(7));
}

async fn sessions_that_are_there_get_an_age_and_so_outlive_an_absolute_life_that_is_new(
    db: DatabaseConnection,
) {
    Migrator::up(&db, Some(2)).await.unwrap();
    let before = create_session::then::Store::new(db.clone());
    let clock = Clock::new();
    let mut session = record(clock.now(), []);
    before.create(&mut session).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let store = session::Store::new(db.clone())
        .with_clock(clock.reader())
        .with_absolute_timeout(Duration::minutes(30));
    assert!(store.load(&session.id).await.unwrap().is_some());
    clock.advance(Duration::minutes(40));
    assert_eq!(store.load(&session.id).await.unwrap(), None);
}

async fn the_old_application_goes_on_while_the_column_is_there(db: DatabaseConnection) {
    Migrator::up(&db, None).await.unwrap();
    let old = create_session::then::Store::new(db.clone());
    let new = session::Store::new(db.clone());
    let mut session = record(Clock::new().now(), [("user_id", json!(7))]);
    old.create(&mut session).await.unwrap();
    assert_eq!(new.load(&session.id).await.unwrap(), Some(session.clone()));
    new.save(&session).await.unwrap();
    session.data.insert("user_id".into(), json!(8));
    old.save(&session).await.unwrap();
    assert_eq!(new.load(&session.id).await.unwrap(), Some(session.clone()));
    // What the old one does not know it leaves as it is.
    let row = new.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.user_id, Some(7));
}

async fn down_takes_the_column_away_and_sessions_stay(db: DatabaseConnection) {
    Migrator::up(&db, None).await.unwrap();
    let store = session::Store::new(db.clone());
    let mut session = record(Clock::new().now(), [("user_id", json!(7))]);
    store.create(&mut session).await.unwrap();
    Migrator::down(&db, Some(2)).await.unwrap();
    let before = create_session::then::Store::new(db.clone());
    before.health().await.unwrap();
    assert_eq!(
        before.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    assert_eq!(
        create_session::then::Entity::find()
            .all(&db)
            .await
            .unwrap()
            .len(),
        1
    );
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

/// The trap: the first migration made of the entity that the application uses.
struct FollowsTheEntity;

impl MigrationName for FollowsTheEntity {
    fn name(&self) -> &'static str {
        "m20260101_000000_create_session"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FollowsTheEntity {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        manager
            .create_table(session::Store::table_for(backend))
            .await
    }
}

struct TrappedMigrator;

impl MigratorTrait for TrappedMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(FollowsTheEntity), Box::new(add_user_id::Migration)]
    }
}

async fn a_first_migration_of_todays_entity_breaks_a_new_database(db: DatabaseConnection) {
    let error = TrappedMigrator::up(&db, None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("user_id"), "{error}");
}
