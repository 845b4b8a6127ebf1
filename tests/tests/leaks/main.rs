//! Neither an id, plain or hashed, nor a value of a session gets into a log, at any level, an error
//! or `Debug` output: of this crate, tower-sessions, `SeaORM` or the database's driver.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::routing::get;
use sea_orm::{DatabaseConnection, DbBackend};
use serde_json::json;
use session_store::SeaOrmStore;
use tests::database::execute;
use tests::{Visitor, entity, on_every_database, record};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::{Session, SessionStore};
use tracing_subscriber::fmt::format::FmtSpan;

on_every_database!(one_thread: nothing_secret_is_logged_at_any_level);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[sea_orm(unique)]
    pub email: Option<String>,
    pub age: Option<i32>,
    #[session(version)]
    pub version: i64,
});

/// Every value of a session in this test has this in it.
const SECRET: &str = "hunter2";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// The log of the whole process: SQLite's driver logs from a thread of its own.
fn everything_logged() -> &'static Log {
    static LOG: LazyLock<Log> = LazyLock::new(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    });
    &LOG
}

async fn nothing_secret_is_logged_at_any_level(db: DatabaseConnection) {
    let log = everything_logged();
    let store = SeaOrmStore::<session::Model>::new(db)
        .with_idle_timeout(Duration::HOUR)
        .with_max_bytes(1000);
    store.create_table().await.unwrap();
    let mut secrets = Vec::new();
    requests(&store, &mut secrets).await;
    faults(&store, &mut secrets, log).await;
    writeln!(
        log.clone(),
        "{store:?} {:?} {:?}",
        store.layer(),
        store.pruner()
    )
    .unwrap();

    let text = log.text();
    assert!(
        text.contains("UPDATE"),
        "the statements are not in the log, so it proves nothing"
    );
    assert!(
        text.contains("failed to save session"),
        "nor are tower-sessions' errors"
    );
    for id in secrets {
        for secret in [id.to_string(), store.sid(&id), id.0.to_string()] {
            assert!(
                !text.contains(&secret),
                "an id is in the log: {}",
                around(&text, &secret)
            );
        }
    }
    assert!(
        !text.contains(SECRET),
        "data is in the log: {}",
        around(&text, SECRET)
    );
}

fn around<'a>(text: &'a str, found: &str) -> &'a str {
    text.lines()
        .find(|line| line.contains(found))
        .unwrap_or_default()
}

/// What visitors do, well-behaved and not.
async fn requests(store: &SeaOrmStore<session::Model>, secrets: &mut Vec<Id>) {
    let insert = |key: &'static str, value: serde_json::Value| {
        get(move |session: Session| async move { session.insert(key, value).await.unwrap() })
    };
    let app = Router::new()
        .route(
            "/email",
            insert("email", json!(format!("{SECRET}@example.com"))),
        )
        .route("/wrong-type", insert("age", json!({ "secret": SECRET })))
        .route("/too-large", insert("large", json!(SECRET.repeat(1000))))
        .route(
            "/read",
            get(async |session: Session| {
                session.get::<String>("email").await.unwrap();
            }),
        )
        .route(
            "/cycle",
            get(async |session: Session| session.cycle_id().await.unwrap()),
        )
        .route(
            "/flush",
            get(async |session: Session| session.flush().await.unwrap()),
        )
        .layer(store.layer());
    let mut visitor = Visitor::new(&app);
    for path in [
        "/email",
        "/read",
        "/wrong-type",
        "/too-large",
        "/cycle",
        "/read",
    ] {
        visitor.get(path).await;
        secrets.push(visitor.id());
    }
    // Another visitor with the same address: a unique column.
    let mut other = Visitor::new(&app);
    other.get("/email").await;
    let planted = Id::default();
    let mut planter = Visitor::with_cookie(&app, &planted.to_string());
    planter.get("/read").await;
    secrets.push(planted);
    visitor.get("/flush").await;
}

/// What goes wrong with the table.
async fn faults(store: &SeaOrmStore<session::Model>, secrets: &mut Vec<Id>, log: &Log) {
    let email = json!(format!("{SECRET}@example.org"));
    let mut one: Record = record(OffsetDateTime::now_utc(), [("email", email)]);
    secrets.push(one.id);
    store.create(&mut one).await.unwrap();
    let note = |error: &dyn std::fmt::Debug, text: String| {
        writeln!(log.clone(), "{error:?} {text}").unwrap();
    };
    let mut twin = one.clone();
    twin.id = Id::default();
    secrets.push(twin.id);
    let error = store.create(&mut twin).await.unwrap_err();
    note(&error, error.to_string());

    // In two halves, because the statement itself is logged.
    let damaged = r#"'["hun' || 'ter2"]'"#;
    let damaged = match store.db().get_database_backend() {
        DbBackend::Postgres => format!("({damaged})::json"),
        _ => damaged.to_owned(),
    };
    execute(store.db(), &format!("UPDATE session SET sess = {damaged}")).await;
    let error = store.load(&one.id).await.unwrap_err();
    note(&error, error.to_string());

    if store.db().get_database_backend() != DbBackend::Sqlite {
        // PostgreSQL adds the whole row to its error.
        store.delete_all().await.unwrap();
        let check = "ALTER TABLE session ADD CONSTRAINT young CHECK (age < 100)";
        execute(store.db(), check).await;
        twin.data.insert("age".into(), json!(200));
        let error = store.create(&mut twin).await.unwrap_err();
        assert!(error.to_string().contains("young"), "{error}");
        note(&error, error.to_string());
    }

    execute(store.db(), "ALTER TABLE session RENAME COLUMN sess TO away").await;
    for error in [
        store.save(&one).await.unwrap_err(),
        store.load(&one.id).await.unwrap_err(),
        store.create(&mut twin).await.unwrap_err(),
    ] {
        note(&error, error.to_string());
    }
    let error = store.find(&one.id).await.unwrap_err();
    note(&error, error.to_string());
    execute(store.db(), "ALTER TABLE session RENAME COLUMN away TO sess").await;
}
