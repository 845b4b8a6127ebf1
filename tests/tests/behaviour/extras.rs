//! Extra columns, which every create and save fills from the sources in the entity.

use sea_orm::{DatabaseConnection, DbBackend, EntityTrait};
use serde_json::{Value, json};
use session_store::SeaOrmStore;
use tests::{Clock, entity, new_session, on_every_database, record, store};
use time::Duration;
use tower_sessions::SessionStore;
use tower_sessions::session::Record;
use tower_sessions::session_store::Error;

on_every_database!(
    a_column_mirrors_the_session_key_of_its_name,
    every_source_fills_its_column,
    a_removed_key_empties_its_column,
    a_missing_key_takes_the_default,
    a_required_column_without_a_value_is_an_error_and_nothing_is_written,
    a_value_of_the_wrong_type_is_an_error_that_names_the_column_and_the_key,
    created_at_and_last_seen_follow_the_session,
    a_version_counts_the_saves,
    a_unique_violation_is_an_error_without_a_retry,
    a_nul_in_an_extra_column_is_refused_if_the_database_cannot_store_it,
    a_number_that_its_column_cannot_hold_is_refused_and_nothing_is_written,
);

pub(crate) mod device {
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

pub(crate) async fn store_with_session(
    db: DatabaseConnection,
    data: Value,
) -> (SeaOrmStore<device::Model>, Clock, Record) {
    let (store, clock) = store::<device::Model>(db).await;
    let mut session = record(clock.now(), []);
    set_data(&mut session, data);
    store.create(&mut session).await.unwrap();
    (store, clock, session)
}

pub(crate) fn set_data(session: &mut Record, data: Value) {
    let Value::Object(data) = data else {
        panic!("expected an object, found {data}")
    };
    session.data = data.into_iter().collect();
}

pub(crate) async fn row(store: &SeaOrmStore<device::Model>) -> device::Model {
    device::Entity::find()
        .one(store.db())
        .await
        .unwrap()
        .unwrap()
}

async fn a_column_mirrors_the_session_key_of_its_name(db: DatabaseConnection) {
    let (store, _, mut session) = store_with_session(db, json!({})).await;
    assert_eq!(row(&store).await.user_id, None);
    for user_id in [Some(7), Some(8), None] {
        set_data(&mut session, json!({ "user_id": user_id }));
        store.save(&session).await.unwrap();
        assert_eq!(row(&store).await.user_id, user_id);
    }
}

async fn every_source_fills_its_column(db: DatabaseConnection) {
    let (store, clock, session) = store_with_session(
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

async fn a_removed_key_empties_its_column(db: DatabaseConnection) {
    let data = json!({"user_id": 7, "role": "guest", "ua": "Firefox", "visits": 3, "lang": "de",
                      "cart": {"items": [{"price": 1}]}});
    let (store, _, mut session) = store_with_session(db, data).await;
    set_data(&mut session, json!({}));
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

async fn a_missing_key_takes_the_default(db: DatabaseConnection) {
    let (store, _, _) = store_with_session(db, json!({})).await;
    let row = row(&store).await;
    assert_eq!((row.visits, row.language.as_str()), (0, "en"));
}

/// Asserts that this data is refused with a message that contains these words, and nothing is written.
async fn assert_refused(db: DatabaseConnection, data: Value, words: &[&str]) {
    let (store, clock, mut session) = store_with_session(db, json!({"user_id": 1})).await;
    let before = row(&store).await;
    set_data(&mut session, data);
    let mut new = record(clock.now(), []);
    new.data = session.data.clone();
    for outcome in [store.save(&session).await, store.create(&mut new).await] {
        let Err(Error::Encode(message)) = outcome else {
            panic!("{outcome:?}")
        };
        for word in words {
            assert!(message.contains(word), "`{word}` is missing in: {message}");
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
    assert_refused(db, json!({"ua": ["secret"]}), &words).await;
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
                "expected `i32`, found a number out of range",
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
        set_data(&mut session, data);
        let message = store.create(&mut session).await.unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "`{word}` is missing in: {message}");
        }
    }
    assert_eq!(store.count().await.unwrap(), 0);
    new_session(
        &store,
        clock.now(),
        [("tenant_id", json!(1)), ("a", json!({"b": null}))],
    )
    .await;
}

async fn created_at_and_last_seen_follow_the_session(db: DatabaseConnection) {
    let (store, clock, session) = store_with_session(db, json!({})).await;
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
    let (store, clock, session) = store_with_session(db, json!({})).await;
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

async fn a_unique_violation_is_an_error_without_a_retry(db: DatabaseConnection) {
    let (store, clock) = store::<required::Model>(db).await;
    let data = [
        ("tenant_id", json!(1)),
        ("a", json!({"b": 1})),
        ("email", json!("secret@example.com")),
    ];
    let first = new_session(&store, clock.now(), data.clone()).await;
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

    // Also if the id is taken too.
    second.id = first.id;
    let message = store.create(&mut second).await.unwrap_err().to_string();
    assert!(message.contains("email"), "{message}");
}

async fn a_nul_in_an_extra_column_is_refused_if_the_database_cannot_store_it(
    db: DatabaseConnection,
) {
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    let (store, _, mut session) = store_with_session(db, json!({})).await;
    set_data(&mut session, json!({"ua": "a\0b"}));
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

entity!(numbers in "number_session" {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    pub size: Option<u64>,
    pub ratio: Option<f32>,
});

async fn a_number_that_its_column_cannot_hold_is_refused_and_nothing_is_written(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<numbers::Model>(db).await;
    let limits = [("size", json!(i64::MAX)), ("ratio", json!(f32::MIN))];
    let mut session = new_session(&store, clock.now(), limits).await;
    let mut refused = vec![("ratio", json!(1e300)), ("ratio", json!(-1e39))];
    let large = [json!(u64::MAX), json!(i64::MAX as u64 + 1)];
    if store.db().get_database_backend() == DbBackend::MySql {
        // It has unsigned integers.
        for size in large {
            session.data.insert("size".to_owned(), size.clone());
            store.save(&session).await.unwrap();
            let row = store.find(&session.id).await.unwrap().unwrap();
            assert_eq!(row.size, size.as_u64());
        }
    } else {
        refused.extend(large.map(|size| ("size", size)));
    }
    for (column, value) in refused {
        let mut changed = session.clone();
        changed.data.insert(column.to_owned(), value);
        let saved = store.save(&changed).await;
        let created = store.create(&mut changed).await;
        for outcome in [saved, created] {
            let Err(Error::Encode(message)) = outcome else {
                panic!("{column}: {outcome:?}")
            };
            assert!(message.contains(&format!("`{column}`")), "{message}");
        }
        assert_eq!(store.count().await.unwrap(), 1);
        let loaded = store.load(&session.id).await.unwrap();
        assert_eq!(loaded, Some(session.clone()));
    }
}
