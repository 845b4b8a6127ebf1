//! Concurrent requests on one session: no change is lost, and nothing comes back.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use sea_orm::DatabaseConnection;
use serde_json::{Value, json};
use tests::{Visitor, layer, new_session, on_database, on_every_database, store};
use time::Duration;
use tokio::sync::Barrier;
use tower_sessions::{Session, SessionManagerLayer};
use tower_sessions_core::SessionStore;

use self::site::{Gate, routes, site, versioned};

#[path = "races/site.rs"]
mod site;

on_every_database!(
    sixty_four_concurrent_requests_each_keep_their_key,
    the_later_save_of_the_same_key_wins,
    a_concurrent_removal_and_a_concurrent_insert_both_take_effect,
    a_clear_removes_what_its_request_has_seen,
    a_clear_before_the_first_read_empties_the_session_and_keeps_its_id,
    a_save_in_mid_request_keeps_concurrent_changes_before_and_after_it,
    a_clear_and_a_save_in_mid_request_keep_later_concurrent_inserts,
    a_logout_during_a_slow_request_is_final,
    a_logout_during_a_request_that_cycles_the_id_is_final,
    a_logout_during_a_request_that_clears_and_cycles_is_final,
    cycle_id_keeps_what_another_request_saved,
    a_save_after_another_request_cycled_the_id_is_refused,
    a_session_that_expires_during_a_request_does_not_come_back,
    a_request_that_logs_out_and_in_again_gets_a_new_session,
    a_refused_cycle_id_is_refused_again,
    cycling_the_id_twice_loses_nothing_and_brings_nothing_back,
    after_a_refused_save_the_next_save_still_merges,
    a_read_changes_nothing,
    a_touch_racing_a_delete_leaves_no_row,
    a_save_racing_a_delete_leaves_no_row,
    without_a_version_the_later_save_wins,
    under_a_plain_session_manager_layer_the_later_save_wins,
);

/// Not on SQLite in memory: a save that is dropped while the pool tests its connection closes the
/// connection, and with it the database.
mod dropped {
    use super::*;

    on_database!(sqlite_file, SqliteFile: after_a_dropped_save_the_next_save_still_merges);
    on_database!(postgres, Postgres: after_a_dropped_save_the_next_save_still_merges);
    on_database!(mariadb, MariaDb: after_a_dropped_save_the_next_save_still_merges);
}

async fn sixty_four_concurrent_requests_each_keep_their_key(db: DatabaseConnection) {
    const REQUESTS: usize = 64;
    let (store, _) = store::<versioned::Model>(db).await;
    let all_loaded = Arc::new(Barrier::new(REQUESTS));
    let app = Router::new()
        .route(
            "/first",
            get(async |session: Session| session.insert("first", 0).await.unwrap()),
        )
        .route(
            "/{key}",
            get(
                move |Path(key): Path<String>, session: Session| async move {
                    let _: Option<Value> = session.get("first").await.unwrap();
                    all_loaded.wait().await;
                    session.insert(&key, 1).await.unwrap();
                },
            ),
        )
        .layer(layer(&store));
    let mut visitor = Visitor::new(&app);
    visitor.ok("/first").await;
    let requests: Vec<_> = (0..REQUESTS)
        .map(|n| {
            let mut visitor = visitor.clone();
            tokio::spawn(async move { visitor.get(&format!("/key{n}")).await.status })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), StatusCode::OK);
    }
    let row = store.find(&visitor.id()).await.unwrap().unwrap();
    let data = row.sess.as_object().unwrap();
    for n in 0..REQUESTS {
        assert!(data.contains_key(&format!("key{n}")), "key{n} was lost");
    }
    assert_eq!(data.len(), REQUESTS + 1);
    assert_eq!(row.version, REQUESTS as i64);
}

async fn the_later_save_of_the_same_key_wins(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site.during("/slow/insert", &["/insert/slow/other"]).await;
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    assert_eq!(data, json!({"a": "1", "b": "2", "slow": 1}));
}

async fn a_concurrent_removal_and_a_concurrent_insert_both_take_effect(db: DatabaseConnection) {
    let mut site = site(db).await;
    // With one key left, its removal empties the data as a clear would.
    site.visitor.ok("/remove/b").await;
    let (status, slow) = site.during("/slow/remove", &["/insert/c/3"]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.data(&slow.id()).await.unwrap(), json!({"c": "3"}));
}

async fn a_clear_removes_what_its_request_has_seen(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site.during("/slow/clear", &["/insert/c/3"]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.data(&slow.id()).await.unwrap(), json!({"c": "3"}));

    // If the clear comes first, the keys that the slow request has loaded do not come back.
    let (status, slow) = site.during("/slow/insert", &["/clear"]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.data(&slow.id()).await.unwrap(), json!({"slow": 1}));
}

async fn a_clear_before_the_first_read_empties_the_session_and_keeps_its_id(
    db: DatabaseConnection,
) {
    let mut site = site(db).await;
    let before = site.visitor.id();
    site.visitor.ok("/clear").await;
    assert_eq!(site.visitor.id(), before);
    assert_eq!(site.data(&before).await.unwrap(), json!({}));
}

async fn a_save_in_mid_request_keeps_concurrent_changes_before_and_after_it(
    db: DatabaseConnection,
) {
    let site = site(db).await;
    let mut slow = site.visitor.clone();
    let request = tokio::spawn(async move { (slow.get("/save-twice").await.status, slow) });
    let mut other = site.visitor.clone();
    site.gate.reached().await;
    other.ok("/insert/before/1").await;
    site.gate.open().await;
    site.gate.reached().await;
    other.ok("/insert/after/2").await;
    other.ok("/remove/a").await;
    site.gate.open().await;
    let (status, slow) = request.await.unwrap();
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    let expected = json!({"b": "2", "before": "1", "after": "2", "first": 1, "second": 2});
    assert_eq!(data, expected);
}

async fn a_clear_and_a_save_in_mid_request_keep_later_concurrent_inserts(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site.during("/clear-and-save-twice", &["/insert/c/3"]).await;
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    assert_eq!(data, json!({"c": "3", "first": 1, "second": 2}));
}

async fn a_logout_during_a_slow_request_is_final(db: DatabaseConnection) {
    for path in ["/slow/insert", "/slow/remove", "/slow/clear"] {
        let site = site(db.clone()).await;
        let (status, _) = site.during(path, &["/flush"]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(site.rows().await, [], "{path}");
    }
}

async fn a_logout_during_a_request_that_cycles_the_id_is_final(db: DatabaseConnection) {
    a_logout_is_final_during(db, "/slow/cycle").await;
}

async fn a_logout_during_a_request_that_clears_and_cycles_is_final(db: DatabaseConnection) {
    a_logout_is_final_during(db, "/slow/clear-and-cycle").await;
}

async fn a_logout_is_final_during(db: DatabaseConnection, path: &'static str) {
    let site = site(db).await;
    let (status, slow) = site.during(path, &["/flush"]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(slow.cookie, None, "the cookie is removed");
    assert_eq!(site.rows().await, []);
}

async fn cycle_id_keeps_what_another_request_saved(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site
        .during("/slow/cycle", &["/insert/c/3", "/remove/a"])
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(slow.id(), site.visitor.id());
    assert_eq!(
        site.data(&slow.id()).await.unwrap(),
        json!({"b": "2", "c": "3", "slow": 1})
    );
    assert_eq!(site.rows().await.len(), 1);
}

async fn a_save_after_another_request_cycled_the_id_is_refused(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, _) = site.during("/slow/insert", &["/cycle"]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(site.data(&site.visitor.id()).await, None);
    let rows = site.rows().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].sess, json!({"a": "1", "b": "2"}));
}

async fn a_session_that_expires_during_a_request_does_not_come_back(db: DatabaseConnection) {
    for path in ["/slow/insert", "/slow/clear", "/slow/cycle"] {
        let site = site(db.clone()).await;
        let expire = async || site.clock.advance(Duration::weeks(3));
        let (status, _) = site.gate.hold(&site.visitor, path, expire).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(site.store.count().await.unwrap(), 0, "{path}");
        site.store.delete_all().await.unwrap();
    }
}

async fn a_request_that_logs_out_and_in_again_gets_a_new_session(db: DatabaseConnection) {
    let site = site(db).await;
    // Also if another request has signed the visitor out before.
    for path in ["/insert/c/3", "/flush"] {
        let (status, slow) = site.during("/slow/flush-then-insert", &[path]).await;
        assert_eq!(status, StatusCode::OK);
        assert_ne!(slow.id(), site.visitor.id());
        assert_eq!(site.data(&slow.id()).await.unwrap(), json!({"slow": 1}));
        assert_eq!(site.data(&site.visitor.id()).await, None);
    }
}

async fn a_refused_cycle_id_is_refused_again(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, _) = site.during("/slow/cycle-and-save-twice", &["/flush"]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(site.rows().await, []);
}

async fn cycling_the_id_twice_loses_nothing_and_brings_nothing_back(db: DatabaseConnection) {
    let site = site(db.clone()).await;
    let (status, slow) = site.during("/slow/cycle-twice", &["/insert/c/3"]).await;
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    assert_eq!(data, json!({"a": "1", "b": "2", "c": "3"}));
    assert_eq!(site.rows().await.len(), 1);
    site.store.delete_all().await.unwrap();

    let site = self::site(db).await;
    let (status, _) = site.during("/slow/cycle-twice", &["/flush"]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(site.rows().await, []);
}

async fn after_a_refused_save_the_next_save_still_merges(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site.during("/refused-then-saved", &["/insert/c/3"]).await;
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    assert_eq!(data, json!({"a": "1", "b": "2", "c": "3", "slow": 1}));
}

async fn after_a_dropped_save_the_next_save_still_merges(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site.during("/dropped-then-saved", &["/insert/c/3"]).await;
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    assert_eq!(
        data,
        json!({"a": "1", "b": "2", "c": "3", "slow": 1, "later": 2})
    );
}

async fn a_read_changes_nothing(db: DatabaseConnection) {
    let site = site(db).await;
    let before = site.rows().await;
    let (status, _) = site.during("/slow/read", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.rows().await, before);
}

async fn a_touch_racing_a_delete_leaves_no_row(db: DatabaseConnection) {
    let (store, clock) = store::<versioned::Model>(db).await;
    let store = store
        .with_idle_timeout(Duration::DAY)
        .with_touch_after(Duration::ZERO);
    for _ in 0..50 {
        let session = new_session(&store, clock.now(), []).await;
        let toucher = store.clone();
        let touch = tokio::spawn(async move { toucher.touch(&session.id).await.unwrap() });
        store.delete(&session.id).await.unwrap();
        touch.await.unwrap();
        assert!(store.find(&session.id).await.unwrap().is_none());
    }
}

async fn a_save_racing_a_delete_leaves_no_row(db: DatabaseConnection) {
    let (store, clock) = store::<versioned::Model>(db).await;
    for _ in 0..50 {
        let session = new_session(&store, clock.now(), []).await;
        let (saver, saved) = (store.clone(), session.clone());
        // The save succeeds or is refused, and the row is gone in both cases.
        let save = tokio::spawn(async move { saver.save(&saved).await.is_ok() });
        store.delete(&session.id).await.unwrap();
        save.await.unwrap();
        assert!(store.find(&session.id).await.unwrap().is_none());
    }
}

/// Saves a session in two concurrent requests, each with a change of another key.
async fn save_concurrently(app: Router, gate: Gate) -> (StatusCode, Visitor) {
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/a/1").await;
    let mut other = visitor.clone();
    let meanwhile = async || {
        other.ok("/insert/c/3").await;
    };
    gate.hold(&visitor, "/slow/insert", meanwhile).await
}

async fn without_a_version_the_later_save_wins(db: DatabaseConnection) {
    let (store, _) = store::<tests::kinds::json_and_offset::Model>(db).await;
    let gate = Gate::new();
    let app = routes(&gate).layer(layer(&store));
    let (status, slow) = save_concurrently(app, gate).await;
    assert_eq!(status, StatusCode::OK);
    let row = store.find(&slow.id()).await.unwrap().unwrap();
    assert_eq!(row.sess, json!({"a": "1", "slow": 1}));
}

async fn under_a_plain_session_manager_layer_the_later_save_wins(db: DatabaseConnection) {
    let (store, _) = store::<versioned::Model>(db).await;
    let gate = Gate::new();
    let app = routes(&gate).layer(SessionManagerLayer::new(store.clone()));
    let (status, slow) = save_concurrently(app, gate).await;
    assert_eq!(status, StatusCode::OK);
    let row = store.find(&slow.id()).await.unwrap().unwrap();
    assert_eq!(row.sess, json!({"a": "1", "slow": 1}));
    assert_eq!(row.version, 2);
}
