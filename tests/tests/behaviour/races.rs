//! Two requests at once on one session: nothing lost, nothing brought back.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::{Value, json};
use session_store::SeaOrmStore;
use tests::{Clock, Visitor, entity, on_every_database, record, store};
use time::Duration;
use tokio::sync::Barrier;
use tower_sessions::session::Id;
use tower_sessions::{Session, SessionManagerLayer, SessionStore};

on_every_database!(
    sixty_four_requests_at_once_each_keep_their_key,
    of_one_key_the_later_save_wins,
    a_key_removed_and_a_key_added_at_once_are_both_kept,
    a_clear_wins_over_what_others_add,
    a_clear_before_the_first_read_wins_and_keeps_the_session,
    a_save_in_the_middle_of_a_request_keeps_what_others_add_around_it,
    a_clear_and_a_save_in_the_middle_keep_what_others_add_after_it,
    a_logout_during_a_slow_request_is_final,
    a_logout_during_a_request_that_cycles_the_id_is_final,
    a_logout_during_a_request_that_clears_and_cycles_is_final,
    cycle_id_takes_along_what_another_request_saved,
    a_save_after_another_request_cycled_the_id_is_refused,
    a_session_that_expires_during_a_request_does_not_come_back,
    a_request_that_logs_out_and_in_again_gets_a_new_session,
    a_refused_cycle_id_is_refused_at_the_second_try,
    cycle_id_twice_neither_brings_back_nor_loses,
    a_save_that_was_refused_leaves_what_others_add_to_the_next,
    a_read_changes_nothing,
    a_touch_racing_a_delete_leaves_no_row,
    a_save_racing_a_delete_leaves_no_row,
    without_a_version_the_later_save_wins,
    under_the_bare_layer_the_later_save_wins,
);

/// Not on SQLite in memory: a request that is dropped while the pool tests its connection closes that,
/// and the database with it.
mod dropped {
    use super::*;

    tests::on_database!(sqlite_file, SqliteFile, (flavor = "multi_thread", worker_threads = 2) []
        a_save_that_was_dropped_leaves_what_others_add_to_the_next);
    tests::on_database!(postgres, Postgres, (flavor = "multi_thread", worker_threads = 2) []
        a_save_that_was_dropped_leaves_what_others_add_to_the_next);
    tests::on_database!(mariadb, MariaDb, (flavor = "multi_thread", worker_threads = 2) []
        a_save_that_was_dropped_leaves_what_others_add_to_the_next);
}

entity!(versioned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

type Store = SeaOrmStore<versioned::Model>;

/// Holds a request in the middle, while the test does something else.
#[derive(Clone)]
struct Gate(Arc<Barrier>);

impl Gate {
    fn new() -> Self {
        Self(Arc::new(Barrier::new(2)))
    }

    /// In the handler: the session is loaded; go on when the test says so.
    async fn pause(&self) {
        self.0.wait().await;
        self.0.wait().await;
    }

    /// In the test: until the handler is there.
    async fn reached(&self) {
        self.0.wait().await;
    }

    async fn open(&self) {
        self.0.wait().await;
    }
}

/// Handlers under `/slow` load the session, wait at the gate, and then do what they are named for.
fn routes(gate: &Gate) -> Router {
    macro_rules! slow {
        (|$session:ident| $($body:tt)*) => {{
            let gate = gate.clone();
            get(move |$session: Session| async move {
                let _: Option<Value> = $session.get("any").await.unwrap();
                gate.pause().await;
                $($body)*
            })
        }};
    }
    async fn insert(Path((key, value)): Path<(String, String)>, session: Session) {
        session.insert(&key, value).await.unwrap();
    }
    async fn remove(Path(key): Path<String>, session: Session) {
        session.remove_value(&key).await.unwrap();
    }
    let gated = gate.clone();
    Router::new()
        .route("/insert/{key}/{value}", get(insert))
        .route("/remove/{key}", get(remove))
        .route(
            "/flush",
            get(async |session: Session| session.flush().await.unwrap()),
        )
        .route(
            "/cycle",
            get(async |session: Session| session.cycle_id().await.unwrap()),
        )
        .route(
            "/clear",
            get(async |session: Session| session.clear().await),
        )
        .route(
            "/slow/read",
            slow!(|session| session.get::<Value>("a").await.unwrap();),
        )
        .route(
            "/slow/insert",
            slow!(|session| session.insert("slow", 1).await.unwrap()),
        )
        .route(
            "/slow/remove",
            slow!(|session| session.remove_value("a").await.unwrap();),
        )
        .route("/slow/clear", slow!(|session| session.clear().await))
        .route(
            "/slow/cycle",
            slow!(|session|
                session.insert("slow", 1).await.unwrap();
                session.cycle_id().await.unwrap();
            ),
        )
        .route(
            "/slow/clear-and-cycle",
            slow!(|session|
                session.clear().await;
                session.insert("slow", 1).await.unwrap();
                session.cycle_id().await.unwrap();
            ),
        )
        .route(
            "/slow/flush-then-insert",
            slow!(|session|
                session.flush().await.unwrap();
                session.insert("slow", 1).await.unwrap();
            ),
        )
        .route(
            "/save-twice",
            get(move |session: Session| async move {
                session.insert("first", 1).await.unwrap();
                gated.pause().await;
                session.save().await.unwrap();
                gated.pause().await;
                session.insert("second", 2).await.unwrap();
            }),
        )
        .route(
            "/slow/cycle-and-save-twice",
            slow!(|session|
                session.cycle_id().await.unwrap();
                session.save().await.unwrap_err();
            ),
        )
        .route(
            "/slow/cycle-twice",
            slow!(|session|
                session.cycle_id().await.unwrap();
                session.cycle_id().await.unwrap();
            ),
        )
        .route("/refused-then-saved", {
            let gate = gate.clone();
            get(move |session: Session| async move {
                session
                    .insert("large", "x".repeat(2 * 1024 * 1024))
                    .await
                    .unwrap();
                gate.pause().await;
                session.save().await.unwrap_err();
                session.remove_value("large").await.unwrap();
                session.insert("slow", 1).await.unwrap();
            })
        })
        .route("/dropped-then-saved", {
            let gate = gate.clone();
            get(move |session: Session| async move {
                session.insert("slow", 1).await.unwrap();
                gate.pause().await;
                {
                    let mut save = std::pin::pin!(session.save());
                    std::future::poll_fn(|cx| {
                        let _ = save.as_mut().poll(cx);
                        std::task::Poll::Ready(())
                    })
                    .await;
                }
                session.insert("later", 2).await.unwrap();
            })
        })
        .route("/clear-and-save-twice", {
            let gate = gate.clone();
            get(move |session: Session| async move {
                session.get::<Value>("any").await.unwrap();
                session.clear().await;
                session.insert("first", 1).await.unwrap();
                session.save().await.unwrap();
                gate.pause().await;
                session.insert("second", 2).await.unwrap();
            })
        })
}

struct Site {
    store: Store,
    clock: Clock,
    gate: Gate,
    visitor: Visitor,
}

/// A visitor whose session has `a` and `b`.
async fn site(db: DatabaseConnection) -> Site {
    let (store, clock) = store::<versioned::Model>(db).await;
    let gate = Gate::new();
    let mut visitor = Visitor::new(&routes(&gate).layer(store.layer()));
    visitor.ok("/insert/a/1").await;
    visitor.ok("/insert/b/2").await;
    Site {
        store,
        clock,
        gate,
        visitor,
    }
}

impl Site {
    /// Sends a slow request and, while it waits with the session loaded, does something else.
    async fn during(
        &self,
        path: &'static str,
        meanwhile: impl AsyncFnOnce(Visitor),
    ) -> (StatusCode, Visitor) {
        let mut slow = self.visitor.clone();
        let request = tokio::spawn(async move { (slow.get(path).await.status, slow) });
        self.gate.reached().await;
        meanwhile(self.visitor.clone()).await;
        self.gate.open().await;
        request.await.unwrap()
    }

    async fn data(&self, id: &Id) -> Option<Value> {
        self.store.find(id).await.unwrap().map(|row| row.sess)
    }

    async fn rows(&self) -> Vec<versioned::Model> {
        versioned::Entity::find()
            .all(self.store.db())
            .await
            .unwrap()
    }
}

async fn sixty_four_requests_at_once_each_keep_their_key(db: DatabaseConnection) {
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
        .layer(store.layer());
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

async fn of_one_key_the_later_save_wins(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site
        .during("/slow/insert", async |mut other| {
            other.ok("/insert/slow/other").await;
        })
        .await;
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    assert_eq!(data, json!({"a": "1", "b": "2", "slow": 1}));
}

async fn a_key_removed_and_a_key_added_at_once_are_both_kept(db: DatabaseConnection) {
    let mut site = site(db).await;
    // A session of one key: removing it empties the data as a clear would.
    site.visitor.ok("/remove/b").await;
    let (status, slow) = site
        .during("/slow/remove", async |mut other| {
            other.ok("/insert/c/3").await;
        })
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.data(&slow.id()).await.unwrap(), json!({"c": "3"}));
}

async fn a_clear_wins_over_what_others_add(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site
        .during("/slow/clear", async |mut other| {
            other.ok("/insert/c/3").await;
        })
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.data(&slow.id()).await.unwrap(), json!({}));

    // And the other way round: what a slow request had loaded does not come back with its change.
    let mut site = site;
    site.visitor.ok("/insert/a/1").await;
    let (status, slow) = site
        .during("/slow/insert", async |mut other| {
            other.ok("/clear").await;
        })
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.data(&slow.id()).await.unwrap(), json!({"slow": 1}));
}

async fn a_clear_before_the_first_read_wins_and_keeps_the_session(db: DatabaseConnection) {
    let mut site = site(db).await;
    let before = site.visitor.id();
    site.visitor.ok("/clear").await;
    assert_eq!(site.visitor.id(), before);
    assert_eq!(site.data(&before).await.unwrap(), json!({}));
}

async fn a_save_in_the_middle_of_a_request_keeps_what_others_add_around_it(db: DatabaseConnection) {
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

async fn a_clear_and_a_save_in_the_middle_keep_what_others_add_after_it(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site
        .during("/clear-and-save-twice", async |mut other| {
            other.ok("/insert/c/3").await;
        })
        .await;
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    assert_eq!(data, json!({"c": "3", "first": 1, "second": 2}));
}

async fn a_logout_during_a_slow_request_is_final(db: DatabaseConnection) {
    for path in ["/slow/insert", "/slow/remove", "/slow/clear"] {
        let site = site(db.clone()).await;
        let (status, _) = site
            .during(path, async |mut other| {
                other.ok("/flush").await;
            })
            .await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
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
    let (status, slow) = site
        .during(path, async |mut other| {
            other.ok("/flush").await;
        })
        .await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(slow.cookie, site.visitor.cookie);
    assert_eq!(site.rows().await, []);
}

async fn cycle_id_takes_along_what_another_request_saved(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site
        .during("/slow/cycle", async |mut other| {
            other.ok("/insert/c/3").await;
            other.ok("/remove/a").await;
        })
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
    let (status, _) = site
        .during("/slow/insert", async |mut other| {
            other.ok("/cycle").await;
        })
        .await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(site.data(&site.visitor.id()).await, None);
    let rows = site.rows().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].sess, json!({"a": "1", "b": "2"}));
}

async fn a_session_that_expires_during_a_request_does_not_come_back(db: DatabaseConnection) {
    for path in ["/slow/insert", "/slow/clear", "/slow/cycle"] {
        let site = site(db.clone()).await;
        let (status, _) = site
            .during(path, async |_| site.clock.advance(Duration::weeks(3)))
            .await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(site.store.count().await.unwrap(), 0, "{path}");
        site.store.delete_all().await.unwrap();
    }
}

async fn a_request_that_logs_out_and_in_again_gets_a_new_session(db: DatabaseConnection) {
    let site = site(db).await;
    // Also when another request has logged out before it.
    for path in ["/insert/c/3", "/flush"] {
        let (status, slow) = site
            .during("/slow/flush-then-insert", async |mut other| {
                other.ok(path).await;
            })
            .await;
        assert_eq!(status, StatusCode::OK);
        assert_ne!(slow.id(), site.visitor.id());
        assert_eq!(site.data(&slow.id()).await.unwrap(), json!({"slow": 1}));
        assert_eq!(site.data(&site.visitor.id()).await, None);
    }
}

async fn a_refused_cycle_id_is_refused_at_the_second_try(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, _) = site
        .during("/slow/cycle-and-save-twice", async |mut other| {
            other.ok("/flush").await;
        })
        .await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(site.rows().await, []);
}

async fn cycle_id_twice_neither_brings_back_nor_loses(db: DatabaseConnection) {
    let site = site(db.clone()).await;
    let (status, slow) = site
        .during("/slow/cycle-twice", async |mut other| {
            other.ok("/insert/c/3").await;
        })
        .await;
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    assert_eq!(data, json!({"a": "1", "b": "2", "c": "3"}));
    assert_eq!(site.rows().await.len(), 1);
    site.store.delete_all().await.unwrap();

    let site = self::site(db).await;
    let (status, _) = site
        .during("/slow/cycle-twice", async |mut other| {
            other.ok("/flush").await;
        })
        .await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(site.rows().await, []);
}

async fn a_save_that_was_refused_leaves_what_others_add_to_the_next(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site
        .during("/refused-then-saved", async |mut other| {
            other.ok("/insert/c/3").await;
        })
        .await;
    assert_eq!(status, StatusCode::OK);
    let data = site.data(&slow.id()).await.unwrap();
    assert_eq!(data, json!({"a": "1", "b": "2", "c": "3", "slow": 1}));
}

async fn a_save_that_was_dropped_leaves_what_others_add_to_the_next(db: DatabaseConnection) {
    let site = site(db).await;
    let (status, slow) = site
        .during("/dropped-then-saved", async |mut other| {
            other.ok("/insert/c/3").await;
        })
        .await;
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
    let (status, _) = site.during("/slow/read", async |_| ()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.rows().await, before);
}

async fn a_touch_racing_a_delete_leaves_no_row(db: DatabaseConnection) {
    let (store, clock) = store::<versioned::Model>(db).await;
    let store = store
        .with_idle_timeout(Duration::DAY)
        .with_touch_after(Duration::ZERO);
    for _ in 0..50 {
        let mut session = record(clock.now(), []);
        store.create(&mut session).await.unwrap();
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
        let mut session = record(clock.now(), []);
        store.create(&mut session).await.unwrap();
        let (saver, saved) = (store.clone(), session.clone());
        // Saved before or refused after: either way the row is gone.
        let save = tokio::spawn(async move { saver.save(&saved).await.is_ok() });
        store.delete(&session.id).await.unwrap();
        save.await.unwrap();
        assert!(store.find(&session.id).await.unwrap().is_none());
    }
}

/// Loads a session twice, changes another key in each, and saves both.
async fn two_saves(app: Router, gate: Gate) -> (Visitor, StatusCode) {
    let mut visitor = Visitor::new(&app);
    visitor.ok("/insert/a/1").await;
    let mut slow = visitor.clone();
    let request = tokio::spawn(async move { (slow.get("/slow/insert").await.status, slow) });
    gate.reached().await;
    visitor.ok("/insert/c/3").await;
    gate.open().await;
    let (status, slow) = request.await.unwrap();
    (slow, status)
}

async fn without_a_version_the_later_save_wins(db: DatabaseConnection) {
    let (store, _) = store::<tests::kinds::json_and_offset::Model>(db).await;
    let gate = Gate::new();
    let app = routes(&gate).layer(store.layer());
    let (slow, status) = two_saves(app, gate).await;
    assert_eq!(status, StatusCode::OK);
    let row = store.find(&slow.id()).await.unwrap().unwrap();
    assert_eq!(row.sess, json!({"a": "1", "slow": 1}));
}

async fn under_the_bare_layer_the_later_save_wins(db: DatabaseConnection) {
    let (store, _) = store::<versioned::Model>(db).await;
    let gate = Gate::new();
    let app = routes(&gate).layer(SessionManagerLayer::new(store.clone()));
    let (slow, status) = two_saves(app, gate).await;
    assert_eq!(status, StatusCode::OK);
    let row = store.find(&slow.id()).await.unwrap().unwrap();
    assert_eq!(row.sess, json!({"a": "1", "slow": 1}));
    assert_eq!(row.version, 2);
}
