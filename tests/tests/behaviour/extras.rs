//! Extra columns: written on every create and save, from where the entity says.

use sea_orm::ActiveValue::Set;
use sea_orm::{DatabaseConnection, DbBackend, EntityTrait};
use serde_json::{Value, json};
use session_store::SeaOrmStore;
use tests::{Clock, entity, on_every_database, record, store};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;
use tower_sessions::session::Record;
use tower_sessions::session_store::Error;

on_every_database!(
    a_column_mirrors_the_session_key_of_its_name,
    every_source_fills_its_column,
    a_key_that_is_removed_empties_its_column,
    a_key_that_is_missing_takes_the_default,
    a_required_column_without_a_value_is_an_error_and_nothing_is_written,
    a_value_of_the_wrong_type_is_an_error_that_names_the_column_and_the_key,
    created_at_and_last_seen_follow_the_session,
    a_version_counts_the_saves,
    a_closure_fills_columns_at_run_time,
    a_closure_may_fill_a_column_at_times_only,
    an_error_of_the_closure_refuses_the_save,
    a_closure_cannot_set_the_columns_of_the_store,
    a_unique_column_that_is_violated_is_that_error_at_once,
    a_nul_in_an_extra_column_is_refused_where_the_database_would,
    another_column_type_renamed_and_cast_is_honoured,
    a_list_in_a_json_column_is_written_as_json,
    a_save_as_that_binds_values_keeps_them,
);

mod device {
    use sea_orm::entity::prelude::*;
    use session_store::{Data, SessionModel};

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, serde::Deserialize)]
    #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(8))")]
    #[serde(rename_all = "lowercase")]
    pub enum Role {
        #[sea_orm(string_value = "admin")]
        Admin,
        #[sea_orm(string_value = "guest")]
        Guest,
    }

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "device_session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        #[session(sid)]
        pub id: String,
        #[session(sess)]
        pub data: Json,
        #[session(expire)]
        pub expires_at: TimeDateTimeWithTimeZone,
        pub user_id: Option<i32>,
        pub role: Option<Role>,
        #[session(key = "ua")]
        pub user_agent: Option<String>,
        #[session(pointer = "/cart/items/0/price")]
        pub first_price: Option<f64>,
        #[session(with = cart_size)]
        pub cart_size: i64,
        #[session(default)]
        pub visits: i32,
        #[session(key = "lang", default = "en".to_owned())]
        pub language: String,
        #[session(skip)]
        pub note: Option<String>,
        #[session(created_at)]
        pub created_at: TimeDateTimeWithTimeZone,
        #[session(last_seen)]
        pub last_seen: Option<TimeDateTimeWithTimeZone>,
        #[session(version)]
        pub version: i64,
        #[sea_orm(ignore)]
        pub not_a_column: u8,
    }

    fn cart_size(data: &Data) -> i64 {
        let items = data.get("cart").and_then(|cart| cart["items"].as_array());
        items.map_or(0, Vec::len) as i64
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn created(
    db: DatabaseConnection,
    data: Value,
) -> (SeaOrmStore<device::Model>, Clock, Record) {
    let (store, clock) = store::<device::Model>(db).await;
    let mut session = record(clock.now(), []);
    set(&mut session, data);
    store.create(&mut session).await.unwrap();
    (store, clock, session)
}

fn set(session: &mut Record, data: Value) {
    let Value::Object(data) = data else {
        panic!("an object")
    };
    session.data = data.into_iter().collect();
}

async fn row(store: &SeaOrmStore<device::Model>) -> device::Model {
    device::Entity::find()
        .one(store.db())
        .await
        .unwrap()
        .unwrap()
}

async fn a_column_mirrors_the_session_key_of_its_name(db: DatabaseConnection) {
    let (store, _, mut session) = created(db, json!({})).await;
    assert_eq!(row(&store).await.user_id, None);
    for user_id in [Some(7), Some(8), None] {
        set(&mut session, json!({ "user_id": user_id }));
        store.save(&session).await.unwrap();
        assert_eq!(row(&store).await.user_id, user_id);
    }
}

async fn every_source_fills_its_column(db: DatabaseConnection) {
    let (store, clock, session) = created(
        db,
        json!({
            "user_id": 7, "role": "admin", "ua": "Firefox", "visits": 3, "lang": "de",
            "cart": {"items": [{"price": 1.5}, {"price": 2.5}]},
        }),
    )
    .await;
    let row = row(&store).await;
    assert_eq!(row.id, store.sid(&session.id));
    assert_eq!(row.data["ua"], "Firefox");
    assert_eq!(row.expires_at, session.expiry_date);
    assert_eq!(row.user_id, Some(7));
    assert_eq!(row.role, Some(device::Role::Admin));
    assert_eq!(row.user_agent.as_deref(), Some("Firefox"));
    assert_eq!(row.first_price, Some(1.5));
    assert_eq!(row.cart_size, 2);
    assert_eq!(row.visits, 3);
    assert_eq!(row.language, "de");
    assert_eq!(row.note, None);
    assert_eq!(row.created_at, clock.now());
    assert_eq!(row.last_seen, Some(clock.now()));
    assert_eq!(row.version, 0);
}

async fn a_key_that_is_removed_empties_its_column(db: DatabaseConnection) {
    let data = json!({"user_id": 7, "role": "guest", "ua": "Firefox", "visits": 3, "lang": "de",
                      "cart": {"items": [{"price": 1}]}});
    let (store, _, mut session) = created(db, data).await;
    set(&mut session, json!({}));
    store.save(&session).await.unwrap();
    let row = row(&store).await;
    assert_eq!(
        (row.user_id, row.role, row.user_agent, row.first_price),
        (None, None, None, None)
    );
    assert_eq!(
        (row.cart_size, row.visits, row.language.as_str()),
        (0, 0, "en")
    );
}

async fn a_key_that_is_missing_takes_the_default(db: DatabaseConnection) {
    let (store, _, _) = created(db, json!({})).await;
    let row = row(&store).await;
    assert_eq!((row.visits, row.language.as_str()), (0, "en"));
}

/// A save of this data must be refused with these words, and leave the row as it was.
async fn refused(data: Value, words: &[&str], db: DatabaseConnection) {
    let (store, clock, mut session) = created(db, json!({"user_id": 1})).await;
    let before = row(&store).await;
    set(&mut session, data);
    let mut new = record(clock.now(), []);
    new.data = session.data.clone();
    for outcome in [store.save(&session).await, store.create(&mut new).await] {
        let Err(Error::Encode(message)) = outcome else {
            panic!("{outcome:?}")
        };
        for word in words {
            assert!(message.contains(word), "{word} is not in: {message}");
        }
        assert!(!message.contains("secret"), "{message}");
    }
    assert_eq!(row(&store).await, before);
    assert_eq!(store.count().await.unwrap(), 1);
}

async fn a_value_of_the_wrong_type_is_an_error_that_names_the_column_and_the_key(
    db: DatabaseConnection,
) {
    let words = [
        "column `user_agent`",
        "session key `ua`",
        "expected `Option<String>`, found an array",
    ];
    refused(json!({"ua": ["secret"]}), &words, db).await;
}

entity!(required in "required_session" {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[sea_orm(column_name = "tenant")]
    pub tenant_id: i32,
    #[session(pointer = "/a/b")]
    pub extra: Json,
    #[sea_orm(unique)]
    pub email: Option<String>,
});

async fn a_required_column_without_a_value_is_an_error_and_nothing_is_written(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<required::Model>(db).await;
    for (data, words) in [
        (
            json!({"a": {"b": 1}}),
            [
                "column `tenant`",
                "session key `tenant_id`",
                "expected `i32`, found nothing",
            ],
        ),
        (
            json!({"tenant_id": null, "a": {"b": 1}}),
            [
                "column `tenant`",
                "`tenant_id`",
                "expected `i32`, found null",
            ],
        ),
        (
            json!({"tenant_id": 1_u64 << 40, "a": {"b": 1}}),
            [
                "column `tenant`",
                "`tenant_id`",
                "expected `i32`, found a number",
            ],
        ),
        (
            json!({"tenant_id": 1, "a": {}}),
            [
                "column `extra`",
                "JSON pointer `/a/b`",
                "expected `Json`, found nothing",
            ],
        ),
    ] {
        let mut session = record(clock.now(), []);
        set(&mut session, data);
        let message = store.create(&mut session).await.unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{word} is not in: {message}");
        }
    }
    assert_eq!(store.count().await.unwrap(), 0);
    let mut session = record(
        clock.now(),
        [("tenant_id", json!(1)), ("a", json!({"b": null}))],
    );
    store.create(&mut session).await.unwrap();
}

async fn created_at_and_last_seen_follow_the_session(db: DatabaseConnection) {
    let (store, clock, session) = created(db, json!({})).await;
    let store = store
        .with_idle_timeout(Duration::hours(1))
        .with_touch_after(Duration::ZERO);
    let start = clock.now();
    let times = async || {
        let row = row(&store).await;
        (row.created_at, row.last_seen.unwrap())
    };
    assert_eq!(times().await, (start, start));
    clock.advance(Duration::MINUTE);
    store.save(&session).await.unwrap();
    assert_eq!(times().await, (start, start + Duration::MINUTE));
    clock.advance(Duration::MINUTE);
    store.touch(&session.id).await.unwrap();
    assert_eq!(times().await, (start, start + Duration::minutes(2)));
    clock.advance(Duration::MINUTE);
    store.load(&session.id).await.unwrap();
    assert_eq!(times().await, (start, start + Duration::minutes(3)));
}

async fn a_version_counts_the_saves(db: DatabaseConnection) {
    let (store, clock, session) = created(db, json!({})).await;
    assert_eq!(row(&store).await.version, 0);
    for saves in 1..4 {
        store.save(&session).await.unwrap();
        assert_eq!(row(&store).await.version, saves);
    }
    clock.advance(Duration::minutes(50));
    let store = store.with_idle_timeout(Duration::hours(1));
    assert!(store.touch(&session.id).await.unwrap());
    assert_eq!(row(&store).await.version, 3);
}

async fn a_closure_fills_columns_at_run_time(db: DatabaseConnection) {
    let (store, _, mut session) = created(db, json!({"user_id": 1})).await;
    let store = store.with_extras(|session, row| {
        row.note = Set(Some(format!(
            "{} keys, user {:?}",
            session.data.len(),
            row.user_id
        )));
        Ok(())
    });
    store.save(&session).await.unwrap();
    assert_eq!(
        row(&store).await.note.as_deref(),
        Some("1 keys, user Set(Some(1))")
    );
    set(&mut session, json!({}));
    store.save(&session).await.unwrap();
    assert_eq!(
        row(&store).await.note.as_deref(),
        Some("0 keys, user Set(None)")
    );
}

async fn a_closure_may_fill_a_column_at_times_only(db: DatabaseConnection) {
    let (store, clock, mut session) = created(db, json!({})).await;
    let store = store.with_extras(|session, row| {
        if let Some(note) = session.data.get("note").and_then(Value::as_str) {
            row.note = Set(Some(note.to_owned()));
        }
        Ok(())
    });
    for (user_id, note, kept) in [
        (1, None, None),
        (2, Some("a"), Some("a")),
        (3, None, Some("a")),
        (4, Some("b"), Some("b")),
    ] {
        set(&mut session, json!({"user_id": user_id, "note": note}));
        store.save(&session).await.unwrap();
        let row = row(&store).await;
        assert_eq!((row.user_id, row.note.as_deref()), (Some(user_id), kept));
        let mut other = record(clock.now(), [("note", json!(note))]);
        store.create(&mut other).await.unwrap();
        let other_row = store.find(&other.id).await.unwrap().unwrap();
        assert_eq!((other_row.user_id, other_row.note.as_deref()), (None, note));
        store.delete(&other.id).await.unwrap();
    }
}

async fn an_error_of_the_closure_refuses_the_save(db: DatabaseConnection) {
    let (store, clock, session) = created(db, json!({"user_id": 1})).await;
    let before = row(&store).await;
    let store = store.with_extras(|_, _| Err("no note today".into()));
    for outcome in [
        store.save(&session).await,
        store.create(&mut record(clock.now(), [])).await,
    ] {
        let message = outcome.unwrap_err().to_string();
        assert!(
            message.contains("the `with_extras` closure failed: no note today"),
            "{message}"
        );
    }
    assert_eq!(row(&store).await, before);
}

async fn a_closure_cannot_set_the_columns_of_the_store(db: DatabaseConnection) {
    let (store, clock) = store::<device::Model>(db).await;
    let store = store.with_extras(|_, row| {
        row.id = Set("mine".to_owned());
        row.data = Set(json!("mine"));
        row.expires_at = Set(OffsetDateTime::UNIX_EPOCH);
        row.created_at = Set(OffsetDateTime::UNIX_EPOCH);
        row.last_seen = Set(None);
        row.version = Set(99);
        Ok(())
    });
    let mut session = record(clock.now(), [("n", json!(1))]);
    store.create(&mut session).await.unwrap();
    for version in [0, 1] {
        let row = row(&store).await;
        assert_eq!(row.id, store.sid(&session.id));
        assert_eq!(row.data, json!({"n": 1}));
        assert_eq!(row.expires_at, session.expiry_date);
        assert_eq!(
            (row.created_at, row.last_seen),
            (clock.now(), Some(clock.now()))
        );
        assert_eq!(row.version, version);
        store.save(&session).await.unwrap();
    }
}

async fn a_unique_column_that_is_violated_is_that_error_at_once(db: DatabaseConnection) {
    let (store, clock) = store::<required::Model>(db).await;
    let data = [
        ("tenant_id", json!(1)),
        ("a", json!({"b": 1})),
        ("email", json!("secret@example.com")),
    ];
    let mut first = record(clock.now(), data.clone());
    store.create(&mut first).await.unwrap();
    let mut second = record(clock.now(), data);
    let id = second.id;
    let message = store.create(&mut second).await.unwrap_err().to_string();
    assert!(
        message.contains("must be unique") && message.contains("email"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
    assert_eq!(second.id, id, "a new id was tried");
    assert_eq!(store.count().await.unwrap(), 1);

    // Both at once, the id and the other column, end too.
    second.id = first.id;
    let message = store.create(&mut second).await.unwrap_err().to_string();
    assert!(message.contains("email"), "{message}");
}

async fn a_nul_in_an_extra_column_is_refused_where_the_database_would(db: DatabaseConnection) {
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    let (store, _, mut session) = created(db, json!({})).await;
    set(&mut session, json!({"ua": "a\0b"}));
    let outcome = store.save(&session).await;
    if is_postgres {
        let message = outcome.unwrap_err().to_string();
        assert!(
            message.contains("`user_agent`") && message.contains("NUL"),
            "{message}"
        );
    } else {
        outcome.unwrap();
        assert_eq!(row(&store).await.user_agent.as_deref(), Some("a\0b"));
    }
}

mod cast {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "Cast Session", rename_all = "SCREAMING_SNAKE_CASE")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_name = "key")]
        pub sid: String,
        #[sea_orm(enum_name = "Payload")]
        pub sess: Json,
        pub expire: TimeDateTime,
        #[sea_orm(column_type = "Char(Some(4))", save_as = "char(4)")]
        pub r#type: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn another_column_type_renamed_and_cast_is_honoured(db: DatabaseConnection) {
    let (store, clock) = store::<cast::Model>(db).await;
    let mut session = record(clock.now(), [("type", json!("abcd"))]);
    store.create(&mut session).await.unwrap();
    store.save(&session).await.unwrap();
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.r#type.as_deref(), Some("abcd"));
    assert_eq!(store.prune().await.unwrap(), 0);
    clock.advance(Duration::days(1));
    assert_eq!(store.prune().await.unwrap(), 1);
}

mod list {
    use sea_orm::FromJsonQueryResult;
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(
        Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, FromJsonQueryResult,
    )]
    pub struct Tag {
        pub name: String,
    }

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "list_session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[sea_orm(column_type = "JsonBinary")]
        pub tags: Vec<Tag>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn a_list_in_a_json_column_is_written_as_json(db: DatabaseConnection) {
    let (store, clock) = store::<list::Model>(db).await;
    let mut session = record(clock.now(), [("tags", json!([{"name": "a"}]))]);
    store.create(&mut session).await.unwrap();
    for names in [vec!["b", "c"], vec![]] {
        let tags: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        session.data.insert("tags".to_owned(), tags.into());
        store.save(&session).await.unwrap();
        let row = store.find(&session.id).await.unwrap().unwrap();
        let saved: Vec<_> = row.tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(saved, names);
    }
}

/// An entity whose column is saved through an expression that binds values of its own.
mod saved_as {
    use sea_orm::entity::prelude::*;
    use sea_orm::sea_query::{Expr, ExprTrait};
    use session_store::SessionModel;

    #[derive(Copy, Clone, Default, Debug, DeriveEntity)]
    pub struct Entity;

    impl EntityName for Entity {
        fn table_name(&self) -> &'static str {
            "saved_as"
        }
    }

    #[derive(Clone, Debug, PartialEq, DeriveModel, DeriveActiveModel, SessionModel)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        pub points: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveColumn)]
    pub enum Column {
        Sid,
        Sess,
        Expire,
        Points,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DerivePrimaryKey)]
    pub enum PrimaryKey {
        Sid,
    }

    impl PrimaryKeyTrait for PrimaryKey {
        type ValueType = String;

        fn auto_increment() -> bool {
            false
        }
    }

    impl ColumnTrait for Column {
        type EntityName = Entity;

        fn def(&self) -> ColumnDef {
            match self {
                Self::Sid => ColumnType::String(StringLen::N(64)).def(),
                Self::Sess => ColumnType::Json.def(),
                Self::Expire => ColumnType::TimestampWithTimeZone.def(),
                Self::Points => ColumnType::Integer.def(),
            }
        }

        fn save_as(&self, value: Expr) -> Expr {
            match self {
                // Small numbers of the type that SeaORM has for them.
                Self::Points => value.cast_as("integer").add(1_u16).mul(2_u16),
                _ => value,
            }
        }
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn a_save_as_that_binds_values_keeps_them(db: DatabaseConnection) {
    let (store, clock) = store::<saved_as::Model>(db).await;
    let mut session = record(clock.now(), [("points", json!(20))]);
    store.create(&mut session).await.unwrap();
    for points in [20, 30] {
        session.data.insert("points".to_owned(), json!(points));
        store.save(&session).await.unwrap();
        let row = store.find(&session.id).await.unwrap().unwrap();
        assert_eq!(row.points, (points + 1) * 2);
    }
}
