//! `cycle_id` under `store.layer()`: one statement, which happens with the save or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::routing::get;
use sea_orm::{ColumnTrait, DatabaseConnection};
use serde_json::{Value, json};
use session_store::Event;
use session_store::{Data, SessionModel};
use tests::database::{execute, take_connections};
use tests::{Visitor, count_statements, layer, on_database, on_every_database, row_count};
use tower_sessions::Session;

use super::ended_sessions::{Site, drop_after, site, versioned};

mod with_a_version {
    use super::versioned::Model;
    use super::*;
    on_every_database!(<Model>
        a_handler_that_fails_after_cycle_id_leaves_the_session_under_its_id,
        a_request_that_is_dropped_after_cycle_id_leaves_the_session_under_its_id,
        a_refused_save_leaves_the_session_under_its_id,
        a_handler_that_fails_keeps_its_own_response,
        a_session_that_is_renewed_is_found_by_revoke,
        an_id_that_was_saved_reaches_the_visitor_of_a_handler_that_fails,
        an_id_that_was_saved_before_a_second_cycle_id_reaches_the_visitor,
        after_the_response_cycle_id_ends_the_session,
    );
}

mod without_a_version {
    use super::*;
    use tests::kinds::json_and_offset::Model;
    on_every_database!(<Model>
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

/// Not on SQLite in memory: a save that is dropped while the pool tests its connection closes the
/// connection, and with it the database.
mod dropped {
    use super::*;

    on_database!(sqlite_file, SqliteFile: a_save_that_was_dropped_after_cycle_id_is_found_by_the_next, a_dropped_save_before_an_error_response_leaves_the_visitor_signed_in);
    on_database!(postgres, Postgres: a_save_that_was_dropped_after_cycle_id_is_found_by_the_next, a_dropped_save_before_an_error_response_leaves_the_visitor_signed_in);
    on_database!(mariadb, MariaDb: a_save_that_was_dropped_after_cycle_id_is_found_by_the_next, a_dropped_save_before_an_error_response_leaves_the_visitor_signed_in);
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
        .layer(layer(&site.store));
    let mut visitor = Visitor::with_cookie(&app, &site.id.to_string());
    let response = visitor.get("/").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.body, "maintenance");
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
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.set_cookie, Some(None));
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

async fn a_save_that_was_dropped_after_cycle_id_is_found_by_the_next(db: DatabaseConnection) {
    for polls in 1..12 {
        let (site, renewals) = count_renewals(site(db.clone()).await);
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
        site.store.events_delivered().await;
        assert_eq!(renewals.load(Ordering::Relaxed), 1, "{polls}");
    }
}

/// Counts the events that a session of the site has a new id.
fn count_renewals(mut site: Site<versioned::Model>) -> (Site<versioned::Model>, Arc<AtomicUsize>) {
    let renewals = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&renewals);
    site.store = site.store.on_event(move |event| {
        if matches!(event, Event::Renewed { .. }) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        std::future::ready(())
    });
    (site, renewals)
}

async fn a_dropped_save_before_an_error_response_leaves_the_visitor_signed_in(
    db: DatabaseConnection,
) {
    for polls in 1..12 {
        let (site, renewals) = count_renewals(site(db.clone()).await);
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
        site.store.events_delivered().await;
        let is_renewed = usize::from(id != site.id);
        assert_eq!(renewals.load(Ordering::Relaxed), is_renewed, "{polls}");
    }
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
