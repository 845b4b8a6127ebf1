//! Tests the report's numbers on every database with every kind of column, what a prune deletes, and
//! the program in a separate process.

use std::any::TypeId;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration as StdDuration;

use ::tests::database::execute;
use ::tests::{kinds, on_every_database_and_kind, record};
use clap::Parser;
use indicatif::ProgressBar;
use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DbBackend, EntityTrait, PaginatorTrait,
};
use serde_json::json;
use session_store::{DefaultStore, SeaOrmStore, SessionModel};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;
use tower_sessions::SessionStore;

use crate::Arguments;
use crate::prune::{self, Options, Outcome};
use crate::report::{self, Rows};

/// Long enough for the program to react on a busy machine.
const TIMEOUT: StdDuration = StdDuration::from_secs(30);

#[cfg(unix)]
const POLL_INTERVAL: StdDuration = StdDuration::from_millis(10);

on_every_database_and_kind!(the_report_counts_each_row_in_its_group_and_its_bytes);

#[test]
fn the_arguments_are_valid() {
    use clap::CommandFactory;
    Arguments::command().debug_assert();
}

/// Creates a session for each expiry, with this many two-byte characters of data.
async fn fill<M: SessionModel>(store: &SeaOrmStore<M>, rows: &[(OffsetDateTime, usize)]) {
    for (expires_at, length) in rows {
        let mut session = record(*expires_at, [("pad", json!("ä".repeat(*length)))]);
        session.expiry_date = *expires_at;
        store.create(&mut session).await.unwrap();
    }
}

async fn count(store: &DefaultStore) -> u64 {
    use session_store::express_session::Entity;
    Entity::find().count(store.db()).await.unwrap()
}

async fn the_report_counts_each_row_in_its_group_and_its_bytes<M: SessionModel>(
    db: DatabaseConnection,
) {
    // The bytes besides the characters: `{"pad":""}` in JSON, and in MessagePack 5 and a length of 3.
    let is = |other| TypeId::of::<M>() == other;
    let overhead = if is(TypeId::of::<kinds::bytes_and_utc::Model>()) {
        8
    } else if is(TypeId::of::<kinds::jsonb_and_fixed_offset::Model>())
        && db.get_database_backend() == DbBackend::Postgres
    {
        11 // `jsonb` has a space after the colon.
    } else {
        10
    };
    let store = SeaOrmStore::<M>::new(db);
    store.create_table().await.unwrap();
    let now = datetime!(2030-06-01 12:00 UTC);
    let empty = report::measure(&store, now, true).await.unwrap();
    assert_eq!(empty.groups, [Rows::default(); 8]);
    assert_eq!(empty.biggest, []);

    let microsecond = Duration::MICROSECOND;
    fill(
        &store,
        &[
            (now - Duration::days(90), 1000),
            (now - Duration::days(7), 200),
            (now - Duration::days(7) + microsecond, 200),
            (now - Duration::days(1), 300),
            (now - Duration::days(1) + microsecond, 200),
            (now - Duration::hours(1) + microsecond, 200),
            (now, 200),
            (now + microsecond, 200),
            (now + Duration::hours(1), 400),
            (now + Duration::hours(1) + microsecond, 200),
            (now + Duration::days(3), 200),
            (now + Duration::days(7) + microsecond, 2000),
            (now + Duration::days(8), 200),
        ],
    )
    .await;
    let report = report::measure(&store, now, true).await.unwrap();
    let rows = |rows: u64, characters: u64| Rows {
        rows,
        bytes: 2 * characters + rows * overhead,
    };
    assert_eq!(
        report.groups,
        [
            rows(2, 1200),
            rows(2, 500),
            rows(1, 200),
            rows(2, 400),
            rows(2, 600),
            rows(1, 200),
            rows(1, 200),
            rows(2, 2200),
        ]
    );
    assert_eq!(report.expired(), rows(7, 2300));
    assert_eq!(report.active(), rows(6, 3200));
    assert_eq!(report.missing_index, None);

    let bytes: Vec<_> = report.biggest.iter().map(|(_, bytes)| *bytes).collect();
    assert_eq!(
        bytes,
        [2000, 1000, 400, 300, 200].map(|characters| 2 * characters + overhead)
    );
    for (sid, _) in &report.biggest {
        assert_eq!(sid.len(), 8, "{sid}");
    }

    let without_sizes = report::measure(&store, now, false).await.unwrap();
    assert_eq!(
        without_sizes.groups.map(|group| group.rows),
        report.groups.map(|group| group.rows)
    );
    assert_eq!(without_sizes.biggest, []);
}

async fn store() -> DefaultStore {
    let store = DefaultStore::new(Database::connect("sqlite::memory:").await.unwrap());
    store.create_table().await.unwrap();
    store
}

#[tokio::test]
async fn the_report_fits_80_columns_and_shows_no_whole_sid() {
    let store = store().await.with_plain_sid();
    let now = datetime!(2030-06-01 12:00 UTC);
    let mut rows = vec![(now - Duration::HOUR, 200_000); 2];
    rows.extend(vec![(now + Duration::HOUR, 30); 1_200]);
    fill(&store, &rows).await;
    let text = report::measure(&store, now, true)
        .await
        .unwrap()
        .to_string();
    let (text, biggest) = text.split_once("\nBiggest rows\n").unwrap();
    assert_eq!(
        text,
        "Table express_session on SQLite, 2030-06-01 12:00 UTC

                                          rows             bytes       average
Active                                   1,200            84,000            70
  expire within an hour                  1,200            84,000            70
  expire within a day                        0                 0             -
  expire within a week                       0                 0             -
  expire later                               0                 0             -
Expired, not yet pruned                      2           800,020       400,010
  expired within the last hour               0                 0             -
  expired within the last day                2           800,020       400,010
  expired within the last week               0                 0             -
  expired earlier                            0                 0             -
Total                                    1,202           884,020           735
"
    );
    let (biggest, advice) = biggest.split_once("\n\n").unwrap();
    for line in text.lines().chain(biggest.lines()).chain(advice.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert_eq!(biggest.lines().count(), 5);
    assert_eq!(advice, "There is an index on `expire`.\n");
    use session_store::express_session::Entity;
    for row in Entity::find().all(store.db()).await.unwrap() {
        assert_eq!(row.sid.len(), 22, "a plain sid");
        assert!(!biggest.contains(&row.sid));
    }
}

#[tokio::test]
async fn the_report_advises_on_a_missing_index_and_on_overdue_rows() {
    let store = store().await;
    let drop = "DROP INDEX \"idx-express_session-expire\"";
    store.db().execute_unprepared(drop).await.unwrap();
    let now = datetime!(2030-06-01 12:00 UTC);
    fill(&store, &[(now - Duration::DAY, 10)]).await;
    let report = report::measure(&store, now, false).await.unwrap();
    let text = report.to_string();
    assert!(
        !text.contains("bytes") && !text.contains("Biggest"),
        "{text}"
    );
    assert!(text.contains("There is NO index on `expire`"), "{text}");
    assert!(text.contains("Does the application prune?"), "{text}");
    let create = report.missing_index.unwrap();
    assert!(text.contains(&create), "{text}");
    store.db().execute_unprepared(&create).await.unwrap();
    let report = report::measure(&store, now - Duration::SECOND, false);
    let text = report.await.unwrap().to_string();
    assert!(text.contains("There is an index on `expire`."), "{text}");
    assert!(!text.contains("Does the application prune?"), "{text}");
}

fn options(batch_size: u32, pause: u64) -> Options {
    Options {
        dry_run: false,
        batch_size,
        pause,
    }
}

/// Creates a store with this many expired sessions and two active ones.
async fn store_with_expired(rows: usize) -> DefaultStore {
    let store = store().await;
    let now = OffsetDateTime::now_utc();
    fill(&store, &vec![(now - Duration::HOUR, 1); rows]).await;
    fill(&store, &[(now + Duration::HOUR, 1); 2]).await;
    store
}

#[tokio::test]
async fn a_dry_run_counts_the_rows_and_deletes_none() {
    let store = store_with_expired(25).await;
    let dry_run = Options {
        dry_run: true,
        ..options(10, 0)
    };
    let outcome = prune::run(&store, &dry_run).await.unwrap();
    assert_eq!(
        outcome.to_string(),
        "dry run: would delete 25 rows in 3 batches"
    );
    assert_eq!(outcome.exit_code(), 0);
    assert_eq!(count(&store).await, 27);
}

#[tokio::test]
async fn a_prune_deletes_expired_sessions_without_a_pause_after_the_last_batch() {
    let store = store_with_expired(25).await;
    let an_hour = options(25, 3_600_000);
    let outcome = tokio::time::timeout(TIMEOUT, prune::run(&store, &an_hour)).await;
    let outcome = outcome.expect("no pause").unwrap();
    let done = Outcome::Done {
        deleted: 25,
        left: 0,
    };
    assert_eq!(outcome, done);
    assert_eq!(outcome.exit_code(), 0);
    assert_eq!(count(&store).await, 2);
}

#[tokio::test]
async fn a_prune_reports_how_many_rows_were_not_deleted() {
    let store = store_with_expired(25).await;
    let keep =
        "CREATE TRIGGER keep BEFORE DELETE ON express_session BEGIN SELECT RAISE(IGNORE); END";
    execute(store.db(), keep).await;
    let outcome = prune::run(&store, &options(10, 0)).await.unwrap();
    let message = outcome.to_string();
    assert!(
        message.starts_with("done: 0 rows deleted, 25 not deleted: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_stopped_prune_ends_after_the_current_batch_and_reports_what_it_deleted() {
    let store = store_with_expired(25).await;
    let (stop, stopped) = watch::channel(true);
    let bar = ProgressBar::hidden();
    let in_batches = options(10, 0);
    let outcome = prune::prune(&store, &in_batches, 25, stopped, &bar);
    let outcome = outcome.await.unwrap();
    drop(stop);
    assert_eq!(outcome.to_string(), "stopped: 10 of 25 rows deleted");
    assert_eq!(outcome.exit_code(), 130);
    assert_eq!(count(&store).await, 17);
    assert_eq!(bar.position(), 10);
}

#[tokio::test]
async fn a_failed_prune_reports_what_it_deleted_before_the_error() {
    let store = store_with_expired(25).await;
    // Fails in the third batch.
    let refuse = "CREATE TRIGGER refuse BEFORE DELETE ON express_session \
                  WHEN (SELECT count(*) FROM express_session) <= 7 \
                  BEGIN SELECT raise(ABORT, 'not this one'); END";
    store.db().execute_unprepared(refuse).await.unwrap();
    let error = prune::run(&store, &options(10, 0)).await.unwrap_err();
    let message = error.to_string();
    // What a trigger says can quote a value, so it is only in the source of the error.
    assert!(
        message.starts_with("could not delete expired sessions: ")
            && message.contains("(code 1811)"),
        "{message}"
    );
    assert!(
        message.ends_with("\nbefore the error: 20 of 25 rows deleted"),
        "{message}"
    );
    assert_eq!(count(&store).await, 7);
}

/// Runs the program. `program` starts this test in a separate process.
#[tokio::test]
#[ignore = "runs the program for other tests"]
async fn the_program() {
    let Ok(arguments) = std::env::var("MAINTAIN_ARGUMENTS") else {
        return;
    };
    let arguments = std::iter::once("maintain").chain(arguments.split_whitespace());
    let code = crate::run(Arguments::parse_from(arguments)).await;
    std::process::exit(code.into());
}

fn program(database_url: &str, arguments: &str) -> Command {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program
        .args(["--exact", "tests::the_program", "--ignored", "--nocapture"])
        .env("DATABASE_URL", database_url)
        .env("MAINTAIN_ARGUMENTS", arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    program
}

fn text_of(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn url(folder: &Path, mode: &str) -> String {
    format!("sqlite://{}/test.sqlite?mode={mode}", folder.display())
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_stops_a_prune_after_the_current_batch_even_during_a_pause() {
    a_signal_stops_a_prune_after_the_current_batch("-INT").await;
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_stops_a_prune_after_the_current_batch_even_during_a_pause() {
    a_signal_stops_a_prune_after_the_current_batch("-TERM").await;
}

#[cfg(unix)]
async fn a_signal_stops_a_prune_after_the_current_batch(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::connect(url(folder.path(), "rwc")).await.unwrap();
    let store = DefaultStore::new(db);
    store.create_table().await.unwrap();
    let expired_at = OffsetDateTime::now_utc() - Duration::HOUR;
    fill(&store, &[(expired_at, 1); 10]).await;

    let prune = "prune --batch-size 4 --pause 3600000";
    let mut child = program(&url(folder.path(), "rw"), prune).spawn().unwrap();
    let pid = child.id().to_string();
    let stop = async {
        while count(&store).await == 10 {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
        while child.try_wait().unwrap().is_none() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let has_exited = tokio::time::timeout(TIMEOUT, stop).await.is_ok();
    // Does nothing if the program has exited.
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(has_exited, "{output:?}");
    let (stdout, stderr) = text_of(&output);
    assert_eq!(output.status.code(), Some(130), "{stdout}{stderr}");
    assert!(
        stdout.ends_with("stopped: 4 of 10 rows deleted\n"),
        "{stdout}"
    );
    assert_eq!(stderr, "", "without a terminal there is no progress bar");
    assert_eq!(count(&store).await, 6);
}

#[tokio::test]
async fn without_a_table_or_database_the_program_prints_why_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, arguments, words) in [
        ("rw", "", "could not connect to the database: "),
        ("rw", "prune", "unable to open database file"),
        ("rwc", "", "no such table: express_session"),
        ("rwc", "prune", "no such table: express_session"),
    ] {
        let output = program(&url(folder.path(), mode), arguments).output();
        let output = output.unwrap();
        let (stdout, stderr) = text_of(&output);
        assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
        assert!(stderr.starts_with("maintain: "), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    // Nothing listens on port 1.
    for (url, words) in [
        ("postgres://me:hunter2@127.0.0.1:1/app", "is the server up"),
        ("postgress://me:hunter2@db/app", "no supporting driver"),
        ("hunter2", "cannot be parsed"),
    ] {
        let (_, stderr) = text_of(&program(url, "").output().unwrap());
        assert!(stderr.contains(words), "{stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
}
