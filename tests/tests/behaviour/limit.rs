//! At most N sessions: `revoke_all_but_newest`.

use std::collections::BTreeSet;

use sea_orm::sqlx::{AssertSqlSafe, Executor};
use sea_orm::{
    ColumnTrait, Condition, ConnectOptions, Database, DatabaseConnection, DbBackend, EntityTrait,
};
use serde_json::json;
use session_store::Id;
use session_store::{CreatedAt, Error, SeaOrmStore};
use tests::database::{database_url, execute};
use tests::{
    Clock, entity, neighbouring_timestamps, new_session, on_every_database,
    on_every_database_and_kind, record, row_count, store,
};
use time::Duration;
use tower_sessions_core::SessionStore;

on_every_database_and_kind!(only_the_newest_sessions_remain);

on_every_database!(
    the_session_at_hand_is_kept_though_it_is_the_oldest,
    a_limit_of_zero_is_one,
    expired_sessions_do_not_count,
    a_session_of_unknown_age_is_the_oldest,
    sessions_of_the_same_age_are_ordered_by_their_sid,
    sessions_that_do_not_match_stay,
    plain_ids_that_differ_only_in_case_are_different_sessions,
    nothing_is_deleted_for_a_session_that_does_not_match,
    names_with_quotes_are_used,
    of_two_concurrent_sign_ins_exactly_one_survives_a_limit_of_one,
    two_concurrent_sign_ins_survive_a_limit_of_two,
    of_concurrent_sign_ins_as_many_survive_as_the_limit_allows,
    concurrent_sign_ins_at_every_isolation_level,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(index)]
    pub user_id: Option<i32>,
    #[session(created_at)]
    pub created_at: Option<TimeDateTimeWithTimeZone>,
});

entity!(quoted in "the 'table' ON \"a\" ON `b` ?" {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[sea_orm(column_name = "\"it's`s\" ON `created_at` ?")]
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
});

use session::{Column, Model, Store};

fn of_user(user: i32) -> Condition {
    Column::UserId.eq(user).into()
}

/// Creates sessions of a user, one second apart, and returns their ids.
async fn sign_ins<const N: usize>(store: &Store, clock: &Clock, user: i32) -> [Id; N] {
    let mut ids = [Id::default(); N];
    for id in &mut ids {
        clock.advance(Duration::SECOND);
        *id = new_session(store, clock.now(), [("user_id", json!(user))])
            .await
            .id;
    }
    ids
}

/// Returns which of the sessions have a row.
async fn remaining<const N: usize>(store: &Store, ids: &[Id; N]) -> [bool; N] {
    let rows = session::Entity::find().all(store.db()).await.unwrap();
    ids.map(|id| rows.iter().any(|row| row.sid == store.sid(&id)))
}

async fn only_the_newest_sessions_remain<M: CreatedAt>(db: DatabaseConnection) {
    let (store, clock) = store::<M>(db).await;
    let mut ids = Vec::new();
    for timestamp in neighbouring_timestamps(clock.now()) {
        clock.set(timestamp);
        ids.push(new_session(&store, timestamp, []).await.id);
    }
    let newest = *ids.last().unwrap();
    let mut before = ids.len();
    for limit in (1..=ids.len() + 1).rev() {
        let revoked = store.revoke_all_but_newest(Condition::all(), limit as u64, &newest);
        let kept = limit.min(ids.len());
        assert_eq!(revoked.await.unwrap(), (before - kept) as u64);
        before = kept;
        for (age, id) in ids.iter().rev().enumerate() {
            let is_kept = store.find(id).await.unwrap().is_some();
            assert_eq!(is_kept, age < limit, "limit {limit}, age {age}");
        }
    }
}

async fn the_session_at_hand_is_kept_though_it_is_the_oldest(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let ids: [_; 4] = sign_ins(&store, &clock, 7).await;
    let limited = async |limit| {
        let revoked = store.revoke_all_but_newest(of_user(7), limit, &ids[0]);
        (revoked.await.unwrap(), remaining(&store, &ids).await)
    };
    assert_eq!(limited(4).await, (0, [true; 4]));
    assert_eq!(limited(3).await, (1, [true, false, true, true]));
    assert_eq!(limited(1).await, (2, [true, false, false, false]));
    assert_eq!(limited(1).await, (0, [true, false, false, false]));
}

async fn a_limit_of_zero_is_one(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let ids: [_; 3] = sign_ins(&store, &clock, 7).await;
    let limited = async |limit| {
        let revoked = store.revoke_all_but_newest(of_user(7), limit, &ids[1]);
        (revoked.await.unwrap(), remaining(&store, &ids).await)
    };
    assert_eq!(limited(u64::MAX).await, (0, [true; 3]));
    assert_eq!(limited(0).await, (2, [false, true, false]));
}

async fn expired_sessions_do_not_count(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let [old, current] = sign_ins(&store, &clock, 7).await;
    let [new, _] = sign_ins(&store, &clock, 8).await;
    // The newest of the user has expired.
    let expire = |id: &Id| {
        format!(
            "UPDATE session SET user_id = 7, expire = '2001-01-01 00:00:00' WHERE sid = '{}'",
            store.sid(id)
        )
    };
    execute(store.db(), &expire(&new)).await;
    let revoked = store.revoke_all_but_newest(of_user(7), 2, &current);
    assert_eq!(revoked.await.unwrap(), 1);
    let ids = [old, current, new];
    assert_eq!(remaining(&store, &ids).await, [true, true, false]);

    // The older one has reached its absolute timeout.
    clock.advance(Duration::minutes(30));
    let [current] = sign_ins(&store, &clock, 7).await;
    let store = store.with_absolute_timeout(Duration::minutes(20));
    let revoked = store.revoke_all_but_newest(of_user(7), 9, &current);
    assert_eq!(revoked.await.unwrap(), 2);
    assert_eq!(remaining(&store, &[current]).await, [true]);
}

async fn a_session_of_unknown_age_is_the_oldest(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let ids: [_; 4] = sign_ins(&store, &clock, 7).await;
    for id in &ids[1..3] {
        let forget = format!(
            "UPDATE session SET created_at = NULL WHERE sid = '{}'",
            store.sid(id)
        );
        execute(store.db(), &forget).await;
    }
    let limited = async |limit, id| {
        let revoked = store.revoke_all_but_newest(of_user(7), limit, id);
        revoked.await.unwrap();
        remaining(&store, &ids).await
    };
    assert_eq!(limited(3, &ids[2]).await, [true, false, true, true]);
    assert_eq!(limited(2, &ids[3]).await, [true, false, false, true]);
}

async fn sessions_of_the_same_age_are_ordered_by_their_sid(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        let session = new_session(&store, clock.now(), [("user_id", json!(7))]).await;
        ids.push(session.id);
    }
    ids.sort_by_key(|id| store.sid(id));
    let last = ids.pop().unwrap();
    let revoked = store.revoke_all_but_newest(of_user(7), 4, &last);
    assert_eq!(revoked.await.unwrap(), 4);
    let expected: BTreeSet<_> = ids[..3]
        .iter()
        .chain([&last])
        .map(|id| store.sid(id))
        .collect();
    let rows = session::Entity::find().all(store.db()).await.unwrap();
    let sids: BTreeSet<_> = rows.into_iter().map(|row| row.sid).collect();
    assert_eq!(sids, expected);
}

async fn sessions_that_do_not_match_stay(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let others: [_; 3] = sign_ins(&store, &clock, 9).await;
    let visitor = new_session(&store, clock.now(), []).await.id;
    let sevens: [_; 2] = sign_ins(&store, &clock, 7).await;
    let eights: [_; 2] = sign_ins(&store, &clock, 8).await;
    let either = Condition::any().add(of_user(7)).add(of_user(8));
    let revoked = store.revoke_all_but_newest(either, 2, &sevens[0]);
    assert_eq!(revoked.await.unwrap(), 2);
    assert_eq!(remaining(&store, &others).await, [true; 3]);
    assert_eq!(remaining(&store, &[visitor]).await, [true]);
    assert_eq!(remaining(&store, &sevens).await, [true, false]);
    assert_eq!(remaining(&store, &eights).await, [false, true]);
}

async fn plain_ids_that_differ_only_in_case_are_different_sessions(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let store = store.with_plain_sid();
    let ids: [_; 2] = sign_ins(&store, &clock, 7).await;
    let mut lower = record(clock.now(), [("user_id", json!(7))]);
    lower.id = "abcdefghijklmnopqrstuA".parse().unwrap();
    store.create(&mut lower).await.unwrap();
    // MariaDB's default collation treats them as equal.
    let upper = "ABCDEFGHIJKLMNOPQRSTUA".parse().unwrap();
    let refused = store.revoke_all_but_newest(of_user(7), 1, &upper).await;
    assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    assert_eq!(row_count(&store).await, 3);
    let revoked = store.revoke_all_but_newest(of_user(7), 2, &lower.id);
    assert_eq!(revoked.await.unwrap(), 1);
    assert_eq!(remaining(&store, &ids).await, [false, true]);
    assert_eq!(remaining(&store, &[lower.id]).await, [true]);
}

async fn nothing_is_deleted_for_a_session_that_does_not_match(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    let ids: [_; 2] = sign_ins(&store, &clock, 7).await;
    let without_user = new_session(&store, clock.now(), []).await.id;
    let [of_another_user] = sign_ins(&store, &clock, 8).await;
    let [expired] = sign_ins(&store, &clock, 7).await;
    let expire = format!(
        "UPDATE session SET expire = '2001-01-01 00:00:00' WHERE sid = '{}'",
        store.sid(&expired)
    );
    execute(store.db(), &expire).await;
    for keep in [Id::default(), without_user, of_another_user, expired] {
        for limit in [1, 9] {
            let refused = store.revoke_all_but_newest(of_user(7), limit, &keep).await;
            assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
        }
    }
    assert_eq!(remaining(&store, &ids).await, [true; 2]);
    assert_eq!(row_count(&store).await, 5);
}

async fn names_with_quotes_are_used(db: DatabaseConnection) {
    let (store, clock) = store::<quoted::Model>(db).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(new_session(&store, clock.now(), []).await.id);
        clock.advance(Duration::SECOND);
    }
    let revoked = store.revoke_all_but_newest(Condition::all(), 2, &ids[0]);
    assert_eq!(revoked.await.unwrap(), 1);
    assert!(store.find(&ids[1]).await.unwrap().is_none());
}

/// Two sign-ins meet in a few milliseconds, so one round is not enough.
const ROUNDS: usize = 20;

/// Runs the statements of several sign-ins at the same time. Returns the sessions of those that succeed.
/// The others have found that their session has ended.
async fn limit_concurrently(store: &Store, limit: u64, ids: &[Id]) -> Vec<Id> {
    let tasks: Vec<_> = ids
        .iter()
        .map(|id| {
            let (store, id) = (store.clone(), *id);
            tokio::spawn(async move {
                let revoked = store.revoke_all_but_newest(of_user(7), limit, &id).await;
                match revoked {
                    Ok(_) => Some(id),
                    Err(Error::NotFound) => None,
                    Err(error) => panic!("{error}"),
                }
            })
        })
        .collect();
    let mut succeeded = Vec::new();
    for task in tasks {
        succeeded.extend(task.await.unwrap());
    }
    succeeded
}

async fn of_two_concurrent_sign_ins_exactly_one_survives_a_limit_of_one(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    for round in 0..ROUNDS {
        let ids: [_; 2] = sign_ins(&store, &clock, 7).await;
        let succeeded = limit_concurrently(&store, 1, &ids).await;
        assert_eq!(succeeded.len(), 1, "round {round}");
        let is_survivor = ids.map(|id| succeeded.contains(&id));
        assert_eq!(remaining(&store, &ids).await, is_survivor, "round {round}");
        assert_eq!(row_count(&store).await, 1, "round {round}");
    }
}

async fn two_concurrent_sign_ins_survive_a_limit_of_two(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    for round in 0..ROUNDS {
        let ids: [_; 4] = sign_ins(&store, &clock, 7).await;
        let succeeded = limit_concurrently(&store, 2, &ids[2..]).await;
        assert_eq!(succeeded, ids[2..], "round {round}");
        let survivors = [false, false, true, true];
        assert_eq!(remaining(&store, &ids).await, survivors, "round {round}");
    }
}

async fn of_concurrent_sign_ins_as_many_survive_as_the_limit_allows(db: DatabaseConnection) {
    let (store, clock) = store::<Model>(db).await;
    for round in 0..ROUNDS / 4 {
        let ids: [_; 16] = sign_ins(&store, &clock, 7).await;
        let succeeded = limit_concurrently(&store, 5, &ids).await;
        assert_eq!(row_count(&store).await, 5, "round {round}");
        let is_kept = remaining(&store, &ids).await;
        for (id, is_kept) in ids.iter().zip(is_kept) {
            assert!(!is_kept || succeeded.contains(id), "round {round}");
        }
        // The last of the statements kept its session.
        assert!(!succeeded.is_empty(), "round {round}");
    }
}

async fn concurrent_sign_ins_at_every_isolation_level(db: DatabaseConnection) {
    let backend = db.get_database_backend();
    if backend == DbBackend::Sqlite {
        return; // It runs one write at a time.
    }
    store::<Model>(db.clone()).await;
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let db = connect_at(level, &db).await;
        let clock = Clock::new();
        let store = SeaOrmStore::<Model>::new(db.clone()).with_clock(clock.reader());
        for round in 0..ROUNDS {
            for limit in [1, 2] {
                let ids: [_; 2] = sign_ins(&store, &clock, 7).await;
                let succeeded = limit_concurrently(&store, limit, &ids).await;
                assert_eq!(succeeded.len() as u64, limit, "{level}, round {round}");
                let is_survivor = ids.map(|id| succeeded.contains(&id));
                assert_eq!(
                    remaining(&store, &ids).await,
                    is_survivor,
                    "{level}, round {round}"
                );
                assert_eq!(
                    row_count(&store).await as u64,
                    limit,
                    "{level}, round {round}"
                );
            }
        }
        db.close().await.unwrap();
    }
}

/// Connects to the same database at an isolation level.
async fn connect_at(level: &'static str, db: &DatabaseConnection) -> DatabaseConnection {
    let set =
        move |what: &str| AssertSqlSafe(format!("SET SESSION {what} ISOLATION LEVEL {level}"));
    let mut options = ConnectOptions::new(database_url(db).await);
    options.max_connections(8);
    options.map_sqlx_mysql_pool_opts(move |pool| {
        pool.after_connect(move |connection, _| {
            let set = connection.execute(set("TRANSACTION"));
            Box::pin(async { set.await.map(drop) })
        })
    });
    options.map_sqlx_postgres_pool_opts(move |pool| {
        pool.after_connect(move |connection, _| {
            let set = connection.execute(set("CHARACTERISTICS AS TRANSACTION"));
            Box::pin(async { set.await.map(drop) })
        })
    });
    Database::connect(options).await.unwrap()
}
