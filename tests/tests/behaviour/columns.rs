//! Data of all sizes and characters in the `sess` column, and rows with invalid data.

use std::any::TypeId;

use sea_orm::{ActiveModelTrait, DatabaseConnection, DbBackend, EntityTrait, Iterable};
use serde_json::{Value, json};
use session_store::{SeaOrmStore, SessionModel};
use tests::database::execute;
use tests::{
    entity, kinds, new_session, on_every_database, on_every_database_and_kind, record, store,
};
use tower_sessions::SessionStore;
use tower_sessions::session_store::Error;

on_every_database_and_kind!(
    a_nul_character_is_kept_or_refused_with_the_reason,
    a_key_that_serde_json_reserves_is_refused,
    a_damaged_row_is_a_decode_error_that_quotes_nothing_and_can_be_deleted,
    more_than_64_kib_and_a_microsecond_are_kept,
    a_row_that_the_application_wrote_is_a_session,
);

on_every_database!(
    nesting_too_deep_for_json_in_mariadb_is_refused_with_the_reason,
    a_custom_type_may_encode_the_data_as_json,
);

async fn a_nul_character_is_kept_or_refused_with_the_reason<M: SessionModel>(
    db: DatabaseConnection,
) {
    let is_jsonb = TypeId::of::<M>() == TypeId::of::<kinds::jsonb_and_fixed_offset::Model>();
    let is_kept = !(is_jsonb && db.get_database_backend() == DbBackend::Postgres);
    let (store, clock) = store::<M>(db).await;
    for data in [
        ("text", json!("a\0b")),
        ("nested", json!([{"k\0": 1}])),
        ("key\0", json!(1)),
    ] {
        let mut session = record(clock.now(), [data]);
        match store.create(&mut session).await {
            Ok(()) if is_kept => {
                assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
            }
            Err(Error::Encode(message)) if !is_kept => {
                assert!(message.contains("character NUL"), "{message}");
                assert!(message.contains("`sess`"), "{message}");
                assert_eq!(store.count().await.unwrap(), 0);
            }
            outcome => panic!("{outcome:?}"),
        }
    }
}

/// `serde_json` would read such an object as the number or the JSON in its value. A key may be what a visitor
/// has sent.
async fn a_key_that_serde_json_reserves_is_refused<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let session = new_session(&store, clock.now(), []).await;
    for key in [
        "$serde_json::private::RawValue",
        "$serde_json::private::Number",
    ] {
        for value in ["17", "secret"] {
            let object = Value::Object([(key.to_owned(), json!(value))].into_iter().collect());
            for data in [("a", json!([object])), (key, json!(value))] {
                let mut session = session.clone();
                session.data = record(clock.now(), [data]).data;
                let Err(Error::Encode(message)) = store.save(&session).await else {
                    panic!("{:?}", store.load(&session.id).await)
                };
                assert!(message.contains("serde_json reserves"), "{message}");
                assert!(!message.contains("secret"), "{message}");
            }
        }
    }
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

async fn nesting_too_deep_for_json_in_mariadb_is_refused_with_the_reason(db: DatabaseConnection) {
    let (store, clock) = store::<kinds::json_and_offset::Model>(db).await;
    let nested = (1..32).fold(json!(1), |value, _| json!([value]));
    let mut session = record(clock.now(), [("deep", nested)]);
    let outcome = store.create(&mut session).await;
    if store.db().get_database_backend() == DbBackend::MySql {
        let message = outcome.unwrap_err().to_string();
        assert!(
            message.contains("the limit is 31 in MariaDB's JSON"),
            "{message}"
        );
        assert_eq!(store.count().await.unwrap(), 0);
    } else {
        outcome.unwrap();
        assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
    }
}

/// Returns SQL expressions for values of a `sess` column that are not session data.
fn damaged_values<M: SessionModel>(backend: DbBackend) -> Vec<String> {
    let sess = TypeId::of::<M::Sess>();
    if sess == TypeId::of::<Vec<u8>>() {
        // A string instead of a map, a truncated map, and nothing.
        return ["a6736563726574", "81a6736563726574", ""]
            .map(|bytes| match backend {
                DbBackend::Postgres => format!(r"'\x{bytes}'::bytea"),
                _ => format!("x'{bytes}'"),
            })
            .to_vec();
    }
    let mut values = vec![r#"'["secret"]'"#, r#"'"secret"'"#, "'17'", "'null'"];
    if sess == TypeId::of::<String>() {
        values.extend(["''", r#"'{"key": secret}'"#, r#"'{"a": "secret'"#]);
    }
    values.into_iter().map(str::to_owned).collect()
}

async fn a_damaged_row_is_a_decode_error_that_quotes_nothing_and_can_be_deleted<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    let session = new_session(&store, clock.now(), []).await;
    for value in damaged_values::<M>(store.db().get_database_backend()) {
        execute(store.db(), &format!("UPDATE session SET sess = {value}")).await;
        let outcome = store.load(&session.id).await;
        let Err(Error::Decode(message)) = outcome else {
            panic!("{value}: {outcome:?}")
        };
        assert!(
            message.contains("`sess`") && message.contains("`sid`"),
            "{message}"
        );
        assert!(!message.contains("secret"), "{message}");
        assert!(!message.contains(&store.sid(&session.id)), "{message}");
    }
    store.delete(&session.id).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), None);
}

async fn more_than_64_kib_and_a_microsecond_are_kept<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut session = record(clock.now(), [("big", json!("ä".repeat(100_000)))]);
    session.expiry_date += time::Duration::microseconds(1);
    store.create(&mut session).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

async fn a_row_that_the_application_wrote_is_a_session<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock): (SeaOrmStore<M>, _) = store(db).await;
    let session = new_session(&store, clock.now(), [("n", json!(1))]).await;
    let row = store.find(&session.id).await.unwrap().unwrap();
    store.delete_all().await.unwrap();
    let mut copy = <M::Entity as EntityTrait>::ActiveModel::default();
    for column in <M::Entity as EntityTrait>::Column::iter() {
        copy.set(column, row.get(column));
    }
    M::Entity::insert(copy)
        .exec_without_returning(store.db())
        .await
        .unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}

/// A custom `sess` type that encodes to a JSON value. The built-in types encode to text.
mod as_json {
    use sea_orm::{FromJsonQueryResult, Value};
    use session_store::{Data, SessColumn, SessionRef};

    #[derive(
        Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, FromJsonQueryResult,
    )]
    #[serde(transparent)]
    pub struct AsJson(Data);

    type BoxError = Box<dyn std::error::Error + Send + Sync>;

    impl SessColumn for AsJson {
        fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError> {
            Ok(Value::from(Self(session.data.clone())))
        }

        fn decode(self) -> Result<Data, BoxError> {
            Ok(self.0)
        }
    }
}

entity!(in_json {
    #[sea_orm(column_type = "Json")]
    pub sess: as_json::AsJson,
    pub expire: TimeDateTimeWithTimeZone,
});

entity!(in_jsonb in "jsonb_session" {
    #[sea_orm(column_type = "JsonBinary")]
    pub sess: as_json::AsJson,
    pub expire: TimeDateTimeWithTimeZone,
});

async fn a_custom_type_may_encode_the_data_as_json(db: DatabaseConnection) {
    saves_and_loads_equal_data::<in_json::Model>(db.clone()).await;
    saves_and_loads_equal_data::<in_jsonb::Model>(db).await;
}

async fn saves_and_loads_equal_data<M: SessionModel>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut session = new_session(&store, clock.now(), [("n", json!({"deep": [1, null]}))]).await;
    session.data.insert("more".to_owned(), json!("text"));
    store.save(&session).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap(), Some(session));
}
