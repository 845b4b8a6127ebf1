//! Under `store.layer()`, a session that has ended stays ended, whatever its request does next.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::http::StatusCode;
use sea_orm::{DatabaseConnection, DbBackend};
use serde_json::json;
use session_store::Id;
use session_store::{Data, SeaOrmStore, SessionModel};
use tests::database::execute;
use tests::{
    Answer, count_statements, entity, layer, new_session, on_database, on_every_database,
    row_count, send, store,
};
use tower_sessions::Session;
use tower_sessions_core::SessionStore;

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
        an_error_for_a_stale_cookie_says_what_to_call_and_the_next_request_succeeds,
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
    );
}

/// Not on MariaDB, whose triggers cannot leave out a row.
mod kept_rows {
    use super::*;

    on_database!(sqlite_memory, SqliteMemory: a_row_that_the_database_keeps_is_reported_at_once);
    on_database!(sqlite_file, SqliteFile: a_row_that_the_database_keeps_is_reported_at_once);
    on_database!(postgres, Postgres: a_row_that_the_database_keeps_is_reported_at_once);
}

/// A store with a session that has the key `old`.
pub(super) struct Site<M: SessionModel> {
    pub(super) store: SeaOrmStore<M>,
    pub(super) id: Id,
}

impl<M: SessionModel> Clone for Site<M> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            id: self.id,
        }
    }
}

pub(super) async fn site<M: SessionModel>(db: DatabaseConnection) -> Site<M> {
    let (store, clock) = store(db).await;
    store.delete_all().await.unwrap();
    let session = new_session(&store, clock.now(), [("old", json!(1))]).await;
    let id = session.id;
    Site { store, id }
}

impl<M: SessionModel> Site<M> {
    /// Sends a request with the session's cookie.
    pub(super) async fn send<F>(
        &self,
        handler: impl Fn(Session) -> F + Clone + Send + Sync + 'static,
    ) -> Answer
    where
        F: Future<Output = bool> + Send + 'static,
    {
        send(layer(&self.store), Some(self.id), handler).await
    }

    /// Signs out in another request.
    pub(super) async fn log_out(&self) {
        let answer = self
            .send(async |session: Session| session.flush().await.is_err())
            .await;
        assert_eq!(answer.status, StatusCode::OK);
    }

    pub(super) async fn data(&self, id: Id) -> Option<Data> {
        self.store
            .load(&id)
            .await
            .unwrap()
            .map(|record| record.data)
    }

    /// Checks that the session is as it was.
    pub(super) async fn check_unchanged(&self) {
        let data = self.data(self.id).await.unwrap();
        assert_eq!(data, Data::from([("old".to_owned(), json!(1))]));
        assert_eq!(row_count(&self.store).await, 1);
    }
}

/// Polls a call this often and drops it, if it is not done by then.
pub(super) async fn drop_after(polls: usize, call: impl Future) {
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
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{polls}");
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
    let answer = send(layer(&site.store), None, sign_in).await;
    assert_eq!(answer.status, StatusCode::OK);
    site.id = answer.cookie(None).unwrap();
    assert_eq!(site.data(site.id).await.unwrap().len(), 1);
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
