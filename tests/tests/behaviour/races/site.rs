//! An application whose slow requests wait for the test.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::Value;
use session_store::Id;
use session_store::SeaOrmStore;
use tests::{Clock, Visitor, entity, layer, session_routes, store};
use tokio::sync::Barrier;
use tower_sessions::Session;

entity!(versioned {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

/// Stops a request in the middle while the test does something else.
#[derive(Clone)]
pub(super) struct Gate(Arc<Barrier>);

impl Gate {
    pub(super) fn new() -> Self {
        Self(Arc::new(Barrier::new(2)))
    }

    /// Called by the handler when the session is loaded: waits until the test opens the gate.
    async fn pause(&self) {
        self.0.wait().await;
        self.0.wait().await;
    }

    /// Called by the test: waits until the handler is at the gate.
    pub(super) async fn reached(&self) {
        self.0.wait().await;
    }

    pub(super) async fn open(&self) {
        self.0.wait().await;
    }

    /// Sends a slow request, and does something else while it waits at the gate.
    pub(super) async fn hold(
        &self,
        visitor: &Visitor,
        path: &'static str,
        meanwhile: impl AsyncFnOnce(),
    ) -> (StatusCode, Visitor) {
        let mut slow = visitor.clone();
        let request = tokio::spawn(async move { (slow.get(path).await.status, slow) });
        self.reached().await;
        meanwhile().await;
        self.open().await;
        request.await.unwrap()
    }
}

/// Handlers under `/slow` load the session, wait at the gate, and then do what their names say.
pub(super) fn routes(gate: &Gate) -> Router {
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
    let gate_between_saves = gate.clone();
    session_routes()
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
                gate_between_saves.pause().await;
                session.save().await.unwrap();
                gate_between_saves.pause().await;
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

pub(super) struct Site {
    pub(super) store: SeaOrmStore<versioned::Model>,
    pub(super) clock: Clock,
    pub(super) gate: Gate,
    /// A visitor whose session has the keys `a` and `b`.
    pub(super) visitor: Visitor,
}

pub(super) async fn site(db: DatabaseConnection) -> Site {
    let (store, clock) = store::<versioned::Model>(db).await;
    let gate = Gate::new();
    let mut visitor = Visitor::new(&routes(&gate).layer(layer(&store)));
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
    /// Sends a slow request, and other requests of the visitor while it waits at the gate.
    pub(super) async fn during(
        &self,
        path: &'static str,
        others: &[&str],
    ) -> (StatusCode, Visitor) {
        let mut other = self.visitor.clone();
        let meanwhile = async || {
            for path in others {
                other.ok(path).await;
            }
        };
        self.gate.hold(&self.visitor, path, meanwhile).await
    }

    pub(super) async fn data(&self, id: &Id) -> Option<Value> {
        self.store.find(id).await.unwrap().map(|row| row.sess)
    }

    pub(super) async fn rows(&self) -> Vec<versioned::Model> {
        versioned::Entity::find()
            .all(self.store.db())
            .await
            .unwrap()
    }
}
