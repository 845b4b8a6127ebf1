//! Properties of random data and timestamps, on every database and with every type of column.
//!
//! Any JSON comes back equal, or is refused with a documented reason before anything is written. Also with
//! `--features arbitrary-precision`.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sea_orm::{ColumnTrait, ColumnType, DatabaseConnection, DbBackend};
use serde_json::{Number, Value, json};
use session_store::{Data, SessionModel};
use tests::{new_session, on_every_database_and_kind, record, store};
use time::{Duration, OffsetDateTime, UtcOffset};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tower_sessions::SessionStore;
use tower_sessions::session_store::Error;

on_every_database_and_kind!(
    any_json_comes_back_equal_or_is_refused_with_a_reason,
    integers_come_back_as_integers_and_floats_as_floats,
    any_expiry_is_the_same_time_in_rust_and_in_sql,
);

/// Checks a property with random values, as often as `PROPTEST_CASES` says.
async fn check_property<S: Strategy, F>(strategy: S, property: impl Fn(S::Value) -> F)
where
    F: Future<Output = Result<(), TestCaseError>>,
{
    let cases = std::env::var("PROPTEST_CASES").map_or(48, |cases| cases.parse().unwrap());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        block_in_place(|| Handle::current().block_on(property(value)))
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter),
        1 => prop::collection::vec(prop::char::range('\0', ' '), 0..6).prop_map(String::from_iter),
        1 => (1_usize..200_000).prop_map(|length| "ß".repeat(length)),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    let floats = prop_oneof![
        any::<f64>(),
        // A database may read these floats as integers.
        (1e14..1e21_f64).prop_map(f64::trunc),
        (-1e21..-1e14_f64).prop_map(f64::trunc),
        prop::num::f64::SUBNORMAL,
        Just(-0.0),
    ];
    // With serde_json's `arbitrary_precision`, a number keeps this text.
    let text = (any::<u128>(), 0_u32..39, 0_usize..9, -9_i32..9).prop_map(
        |(digits, shorter, fraction, exponent)| {
            let digits = digits / 10_u128.pow(shorter);
            format!("{digits}.{digits:0>fraction$}e{exponent}")
        },
    );
    let texts = prop_oneof![
        text,
        any::<u128>().prop_map(|integer| integer.to_string()),
        any::<i128>().prop_map(|integer| integer.to_string()),
        prop::sample::select(vec![
            "-0", "0.00", "1.50", "-1E+2", "1e400", "1e-400", "1e22"
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        4 => any::<i64>().prop_map(Value::from),
        4 => any::<u64>().prop_map(Value::from),
        1 => texts.prop_filter_map("not a number here", |text| serde_json::from_str(&text).ok()),
        4 => floats.prop_filter_map("not a JSON number", |float| {
            Number::from_f64(float).map(Value::Number)
        }),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn data() -> impl Strategy<Value = Data> {
    let nested = (1_usize..140).prop_map(|levels| {
        let inner = (1..levels).fold(json!(1), |value, _| json!([value]));
        Data::from([("nested".to_owned(), inner)])
    });
    prop_oneof![
        8 => prop::collection::hash_map(text(), json(), 0..6),
        1 => nested,
    ]
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Returns the value with the numbers that `serde_json` has by default, and without the sign of zero, which
/// `jsonb` does not keep.
fn by_default(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let integer = number.as_i64().map(Value::from);
            let integer = integer.or_else(|| number.as_u64().map(Value::from));
            integer.unwrap_or_else(|| json!(number.as_f64().unwrap() + 0.0))
        }
        Value::Array(items) => items.iter().map(by_default).collect(),
        Value::Object(map) => {
            let entries = map.iter();
            let entries = entries.map(|(key, value)| (key.clone(), by_default(value)));
            Value::Object(entries.collect())
        }
        value => value.clone(),
    }
}

fn data_by_default(data: &Data) -> Data {
    let entries = data.iter();
    let entries = entries.map(|(key, value)| (key.clone(), by_default(value)));
    entries.collect()
}

/// Returns whether a number of the value may have more digits than one of 64 bits holds.
fn has_long_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            text.len() > 15 || number.as_f64().is_none_or(|float| float == 0.0)
        }
        Value::Array(items) => items.iter().any(has_long_number),
        Value::Object(map) => map.values().any(has_long_number),
        _ => false,
    }
}

/// Returns the words of the errors that may refuse this data.
fn limits<M: SessionModel>(data: &Data, backend: DbBackend) -> Vec<&'static str> {
    let column = M::columns().sess.def().get_column_type().clone();
    let depth = 1 + data.values().map(depth).max().unwrap_or(0);
    let as_text = serde_json::to_string(data).unwrap();
    let is_json = matches!(column, ColumnType::Json | ColumnType::JsonBinary);
    let mut limits = Vec::new();
    if backend == DbBackend::Postgres
        && matches!(column, ColumnType::JsonBinary)
        && as_text.contains(r"\u0000")
    {
        limits.push("NUL");
    }
    if depth > 127 || depth > 31 && is_json && backend == DbBackend::MySql {
        limits.push("nested");
    }
    if cfg!(feature = "arbitrary-precision") && data.values().any(has_long_number) {
        limits.push("`f64`");
    }
    // The stored encoding can be a little shorter or longer than this text.
    if as_text.len() > 1024 * 1024 - 100 {
        limits.push("1048576 bytes");
    }
    limits
}

async fn any_json_comes_back_equal_or_is_refused_with_a_reason<M: SessionModel>(
    db: DatabaseConnection,
) {
    let backend = db.get_database_backend();
    let (store, clock) = store::<M>(db).await;
    let (store, now) = (&store, clock.now());
    check_property((data(), data()), async |(first, second)| {
        let mut session = record(now, []);
        session.data = first;
        let created = store.create(&mut session).await;
        check_outcome::<M>(created, &session.data, backend)?;
        let before = store
            .load(&session.id)
            .await
            .unwrap()
            .map(|session| session.data);
        let is_created = before.is_some();
        if let Some(before) = &before {
            prop_assert_eq!(&data_by_default(before), &data_by_default(&session.data));
        }
        session.data = second;
        let saved = store.save(&session).await;
        let after = store
            .load(&session.id)
            .await
            .unwrap()
            .map(|session| session.data);
        match saved {
            Ok(()) => prop_assert_eq!(
                after.as_ref().map(data_by_default),
                Some(data_by_default(&session.data))
            ),
            Err(_) => prop_assert_eq!(&after, &before),
        }
        if is_created {
            check_outcome::<M>(saved, &session.data, backend)?;
        }
        Ok(())
    })
    .await;
}

async fn integers_come_back_as_integers_and_floats_as_floats<M: SessionModel>(
    db: DatabaseConnection,
) {
    let (store, clock) = store::<M>(db).await;
    let floats = [0.5, 1.0, 1e15, 1e16, -1e19, 1e20, 1e300, f64::MAX, 5e-324];
    let data = [
        ("integers", json!([7, 0, i64::MIN, i64::MAX, u64::MAX])),
        ("floats", json!(floats)),
    ];
    let session = new_session(&store, clock.now(), data).await;
    let loaded = store.load(&session.id).await.unwrap().unwrap();
    let found = <[f64; 9] as serde::Deserialize>::deserialize(&loaded.data["floats"]);
    assert_eq!(found.unwrap(), floats);
    assert!(
        loaded.data["floats"]
            .as_array()
            .unwrap()
            .iter()
            .all(Value::is_f64)
    );
    assert_eq!(loaded, session);
}

fn check_outcome<M: SessionModel>(
    outcome: Result<(), Error>,
    data: &Data,
    backend: DbBackend,
) -> Result<(), TestCaseError> {
    match outcome {
        Ok(()) => Ok(()),
        Err(Error::Encode(message)) => {
            let limits = limits::<M>(data, backend);
            let is_named = limits.iter().any(|limit| message.contains(limit));
            prop_assert!(
                is_named,
                "expected one of {limits:?} in the error, found: {message}"
            );
            Ok(())
        }
        Err(error) => Err(TestCaseError::fail(error.to_string())),
    }
}

async fn any_expiry_is_the_same_time_in_rust_and_in_sql<M: SessionModel>(db: DatabaseConnection) {
    let (store, _) = store::<M>(db).await;
    let store = &store;
    // Seconds of the years 2020 to 2037, and fractions whose texts differ in length.
    let timestamp = (
        1_577_836_800_i64..2_145_916_800,
        prop_oneof![
            0_i64..1_000_000,
            (0_i64..10).prop_map(|tenths| tenths * 100_000),
            (0_i64..100).prop_map(|hundredths| hundredths * 10_000),
        ],
    );
    let offset = (-12_i8..=14, prop::sample::select(vec![0_i8, 30, 45]));
    check_property(
        (timestamp, offset, -3_i64..=3),
        async |((seconds, micros), (hours, minutes), away)| {
            let minutes = if hours < 0 { -minutes } else { minutes };
            let expiry = OffsetDateTime::from_unix_timestamp(seconds).unwrap()
                + Duration::microseconds(micros);
            let now = expiry + Duration::microseconds(away);
            let store_at = |now| store.clone().with_clock(move || now);
            let mut session = record(expiry, []);
            let offset = UtcOffset::from_hms(hours, minutes, 0).unwrap();
            session.expiry_date = expiry.to_offset(offset);
            let before = store_at(expiry - Duration::DAY);
            before.create(&mut session).await.unwrap();
            let is_active = now < expiry;
            let store = store_at(now);
            prop_assert_eq!(store.load(&session.id).await.unwrap().is_some(), is_active);
            prop_assert_eq!(store.find(&session.id).await.unwrap().is_some(), is_active);
            prop_assert_eq!(store.count().await.unwrap(), u64::from(is_active));
            prop_assert_eq!(store.save(&session).await.is_ok(), is_active);
            prop_assert_eq!(store.prune().await.unwrap(), u64::from(!is_active));
            store.delete_all().await.unwrap();
            Ok(())
        },
    )
    .await;
}
