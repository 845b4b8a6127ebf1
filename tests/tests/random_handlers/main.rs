//! Handlers that call the session in any order, drop calls half-way, and fail, while other requests of
//! the visitor change the session or end it. What has ended does not come back, and a cookie lasts as long as
//! its row.
//!
//! The variables `SESSION_STORE_SCRIPTS` and `SESSION_STORE_SEED` in the environment set the number of scripts
//! and the seed: run other scripts before a release, with `SESSION_STORE_SEED=$RANDOM`.

mod script;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use sea_orm::{Database, DatabaseConnection};
use session_store::{Data, Id, SeaOrmStore, SessionModel, connect_options};
use tests::kinds::json_and_offset::Model as Unversioned;
use tests::{COOKIE_NAME, entity, on_database, send};
use time::{Duration, OffsetDateTime};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tower_sessions::session::{self, Record};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, SessionStore};

use self::script::{Call, Cookie, KEYS, NOW, Script, Step, script};
use self::world::{Cached, Token, World, call};

entity!(versioned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

on_database!(sqlite_file, SqliteFile: no_handler_brings_back_what_has_ended, no_handler_brings_back_what_has_ended_without_a_version, no_handler_brings_back_what_has_ended_with_a_cache, no_cache_of_another_process_brings_back_what_has_ended);
on_database!(postgres, Postgres: no_handler_brings_back_what_has_ended, no_handler_brings_back_what_has_ended_without_a_version, no_handler_brings_back_what_has_ended_with_a_cache, no_cache_of_another_process_brings_back_what_has_ended);
on_database!(mariadb, MariaDb: no_handler_brings_back_what_has_ended, no_handler_brings_back_what_has_ended_without_a_version, no_handler_brings_back_what_has_ended_with_a_cache, no_cache_of_another_process_brings_back_what_has_ended);

async fn no_handler_brings_back_what_has_ended(db: DatabaseConnection) {
    run_scripts(&store::<versioned::Model>(db), Cached::Nowhere, 300).await;
}

async fn no_handler_brings_back_what_has_ended_without_a_version(db: DatabaseConnection) {
    run_scripts(&store::<Unversioned>(db), Cached::Nowhere, 300).await;
}

async fn no_handler_brings_back_what_has_ended_with_a_cache(db: DatabaseConnection) {
    run_scripts(&with_cache(db), Cached::Here, 300).await;
}

async fn no_cache_of_another_process_brings_back_what_has_ended(db: DatabaseConnection) {
    run_scripts(&with_cache(db), Cached::Elsewhere, 300).await;
}

fn store<M: SessionModel>(db: DatabaseConnection) -> SeaOrmStore<M> {
    SeaOrmStore::new(db)
        .with_clock(|| *NOW)
        .with_idle_timeout(IDLE_TIMEOUT)
}

/// Whatever is wrong in the cache stays for longer than a script.
fn with_cache(db: DatabaseConnection) -> SeaOrmStore<versioned::Model> {
    store(db).with_cache(Duration::HOUR)
}

/// With the library's options: a connection whose test before use is dropped is closed, and the database
/// in memory with it.
mod sqlite_memory {
    use super::*;

    async fn run_scripts<M: SessionModel>(
        store: impl FnOnce(DatabaseConnection) -> SeaOrmStore<M>,
        cached: Cached,
    ) {
        let options = connect_options("sqlite::memory:");
        let db = Database::connect(options).await.unwrap();
        // In the package that tests another version of tower-sessions, a tenth is enough.
        let tenth = if env!("CARGO_PKG_NAME") == "tests" {
            5_000
        } else {
            500
        };
        let scripts = match cached {
            Cached::Nowhere => 10 * tenth,
            Cached::Here | Cached::Elsewhere => 2 * tenth,
        };
        super::run_scripts(&store(db), cached, scripts).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn no_handler_brings_back_what_has_ended() {
        run_scripts(store::<versioned::Model>, Cached::Nowhere).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn no_handler_brings_back_what_has_ended_without_a_version() {
        run_scripts(store::<Unversioned>, Cached::Nowhere).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn no_handler_brings_back_what_has_ended_with_a_cache() {
        run_scripts(with_cache, Cached::Here).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn no_cache_of_another_process_brings_back_what_has_ended() {
        run_scripts(with_cache, Cached::Elsewhere).await;
    }
}

/// The same scripts each time, so that a failure comes from the change that was made.
const SEED: u64 = 16_486_360_079_245_603_963;

const IDLE_TIMEOUT: Duration = Duration::minutes(30);

async fn run_scripts<M: SessionModel>(store: &SeaOrmStore<M>, cached: Cached, scripts: u32) {
    store.create_table().await.unwrap();
    let set = |name| {
        let set = std::env::var(name);
        set.ok().map(|set| set.parse::<u64>().expect("a number"))
    };
    let scripts = set("SESSION_STORE_SCRIPTS").map_or(scripts, |set| set.try_into().unwrap());
    let seed = set("SESSION_STORE_SEED").unwrap_or(SEED);
    println!("{scripts} scripts, seed {seed}");
    let config = Config {
        cases: scripts,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &[seed.to_le_bytes(); 2].concat());
    let outcome = TestRunner::new_with_rng(config, rng).run(&script(), |script| {
        block_in_place(|| Handle::current().block_on(run(store, cached, &script)))
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

async fn run<M: SessionModel>(
    store: &SeaOrmStore<M>,
    cached: Cached,
    script: &Script,
) -> Result<(), TestCaseError> {
    let world = World::new(store, cached);
    let mut cookie = world.first_cookie(script.cookie).await;
    // A call that was dropped may take effect during a later request.
    let mut is_settled = true;
    for handler in &script.handlers {
        let before = world.data(cookie).await;
        let answer = world.request(cookie, handler).await;
        cookie = answer.cookie(cookie);
        let is_ended = answer.set_cookie == Some(None);
        is_settled &= !handler.drops_a_call();
        if is_settled {
            let checked = world.check_seen(cookie).await;
            checked.map_err(TestCaseError::fail)?;
        }
        if is_settled && handler.is_alone() {
            let checked = world.check_cookie(&answer).await;
            checked.map_err(TestCaseError::fail)?;
        }
        if is_settled && handler.fails && handler.changes_nothing() && !is_ended {
            let after = world.data(cookie).await;
            prop_assert_eq!(
                after,
                before,
                "a handler that failed has changed the session"
            );
        }
    }
    world.check().await.map_err(TestCaseError::fail)?;
    if script.is_plain() {
        let mut data = world.data(cookie).await.unwrap_or_default();
        data.remove("session-store.expiry");
        let expected = data_in_memory(script).await.unwrap_or_default();
        prop_assert_eq!(data, expected, "differs from a MemoryStore");
    }
    store.delete_all().await.unwrap();
    Ok(())
}

/// Returns the visitor's data after the same requests on tower-sessions' `MemoryStore`.
async fn data_in_memory(script: &Script) -> Option<Data> {
    let store = MemoryStore::default();
    let tokens = Arc::new(AtomicU64::new(0));
    let next = move || -> Token { tokens.fetch_add(1, Ordering::Relaxed) + 1 };
    let mut cookie = match script.cookie {
        Cookie::None => None,
        Cookie::Unknown => Some(Id::default()),
        Cookie::Session(keys) => {
            let mut session = Record {
                id: session::Id::default(),
                data: Data::default(),
                expiry_date: OffsetDateTime::now_utc() + Duration::HOUR,
            };
            for key in &KEYS[..keys] {
                session.data.insert((*key).to_owned(), next().into());
            }
            store.create(&mut session).await.unwrap();
            Some(Id(session.id.0))
        }
    };
    for handler in &script.handlers {
        let (handler, next) = (handler.clone(), next.clone());
        let run = move |session: Session| {
            let (handler, next) = (handler.clone(), next.clone());
            async move {
                for step in &handler.steps {
                    let Step::Call(step) = *step else {
                        unreachable!("the script is plain")
                    };
                    let token = match step {
                        Call::Insert(_) => next(),
                        _ => 0,
                    };
                    call(step, &session, token).await;
                }
                false
            }
        };
        let layer = SessionManagerLayer::new(store.clone()).with_name(COOKIE_NAME);
        cookie = send(layer, cookie, run).await.cookie(cookie);
    }
    let id = session::Id(cookie?.0);
    let record = store.load(&id).await.unwrap();
    record.map(|record| record.data)
}
