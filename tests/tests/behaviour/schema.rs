//! `create_table`, and the statements for migrations.

use sea_orm::{
    Condition, ConnectionTrait, DatabaseConnection, DbBackend, EntityName, EntityTrait,
    PaginatorTrait, QueryResult, Statement,
};
use serde_json::json;
use session_store::{DefaultStore, Error, SeaOrmStore, SessionModel, express_session};
use tests::database::execute;
use tests::kinds::json_and_offset::Model;
use tests::{Clock, entity, new_session, on_every_database, on_every_database_and_kind, record};
use time::Duration;
use tower_sessions::SessionStore;

on_every_database_and_kind!(
    create_table_is_idempotent,
    create_table_may_run_concurrently,
    the_statements_create_the_table_in_a_migration,
);

on_every_database!(
    the_default_store_writes_to_the_table_of_the_default_entity,
    create_table_creates_the_index_that_pruning_needs,
    create_table_adds_a_missing_index_to_an_existing_table,
    create_table_creates_one_index_for_each_index_attribute,
    a_table_partitioned_by_the_sid_works_like_any_other,
    a_table_with_quotes_in_its_names_works_like_any_other,
    a_table_in_another_schema_works_like_any_other,
    a_missing_table_with_quotes_in_its_name_is_reported,
);

async fn create_table_is_idempotent<M: SessionModel>(db: DatabaseConnection) {
    let store = SeaOrmStore::<M>::new(db);
    store.create_table().await.unwrap();
    store
        .create(&mut record(Clock::new().now(), []))
        .await
        .unwrap();
    store.create_table().await.unwrap();
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn create_table_may_run_concurrently<M: SessionModel>(db: DatabaseConnection) {
    let store = SeaOrmStore::<M>::new(db);
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.create_table().await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn the_statements_create_the_table_in_a_migration<M: SessionModel>(db: DatabaseConnection) {
    let store = SeaOrmStore::<M>::new(db);
    store.db().execute(&store.table()).await.unwrap();
    for index in store.indexes() {
        store.db().execute(&index).await.unwrap();
    }
    store
        .create(&mut record(Clock::new().now(), []))
        .await
        .unwrap();
    // Nothing is left to create.
    store.create_table().await.unwrap();
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn the_default_store_writes_to_the_table_of_the_default_entity(db: DatabaseConnection) {
    let store = DefaultStore::new(db);
    store.create_table().await.unwrap();
    let session = new_session(&store, Clock::new().now(), [("n", 1.into())]).await;
    let row = express_session::Entity::find_by_id(store.sid(&session.id))
        .one(store.db())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.sess, r#"{"n":1}"#);
    assert_eq!(row.expire, session.expiry_date);
}

entity!(indexed in "indexed" {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(index)]
    pub user_id: Option<i32>,
    #[session(created_at, index)]
    pub created_at: TimeDateTimeWithTimeZone,
    /// Has both attributes, and gets one index.
    #[sea_orm(indexed, column_name = "tenant_name")]
    #[session(key = "tenant", index)]
    pub tenant: Option<String>,
    pub device: Option<String>,
});

async fn create_table_creates_one_index_for_each_index_attribute(db: DatabaseConnection) {
    let store = indexed::Store::new(db);
    for _ in 0..2 {
        store.create_table().await.unwrap();
        let indexes = indexes(store.db()).await;
        for column in ["expire", "user_id", "created_at", "tenant_name"] {
            let of_column = indexes.iter().filter(|def| def.contains(column));
            assert_eq!(of_column.count(), 1, "{column}: {indexes:?}");
        }
        assert!(!indexes.iter().any(|def| def.contains("device")));
    }
}

/// Returns the definitions of all indexes except that of the primary key.
async fn indexes(db: &DatabaseConnection) -> Vec<String> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => "SELECT indexdef AS def FROM pg_indexes WHERE schemaname = 'public'",
        DbBackend::MySql => {
            "SELECT column_name AS def FROM information_schema.statistics \
             WHERE table_schema = DATABASE()"
        }
        _ => "SELECT sql AS def FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    };
    let rows = db
        .query_all_raw(Statement::from_string(backend, sql))
        .await
        .unwrap();
    let def = |row: &QueryResult| row.try_get::<String>("", "def").unwrap();
    let defs = rows.iter().map(def);
    defs.filter(|def| !def.contains("sid")).collect()
}

async fn create_table_creates_the_index_that_pruning_needs(db: DatabaseConnection) {
    let store = DefaultStore::new(db);
    store.create_table().await.unwrap();
    assert_eq!(indexes(store.db()).await.len(), 1);
    store.create_table().await.unwrap();
    assert_eq!(indexes(store.db()).await.len(), 1);
}

async fn create_table_adds_a_missing_index_to_an_existing_table(db: DatabaseConnection) {
    let store = DefaultStore::new(db);
    store.db().execute(&store.table()).await.unwrap();
    assert!(indexes(store.db()).await.is_empty());
    store.create_table().await.unwrap();
    assert_eq!(indexes(store.db()).await.len(), 1);
}

async fn a_table_partitioned_by_the_sid_works_like_any_other(db: DatabaseConnection) {
    let backend = db.get_database_backend();
    let (partitioned, partitions): (_, &[&str]) = match backend {
        DbBackend::Sqlite => return, // Without partitions.
        DbBackend::MySql => (" PARTITION BY KEY (sid) PARTITIONS 4", &[]),
        _ => (
            " PARTITION BY HASH (sid)",
            &[
                "CREATE TABLE even PARTITION OF session FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
                "CREATE TABLE odd PARTITION OF session FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
            ],
        ),
    };
    let table = SeaOrmStore::<Model>::new(db.clone()).table();
    execute(&db, &(backend.build(&table).to_string() + partitioned)).await;
    for partition in partitions {
        execute(&db, partition).await;
    }
    works_like_any_other::<Model>(db).await;
}

/// Creates a table where there is none, and does everything that the store does.
async fn works_like_any_other<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = tests::store::<M>(db).await;
    let store = store.with_idle_timeout(Duration::hours(1));
    store.create_table().await.unwrap();
    store.health().await.unwrap();
    assert!(store.has_expire_index().await.unwrap());
    let mut sessions = Vec::new();
    for n in 0..20 {
        let mut session = record(clock.now(), [("n", json!(n))]);
        session.expiry_date = clock.now() + Duration::hours(1);
        store.create(&mut session).await.unwrap();
        sessions.push(session);
    }
    clock.advance(Duration::minutes(40));
    sessions.truncate(10);
    for session in &mut sessions {
        let loaded = store.load(&session.id).await.unwrap().unwrap();
        assert_eq!(loaded.data, session.data);
        session.expiry_date = clock.now() + Duration::hours(1);
        assert_eq!(loaded.expiry_date, session.expiry_date);
        session.data.insert("seen".into(), json!(true));
        store.save(session).await.unwrap();
    }
    clock.advance(Duration::minutes(40));
    assert_eq!(store.expired().count(store.db()).await.unwrap(), 10);
    assert_eq!(store.prune().await.unwrap(), 10);
    assert_eq!(store.count().await.unwrap(), 10);
    for session in &sessions[1..] {
        let loaded = store.load(&session.id).await.unwrap().unwrap();
        assert_eq!(loaded.data, session.data);
        assert!(store.find(&session.id).await.unwrap().is_some());
        store.delete(&session.id).await.unwrap();
    }
    let all = Condition::all();
    let kept = &sessions[0].id;
    assert_eq!(store.revoke_others(all.clone(), kept).await.unwrap(), 0);
    assert_eq!(store.count().await.unwrap(), 1);
    assert_eq!(store.revoke(all).await.unwrap(), 1);
    assert_eq!(store.delete_all().await.unwrap(), 0);
}

entity!(quoted in "the 'table' ON \"a\" ON `b` (\"c\") ?" {
    pub sess: Json,
    #[sea_orm(column_name = "\"it's`s\" ON `expire` ?")]
    pub expire: TimeDateTimeWithTimeZone,
    #[sea_orm(indexed, column_name = "\"n\"", unique_key = "a \"unique\" `key`")]
    #[session(index)]
    pub n: Option<i32>,
});

async fn a_table_with_quotes_in_its_names_works_like_any_other(db: DatabaseConnection) {
    let store = quoted::Store::new(db.clone());
    // A migration and `create_table` make the same table, with the same indexes.
    db.execute(&store.table()).await.unwrap();
    for index in store.indexes() {
        db.execute(&index).await.unwrap();
    }
    works_like_any_other::<quoted::Model>(db.clone()).await;
    let names = indexes(&db).await;
    assert_eq!(names.len(), 3, "{names:?}");
}

async fn a_missing_table_with_quotes_in_its_name_is_reported(db: DatabaseConnection) {
    let error = quoted::Store::new(db).count().await.unwrap_err();
    assert!(matches!(error, Error::MissingTable { .. }), "{error}");
}

mod elsewhere {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(
        schema_name = "the \"schema\" `of` 'session store' ?",
        table_name = "the ON \"table\" ON `b`"
    )]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        #[sea_orm(indexed)]
        pub expire: TimeDateTimeWithTimeZone,
        #[session(index)]
        pub n: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

// Of the same name as the one elsewhere.
entity!(here in "the ON \"table\" ON `b`" {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub n: Option<i32>,
});

async fn a_table_in_another_schema_works_like_any_other(db: DatabaseConnection) {
    let backend = db.get_database_backend();
    let (create, drop) = match backend {
        DbBackend::Sqlite => ("ATTACH ':memory:' AS", "DETACH"),
        _ => ("CREATE SCHEMA", "DROP SCHEMA"),
    };
    if backend == DbBackend::Sqlite {
        let pool = db.get_sqlite_connection_pool();
        if pool.options().get_max_connections() > 1 {
            return; // A database is attached to one connection.
        }
    }
    let quote = if backend == DbBackend::MySql {
        "`"
    } else {
        "\""
    };
    let name = elsewhere::Entity.schema_name().unwrap();
    let name = format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)));
    if backend == DbBackend::MySql {
        // A schema is a database, which a failed run leaves behind.
        execute(&db, &format!("DROP SCHEMA IF EXISTS {name}")).await;
    }
    execute(&db, &format!("{create} {name}")).await;
    db.execute(&here::Store::table_for(backend)).await.unwrap();

    works_like_any_other::<elsewhere::Model>(db.clone()).await;
    let here = here::Store::new(db.clone());
    assert!(!here.has_expire_index().await.unwrap());

    let cascade = match backend {
        DbBackend::Postgres => "CASCADE",
        _ => "",
    };
    execute(&db, &format!("{drop} {name} {cascade}")).await;
}
