//! Logs at any level, errors and `Debug` output contain no id, hash of an id or session data. This
//! includes the logs of tower-sessions, `SeaORM` and the database drivers.

mod languages;

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::middleware::map_request;
use axum::routing::get;
use sea_orm::{DatabaseConnection, DbBackend};
use serde_json::json;
use tests::database::execute;
use tests::{Clock, Visitor, entity, on_every_database, record, session_routes, store};
use time::Duration;
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
    #[session(header = "user-agent")]
    pub user_agent: Option<String>,
    #[sea_orm(column_type = "String(StringLen::N(3))", nullable)]
    #[session(request = secret_of)]
    pub of_request: Option<String>,
    #[session(version)]
    pub version: i64,
});

/// Returns a text that is too long for its column, for one path.
fn secret_of(request: &Parts) -> Option<String> {
    (request.uri.path() == "/too-long").then(|| SECRET.to_owned())
}

/// Every value of a session in this test contains this text.
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

/// Returns the log of the whole process, because SQLite's driver logs from another thread.
fn process_log() -> &'static Log {
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
    let log = process_log();
    let (store, clock) = store::<session::Model>(db).await;
    let store = store.with_idle_timeout(Duration::HOUR).with_max_bytes(1000);
    let mut ids = Vec::new();
    send_requests(&store, &mut ids).await;
    cause_errors(&store, &clock, &mut ids, log).await;
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
        "the log has no statements, so the test proves nothing"
    );
    assert!(
        text.contains("failed to save session"),
        "the log has no errors of tower-sessions, so the test proves nothing"
    );
    for id in ids {
        for secret in [id.to_string(), store.sid(&id), id.0.to_string()] {
            assert!(
                !text.contains(&secret),
                "the log has an id: {}",
                line_with(&text, &secret)
            );
        }
    }
    assert!(
        !text.contains(SECRET),
        "the log has session data: {}",
        line_with(&text, SECRET)
    );
}

fn line_with<'a>(text: &'a str, found: &str) -> &'a str {
    text.lines()
        .find(|line| line.contains(found))
        .unwrap_or_default()
}

/// Sends requests that succeed and that fail, and collects the ids.
async fn send_requests(store: &session::Store, ids: &mut Vec<Id>) {
    let insert = |key: &'static str, value: serde_json::Value| {
        get(move |session: Session| async move { session.insert(key, value).await.unwrap() })
    };
    let app = session_routes()
        .route(
            "/email",
            insert("email", json!(format!("{SECRET}@example.com"))),
        )
        .route("/wrong-type", insert("age", json!({ "secret": SECRET })))
        .route("/too-large", insert("large", json!(SECRET.repeat(1000))))
        .route("/too-long", insert("n", json!(1)))
        .layer(store.layer())
        .layer(map_request(async |mut request: Request| {
            let agent = HeaderValue::from_static(SECRET);
            request.headers_mut().insert(USER_AGENT, agent);
            request
        }));
    let mut visitor = Visitor::new(&app);
    for path in [
        "/email",
        "/get/email",
        "/wrong-type",
        "/too-large",
        "/too-long",
        "/cycle",
        "/get/email",
    ] {
        visitor.get(path).await;
        ids.push(visitor.id());
    }
    // A second visitor with the same address violates the unique column.
    let mut other = Visitor::new(&app);
    other.get("/email").await;
    let planted = Id::default();
    let mut planter = Visitor::with_cookie(&app, &planted.to_string());
    planter.get("/get/email").await;
    ids.push(planted);
    visitor.get("/flush").await;
}

/// Writes the errors of a damaged table to the log, and collects the ids.
async fn cause_errors(store: &session::Store, clock: &Clock, ids: &mut Vec<Id>, log: &Log) {
    let email = json!(format!("{SECRET}@example.org"));
    let mut one: Record = record(clock.now(), [("email", email)]);
    ids.push(one.id);
    store.create(&mut one).await.unwrap();
    let write = |error: &dyn std::fmt::Debug, text: String| {
        writeln!(log.clone(), "{error:?} {text}").unwrap();
    };
    let mut twin = one.clone();
    twin.id = Id::default();
    ids.push(twin.id);
    let error = store.create(&mut twin).await.unwrap_err();
    write(&error, error.to_string());

    // In two parts, because the statement is logged.
    let damaged = r#"'["hun' || 'ter2"]'"#;
    let damaged = match store.db().get_database_backend() {
        DbBackend::Postgres => format!("({damaged})::json"),
        _ => damaged.to_owned(),
    };
    execute(store.db(), &format!("UPDATE session SET sess = {damaged}")).await;
    let error = store.load(&one.id).await.unwrap_err();
    write(&error, error.to_string());

    if store.db().get_database_backend() != DbBackend::Sqlite {
        // PostgreSQL adds the row to the error of a violated constraint.
        store.delete_all().await.unwrap();
        let check = "ALTER TABLE session ADD CONSTRAINT young CHECK (age < 100)";
        execute(store.db(), check).await;
        twin.data.insert("age".into(), json!(200));
        let error = store.create(&mut twin).await.unwrap_err();
        assert!(error.to_string().contains("young"), "{error}");
        write(&error, error.to_string());
    }

    execute(store.db(), "ALTER TABLE session RENAME COLUMN sess TO away").await;
    for error in [
        store.save(&one).await.unwrap_err(),
        store.load(&one.id).await.unwrap_err(),
        store.create(&mut twin).await.unwrap_err(),
    ] {
        write(&error, error.to_string());
    }
    let error = store.find(&one.id).await.unwrap_err();
    write(&error, error.to_string());
}
