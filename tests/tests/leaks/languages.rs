//! Error messages quote no value, whatever the language of the server.

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend};
use serde_json::{Value, json};
use session_store::{DefaultStore, Error};
use tests::database::{database_url, execute};
use tests::{entity, new_session, on_database, record, store};
use tower_sessions::SessionStore;

use super::{SECRET, process_log};

on_database!(postgres, Postgres: no_error_quotes_a_value_in_any_language);
on_database!(mariadb, MariaDb: no_error_quotes_a_value_in_any_language);

entity!(visit {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    /// Cast, so that the database reads the text.
    #[sea_orm(save_as = "INTEGER")]
    pub age: Option<String>,
    #[sea_orm(unique)]
    pub email: Option<String>,
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub nick: Option<String>,
    pub visits: Option<i64>,
    pub banned: Option<String>,
});

/// A number that is too large for its column.
const LARGE: &str = "99999999999";

/// Opens a pool of one connection, which speaks a language.
async fn speaking(db: &DatabaseConnection, language: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(database_url(db).await);
    options.max_connections(1);
    let db = Database::connect(options).await.unwrap();
    execute(&db, &format!("SET lc_messages = '{language}'")).await;
    db
}

async fn no_error_quotes_a_value_in_any_language(db: DatabaseConnection) {
    process_log();
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    // `tests/with-servers` makes the locale `C.utf8` German on PostgreSQL.
    let languages: &[_] = if is_postgres {
        &["C", "C.utf8"]
    } else {
        &["en_US", "de_DE", "fr_FR", "ja_JP", "zh_CN", "ru_RU"]
    };
    let (mut spoken, mut problems) = (Vec::new(), Vec::new());
    for language in languages {
        let (store, clock) = store::<visit::Model>(speaking(&db, language).await).await;
        if spoken.is_empty() {
            alter_table(store.db()).await;
        }
        let message = store.db().execute_unprepared("SELECT * FROM nowhere");
        let message = message.await.unwrap_err().to_string();
        assert!(
            !spoken.contains(&message),
            "the server has no messages in {language}: {message}"
        );
        spoken.push(message);
        let email = format!("{SECRET}@example.com");
        let taken = new_session(&store, clock.now(), [("email", json!(email))]).await;
        for (key, value, words) in [
            ("age", json!(format!("»{SECRET}«")), &["column"][..]),
            ("age", json!(format!("{SECRET}' `age` 'age")), &["column"]),
            ("age", json!(LARGE), &[]),
            ("nick", json!(SECRET.repeat(5)), &[]),
            ("visits", json!(1_i64 << 40), &[]),
            ("visits", json!(-1), &["young"]),
            ("banned", json!(SECRET), &["refused the statement"]),
            ("email", json!(email), &["must be unique", "email"]),
        ] {
            let mut session = record(clock.now(), [(key, value.clone())]);
            let error = store.create(&mut session).await.unwrap_err();
            problems.extend(problem(&error, &value, words));
        }
        store.delete(&taken.id).await.unwrap();
        let error = DefaultStore::new(store.db().clone()).count().await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::MissingTable { .. }), "{error}");
        store.db().clone().close().await.unwrap();
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Adds what the entity does not know of: a smaller type, a check, and a trigger that quotes a value.
async fn alter_table(db: &DatabaseConnection) {
    let trigger: &[_] = match db.get_database_backend() {
        DbBackend::Postgres => &[
            "CREATE FUNCTION ban() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.banned IS NOT NULL THEN \
             RAISE 'banned: %', NEW.banned USING ERRCODE = 'invalid_sql_statement_name'; END IF; \
             RETURN NEW; END $$",
            "CREATE TRIGGER ban BEFORE INSERT ON session FOR EACH ROW EXECUTE FUNCTION ban()",
            "ALTER TABLE session ALTER COLUMN visits TYPE integer, ALTER COLUMN age TYPE integer \
             USING age::integer",
        ],
        _ => &[
            "CREATE TRIGGER ban BEFORE INSERT ON session FOR EACH ROW BEGIN \
             DECLARE text VARCHAR(200) DEFAULT CONCAT('banned: ', NEW.banned); \
             IF NEW.banned IS NOT NULL THEN SIGNAL SQLSTATE '42000' SET MESSAGE_TEXT = text; \
             END IF; END",
            "ALTER TABLE session MODIFY visits INTEGER, MODIFY age INTEGER",
        ],
    };
    let check = ["ALTER TABLE session ADD CONSTRAINT young CHECK (visits >= 0)"];
    for statement in trigger.iter().chain(&check) {
        execute(db, statement).await;
    }
}

/// Returns what is wrong with an error message.
fn problem(
    error: &tower_sessions::session_store::Error,
    value: &Value,
    words: &[&str],
) -> Option<String> {
    let message = format!("{error} {error:?}");
    let value = value.to_string();
    let secrets = [SECRET, LARGE, value.trim_matches('"')];
    if let Some(secret) = secrets
        .iter()
        .find(|secret| secret.len() > 2 && message.contains(**secret))
    {
        return Some(format!("`{secret}` is in: {message}"));
    }
    let missing = words.iter().find(|word| !message.contains(**word))?;
    Some(format!("`{missing}` is missing in: {message}"))
}
