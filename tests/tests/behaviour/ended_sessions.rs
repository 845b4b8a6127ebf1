//! Under `store.layer()`, a session that has ended stays ended, and `cycle_id` is one statement that
//! happens with the save or not at all.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use axum::http::StatusCode;
use axum::routing::get;
use sea_orm::{ColumnTrait, DatabaseConnection, DbBackend};
use serde_json::{Value, json};
use session_store::{Data, SeaOrmStore, SessionModel};
use tests::database::{execute, take_connections};
use tests::{
    Answer, Visitor, entity, new_session, on_database, on_every_database, row_count, send, store,
};
use tower_sessions::session::Id;
use tower_sessions::{Session, SessionStore};

entity!(versioned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
    #[session(skip)]
    pub note: Option<String>,
});

mod with_a_version {
    use super::versioned::Model;
    use super::*;
    on_every_database!(<Model>
        a_change_after_delete_begins_a_new_session,
        a_change_before_delete_is_deleted_with_the_session,
        a_save_after_delete_is_refused_and_says_what_to_call,
        a_session_that_was_deleted_twice_stays_deleted,
        a_logout_after_a_dropped_cycle_id_is_final,
        a_flush_after_a_dropped_cycle_id_deletes_the_session,
        a_flush_after_cycle_id_deletes_the_session,
        a_handler_that_fails_after_cycle_id_leaves_the_session_under_its_id,
        a_request_that_is_dropped_after_cycle_id_leaves_the_session_under_its_id,
        a_refused_save_leaves_the_session_under_its_id,
        a_handler_that_fails_keeps_its_own_response,
        an_error_for_a_stale_cookie_says_what_to_call_and_the_next_request_succeeds,
        a_session_that_is_renewed_is_found_by_revoke,
        an_id_that_was_saved_reaches_the_visitor_of_a_handler_that_fails,
        an_id_that_was_saved_before_a_second_cycle_id_reaches_the_visitor,
        after_the_response_cycle_id_ends_the_session,
        a_request_leaves_nothing_behind,
    );
}

mod without_a_version {
    use super::*;
    use tests::kinds::json_and_offset::Model;
    on_every_database!(<Model>
        a_change_after_delete_begins_a_new_session,
        a_change_before_delete_is_deleted_with_the_session,
        a_save_after_delete_is_refused_and_says_what_to_call,
        a_session_that_was_deleted_twice_stays_deleted,
        a_logout_after_a_dropped_cycle_id_is_final,
        a_flush_after_a_dropped_cycle_id_deletes_the_session,
        a_flush_after_cycle_id_deletes_the_session,
        a_handler_that_fails_after_cycle_id_leaves_the_session_under_its_id,
        a_refused_save_leaves_the_session_under_its_id,
        a_session_that_is_renewed_is_found_by_revoke,
    );
}

on_every_database!(
    a_key_that_another_request_adds_after_a_clear_is_kept_by_cycle_id,
    a_key_that_another_request_adds_to_a_session_without_data_is_kept_by_cycle_id,
    cycle_id_keeps_created_at_and_the_columns_that_the_store_does_not_fill,
    a_cycle_id_costs_the_statements_of_a_save,
);

/// Not on MariaDB, whose triggers cannot leave out a row.
mod kept_rows {
    use super::*;

    on_database!(sqlite_memory, SqliteMemory: a_row_that_the_database_keeps_is_reported_at_once);
    on_database!(sqlite_file, SqliteFile: a_row_that_the_database_keeps_is_reported_at_once);
    on_database!(postgres, Postgres: a_row_that_the_database_keeps_is_reported_at_once);
}

/// Not on SQLite in memory: a save that is dropped while the pool tests its connection closes the
/// connection, and with it the database.
mod dropped {
    use super::*;

    on_database!(sqlite_file, SqliteFile: a_save_that_was_dropped_after_cycle_id_is_found_by_the_next, a_dropped_save_before_an_error_response_leaves_the_visitor_signed_in);
    on_database!(postgres, Postgres: a_save_that_was_dropped_after_cycle_id_is_found_by_the_next, a_dropped_save_before_an_error_response_leaves_the_visitor_signed_in);
    on_database!(mariadb, MariaDb: a_save_that_was_dropped_after_cycle_id_is_found_by_the_next, a_dropped_save_before_an_error_response_leaves_the_visitor_signed_in);
}

/// A store with a session that has the key `old`.
struct Site<M: SessionModel> {
    store: SeaOrmStore<M>,
    id: Id,
}

impl<M: SessionModel> Clone for Site<M> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            id: self.id,
        }
    }
}

async fn site<M: SessionModel>(db: DatabaseConnection) -> Site<M> {
    let (store, clock) = store(db).await;
    store.delete_all().await.unwrap();
    let session = new_session(&store, clock.now(), [("old", json!(1))]).await;
    let id = session.id;
    Site { store, id }
}

impl<M: SessionModel> Site<M> {
    /// Sends a request with the session's cookie.
    async fn send<F>(
        &self,
        handler: impl Fn(Session) -> F + Clone + Send + Sync + 'static,
    ) -> Answer
    where
        F: Future<Output = bool> + Send + 'static,
    {
        send(self.store.layer(), Some(self.id), handler).await
    }

    /// Signs out in another request.
    async fn log_out(&self) {
        let answer = self
            .send(async |session: Session| session.flush().await.is_err())
            .await;
        assert_eq!(answer.status, StatusCode::OK);
    }

    async fn data(&self, id: Id) -> Option<Data> {
        self.store
            .load(&id)
            .await
            .unwrap()
            .map(|record| record.data)
    }

    /// Checks that the session is as it was.
    async fn check_unchanged(&self) {
        let data = self.data(self.id).await.unwrap();
        assert_eq!(data, Data::from([("old".to_owned(), json!(1))]));
        assert_eq!(row_count(&self.store).await, 1);
    }
}

/// Polls a call this often and drops it, if it is not done by then.
async fn drop_after(polls: usize, call: impl Future) {
    let mut call = pin!(call);
    for _ in 0..polls {
        if poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn a_change_after_delete_begins_a_new_session<M: SessionModel>(db: DatabaseConnection) {
    for is_logged_out in [false, true] {
        let site = site::<M>(db.clone()).await;
        let other = site.clone();
        let answer = site
            .send(move |session| {
                let other = other.clone();
                async move {
                    session.get_value("old").await.unwrap();
                    session.insert("before", 1).await.unwrap();
                    if is_logged_out {
                        other.log_out().await;
                    }
                    session.delete().await.unwrap();
                    session.insert("after", 1).await.is_err()
                }
            })
            .await;
        assert_eq!(answer.status, StatusCode::OK);
        let id = answer.cookie(None).unwrap();
        assert_ne!(id, site.id);
        let data = site.data(id).await.unwrap();
        assert_eq!(data, Data::from([("after".to_owned(), json!(1))]));
        assert_eq!(row_count(&site.store).await, 1);
    }
}

async fn a_change_before_delete_is_deleted_with_the_session<M: SessionModel>(
    db: DatabaseConnection,
) {
    let site = site::<M>(db).await;
    let answer = site
        .send(async |session| {
            session.insert("before", 1).await.unwrap();
            session.delete().await.is_err()
        })
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.set_cookie, Some(None), "the cookie is removed");
    assert_eq!(row_count(&site.store).await, 0);
}

async fn a_save_after_delete_is_refused_and_says_what_to_call<M: SessionModel>(
    db: DatabaseConnection,
) {
    let site = site::<M>(db).await;
    site.send(async |session| {
        session.delete().await.unwrap();
        session.insert("after", 1).await.unwrap();
        let error = session.save().await.unwrap_err().to_string();
        assert!(error.contains("`Session::flush`"), "{error}");
        // What it says works.
        session.flush().await.unwrap();
        session.insert("after", 1).await.unwrap();
        session.save().await.is_err()
    })
    .await;
    assert_eq!(site.data(site.id).await, None);
    assert_eq!(row_count(&site.store).await, 1);
}

async fn a_session_that_was_deleted_twice_stays_deleted<M: SessionModel>(db: DatabaseConnection) {
    let site = site::<M>(db).await;
    let answer = site
        .send(async |session| {
            session.insert("before", 1).await.unwrap();
            session.delete().await.unwrap();
            session.delete().await.unwrap();
            session.cycle_id().await.is_err()
        })
        .await;
    assert_eq!(answer.set_cookie, Some(None), "the cookie is removed");
    assert_eq!(row_count(&site.store).await, 0);
}

async fn a_logout_after_a_dropped_cycle_id_is_final<M: SessionModel>(db: DatabaseConnection) {
    for polls in 1..12 {
        let site = site::<M>(db.clone()).await;
        let other = site.clone();
        let answer = site
            .send(move |session| {
                let other = other.clone();
                async move {
                    session.get_value("old").await.unwrap();
                    drop_after(polls, session.cycle_id()).await;
                    other.log_out().await;
                    session.insert("after", 1).await.is_err()
                }
            })
            .await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{polls}");
        assert_eq!(row_count(&site.store).await, 0, "{polls}");
    }
}

async fn a_flush_after_a_dropped_cycle_id_deletes_the_session<M: SessionModel>(
    db: DatabaseConnection,
) {
    for polls in 1..12 {
        let site = site::<M>(db.clone()).await;
        let answer = site
            .send(move |session| async move {
                session.get_value("old").await.unwrap();
                drop_after(polls, session.cycle_id()).await;
                session.flush().await.is_err()
            })
            .await;
        assert_eq!(answer.set_cookie, Some(None), "{polls}");
        assert_eq!(row_count(&site.store).await, 0, "{polls}");
    }
}

async fn a_flush_after_cycle_id_deletes_the_session<M: SessionModel>(db: DatabaseConnection) {
    for fails in [false, true] {
        let site = site::<M>(db.clone()).await;
        let answer = site
            .send(move |session| async move {
                session.cycle_id().await.unwrap();
                session.flush().await.unwrap();
                fails
            })
            .await;
        assert_eq!(answer.set_cookie, Some(None), "the cookie is removed");
        assert_eq!(row_count(&site.store).await, 0);
    }
}

async fn a_handler_that_fails_after_cycle_id_leaves_the_session_under_its_id<M: SessionModel>(
    db: DatabaseConnection,
) {
    let site = site::<M>(db).await;
    let answer = site
        .send(async |session| {
            session.insert("user", "ann").await.unwrap();
            session.cycle_id().await.unwrap();
            true
        })
        .await;
    assert_eq!(answer.set_cookie, None);
    site.check_unchanged().await;
}

async fn a_request_that_is_dropped_after_cycle_id_leaves_the_session_under_its_id<
    M: SessionModel,
>(
    db: DatabaseConnection,
) {
    let site = site::<M>(db).await;
    let request = site.send(async |session| {
        session.insert("user", "ann").await.unwrap();
        session.cycle_id().await.unwrap();
        std::future::pending().await
    });
    let patience = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(patience, request).await.is_err());
    site.check_unchanged().await;
}

async fn a_refused_save_leaves_the_session_under_its_id<M: SessionModel>(db: DatabaseConnection) {
    let mut site = site::<M>(db).await;
    site.store = site.store.with_max_bytes(100);
    let answer = site
        .send(async |session| {
            session.cycle_id().await.unwrap();
            session.insert("user", "x".repeat(200)).await.is_err()
        })
        .await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.set_cookie, None);
    site.check_unchanged().await;
}

async fn a_session_that_is_renewed_is_found_by_revoke<M: SessionModel>(db: DatabaseConnection) {
    let site = site::<M>(db).await;
    let other = site.clone();
    let answer = site
        .send(move |session| {
            let other = other.clone();
            async move {
                session.cycle_id().await.unwrap();
                session.insert("user", "ann").await.unwrap();
                let every = M::columns().expire.column.is_not_null();
                assert_eq!(other.store.revoke(every).await.unwrap(), 1);
                false
            }
        })
        .await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.set_cookie, None);
    assert_eq!(row_count(&site.store).await, 0);
}

async fn an_id_that_was_saved_reaches_the_visitor_of_a_handler_that_fails<M: SessionModel>(
    db: DatabaseConnection,
) {
    let site = site::<M>(db).await;
    let answer = site
        .send(async |session| {
            session.cycle_id().await.unwrap();
            session.save().await.unwrap();
            true
        })
        .await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let data = site.data(answer.cookie(None).unwrap()).await.unwrap();
    assert_eq!(data, Data::from([("old".to_owned(), json!(1))]));
    assert_eq!(row_count(&site.store).await, 1);
}

async fn a_save_that_was_dropped_after_cycle_id_is_found_by_the_next(db: DatabaseConnection) {
    for polls in 1..12 {
        let site = site::<versioned::Model>(db.clone()).await;
        let answer = site
            .send(move |session| async move {
                session.cycle_id().await.unwrap();
                session.insert("user", "ann").await.unwrap();
                drop_after(polls, session.save()).await;
                session.insert("later", 1).await.is_err()
            })
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{polls}");
        let data = site.data(answer.cookie(None).unwrap()).await.unwrap();
        assert_eq!(data.len(), 3, "{polls}");
        assert_eq!(row_count(&site.store).await, 1, "{polls}");
    }
}

async fn a_dropped_save_before_an_error_response_leaves_the_visitor_signed_in(
    db: DatabaseConnection,
) {
    for polls in 1..12 {
        let site = site::<versioned::Model>(db.clone()).await;
        let pool = db.clone();
        let answer = site
            .send(move |session| {
                let pool = pool.clone();
                async move {
                    session.cycle_id().await.unwrap();
                    drop_after(polls, session.save()).await;
                    // Waits until no statement runs any more.
                    take_connections(&pool).await;
                    true
                }
            })
            .await;
        let id = answer.cookie(Some(site.id)).unwrap();
        assert_eq!(site.data(id).await.unwrap().len(), 1, "{polls}");
    }
}

async fn an_id_that_was_saved_before_a_second_cycle_id_reaches_the_visitor<M: SessionModel>(
    db: DatabaseConnection,
) {
    let site = site::<M>(db).await;
    let answer = site
        .send(async |session| {
            session.cycle_id().await.unwrap();
            session.save().await.unwrap();
            session.cycle_id().await.unwrap();
            true
        })
        .await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let data = site.data(answer.cookie(None).unwrap()).await.unwrap();
    assert_eq!(data, Data::from([("old".to_owned(), json!(1))]));
}

async fn a_handler_that_fails_keeps_its_own_response<M: SessionModel>(db: DatabaseConnection) {
    let site = site::<M>(db).await;
    execute(site.store.db(), "DROP TABLE session").await;
    let app = axum::Router::new()
        .route(
            "/",
            get(async |session: Session| {
                session.clear().await;
                (StatusCode::SERVICE_UNAVAILABLE, "maintenance")
            }),
        )
        .layer(site.store.layer());
    let mut visitor = Visitor::with_cookie(&app, &site.id.to_string());
    let response = visitor.get("/").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.body, "maintenance");
}

async fn an_error_for_a_stale_cookie_says_what_to_call_and_the_next_request_succeeds<
    M: SessionModel,
>(
    db: DatabaseConnection,
) {
    let mut site = site::<M>(db).await;
    site.log_out().await;
    let sign_in = async |session: Session| {
        session.clear().await;
        session.insert("user", "ann").await.unwrap();
        let saved = session.save().await;
        if let Err(error) = &saved {
            assert!(error.to_string().contains("`Session::flush`"), "{error}");
        }
        saved.is_err()
    };
    let answer = site.send(sign_in).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.set_cookie, Some(None), "the cookie is removed");
    let answer = send(site.store.layer(), None, sign_in).await;
    assert_eq!(answer.status, StatusCode::OK);
    site.id = answer.cookie(None).unwrap();
    assert_eq!(site.data(site.id).await.unwrap().len(), 1);
}

async fn after_the_response_cycle_id_ends_the_session<M: SessionModel>(db: DatabaseConnection) {
    let site = site::<M>(db).await;
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    site.send(move |session| {
        let keep = Arc::clone(&keep);
        async move {
            session.get_value("old").await.unwrap();
            keep.lock().unwrap().replace(session);
            false
        }
    })
    .await;
    let session = kept.lock().unwrap().take().unwrap();
    session.insert("late", 1).await.unwrap();
    session.save().await.unwrap();
    assert_eq!(site.data(site.id).await.unwrap().len(), 2);
    // No response tells the visitor the new id.
    session.cycle_id().await.unwrap();
    session.save().await.unwrap_err();
    assert_eq!(row_count(&site.store).await, 0);
}

/// A session owns its store, and the store of a request knows its session.
async fn a_request_leaves_nothing_behind<M: SessionModel>(db: DatabaseConnection) {
    let mut site = site::<M>(db).await;
    let owned = Arc::new(());
    let kept = Arc::clone(&owned);
    site.store = site.store.with_clock(move || {
        let _ = &kept;
        time::OffsetDateTime::now_utc()
    });
    site.send(async |session| session.insert("a", 1).await.is_err())
        .await;
    let pending = site.send(async |session| {
        session.get_value("old").await.unwrap();
        std::future::pending().await
    });
    let patience = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(patience, pending).await.is_err());
    let panicking = site.clone();
    let panicking = tokio::spawn(async move {
        let handler = async |session: Session| {
            session.get_value("old").await.unwrap();
            panic!("a handler panics")
        };
        panicking.send(handler).await;
    });
    assert!(panicking.await.unwrap_err().is_panic());
    // Each store of a request owns the clock.
    drop(site);
    assert_eq!(Arc::strong_count(&owned), 1);
}

async fn a_key_that_another_request_adds_after_a_clear_is_kept_by_cycle_id(db: DatabaseConnection) {
    let site = site::<versioned::Model>(db).await;
    let other = site.clone();
    let answer = site
        .send(move |session| {
            let other = other.clone();
            async move {
                session.clear().await;
                session.insert("mine", 1).await.unwrap();
                session.save().await.unwrap();
                let added = other.send(async |session| session.insert("theirs", 1).await.is_err());
                assert_eq!(added.await.status, StatusCode::OK);
                session.cycle_id().await.is_err()
            }
        })
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let data = site.data(answer.cookie(None).unwrap()).await.unwrap();
    let expected = ["mine", "theirs"].map(|key| (key.to_owned(), Value::from(1)));
    assert_eq!(data, Data::from(expected));
}

async fn a_key_that_another_request_adds_to_a_session_without_data_is_kept_by_cycle_id(
    db: DatabaseConnection,
) {
    let site = site::<versioned::Model>(db).await;
    let other = site.clone();
    let answer = site
        .send(move |session| {
            let other = other.clone();
            async move {
                session.cycle_id().await.unwrap();
                session.remove_value("old").await.unwrap();
                let added = other.send(async |session| session.insert("theirs", 1).await.is_err());
                assert_eq!(added.await.status, StatusCode::OK);
                false
            }
        })
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let data = site.data(answer.cookie(None).unwrap()).await.unwrap();
    assert_eq!(data, Data::from([("theirs".to_owned(), json!(1))]));
    assert_eq!(row_count(&site.store).await, 1);
}

async fn cycle_id_keeps_created_at_and_the_columns_that_the_store_does_not_fill(
    db: DatabaseConnection,
) {
    let site = site::<versioned::Model>(db).await;
    let store = &site.store;
    let before = store.find(&site.id).await.unwrap().unwrap();
    execute(store.db(), "UPDATE session SET note = 'kept'").await;
    for is_read in [true, false] {
        let id = site.id;
        let answer = site
            .send(move |session| async move {
                if !is_read {
                    session.clear().await;
                }
                session.cycle_id().await.unwrap();
                session.insert("user", "ann").await.is_err()
            })
            .await;
        let after = answer.cookie(None).unwrap();
        assert_ne!(after, id);
        let row = store.find(&after).await.unwrap().unwrap();
        assert_eq!(row.created_at, before.created_at);
        assert_eq!(row.note.as_deref(), Some("kept"));
        let sid = store.sid(&id);
        execute(store.db(), &format!("UPDATE session SET sid = '{sid}'")).await;
    }
}

/// Counts the statements of a pool.
fn count_statements(db: &mut DatabaseConnection) -> Arc<Mutex<Vec<String>>> {
    let statements = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&statements);
    db.set_metric_callback(move |info| {
        let word = info.statement.sql.split(' ').next().unwrap();
        sent.lock().unwrap().push(word.to_owned());
    });
    statements
}

async fn a_cycle_id_costs_the_statements_of_a_save(mut db: DatabaseConnection) {
    let statements = count_statements(&mut db);
    let site = site::<versioned::Model>(db).await;
    statements.lock().unwrap().clear();
    site.send(async |session| {
        session.cycle_id().await.unwrap();
        session.insert("user", "ann").await.is_err()
    })
    .await;
    assert_eq!(*statements.lock().unwrap(), ["SELECT", "UPDATE"]);
}

async fn a_row_that_the_database_keeps_is_reported_at_once(mut db: DatabaseConnection) {
    let statements = count_statements(&mut db);
    let site = site::<versioned::Model>(db).await;
    let triggers: &[&str] = match site.store.db().get_database_backend() {
        DbBackend::Sqlite => &[
            "CREATE TRIGGER kept BEFORE DELETE ON session BEGIN SELECT RAISE(IGNORE); END",
            "CREATE TRIGGER same BEFORE UPDATE ON session BEGIN SELECT RAISE(IGNORE); END",
        ],
        _ => &[
            "CREATE FUNCTION keep() RETURNS trigger AS 'BEGIN RETURN NULL; END' LANGUAGE plpgsql",
            "CREATE TRIGGER kept BEFORE DELETE OR UPDATE ON session \
             FOR EACH ROW EXECUTE FUNCTION keep()",
        ],
    };
    for trigger in triggers {
        execute(site.store.db(), trigger).await;
    }
    for is_flush in [true, false] {
        statements.lock().unwrap().clear();
        let answer = site
            .send(move |session| async move {
                session.get_value("old").await.unwrap();
                let error = if is_flush {
                    session.flush().await.unwrap_err()
                } else {
                    session.cycle_id().await.unwrap();
                    session.save().await.unwrap_err()
                };
                assert!(error.to_string().contains("triggers"), "{error}");
                true
            })
            .await;
        assert_eq!(answer.set_cookie, None);
        let sent = statements.lock().unwrap().len();
        assert!(sent <= 3, "{sent} statements");
    }
    site.check_unchanged().await;
}
