//! The concurrent operations: requests of one visitor, and calls of the store.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{Request, Response, StatusCode};
use sea_orm::ColumnTrait;
use serde_json::json;
use session_store::{Id, SeaOrmStore, SessionModel};
use tests::{Application, COOKIE_NAME, layer, send};
use time::OffsetDateTime;
use time::macros::datetime;
use tower::{Layer, Service};
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use super::fixture::{Fixture, IDLE_TIMEOUT, Middleware, ORIGIN};
use super::table::Data;

/// The key of the row's data under which the store keeps the session's own expiry.
pub const EXPIRY: &str = "session-store.expiry";

/// When a session ends after [`Op::SetEnd`].
pub const END: OffsetDateTime = datetime!(2100-01-01 00:00 UTC);

/// The operation of one actor. A request has the visitor's cookie and uses its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A request that reads.
    Read,
    /// A request that inserts a key.
    Insert(&'static str),
    /// A request that inserts a key, saves, and inserts another.
    InsertTwice(&'static str, &'static str),
    /// A request that removes the key `old`.
    Remove,
    /// A request that reads, clears the session and inserts a key.
    Clear(&'static str),
    /// The same without reading first.
    ClearUnread(&'static str),
    /// A request that inserts more data than the store accepts.
    TooLarge,
    /// A request that reads and gives the session a new id.
    Cycle,
    /// A request that gives the session a new id and inserts a key.
    CycleAndInsert(&'static str),
    /// A request that reads and logs out.
    Logout,
    /// The same without reading first.
    LogoutUnread,
    /// A request that reads, logs out and inserts a key into a new session.
    Relogin(&'static str),
    /// The same without reading first.
    ReloginUnread(&'static str),
    /// A request that reads and deletes the session.
    Delete,
    /// The same without reading first.
    DeleteUnread,
    /// A request that reads, deletes the session and inserts a key, which begins a new session.
    DeleteAndInsert(&'static str),
    /// A request that sets the time when the session ends.
    SetEnd,
    /// `store.touch`.
    Touch,
    /// `store.prune`.
    Prune,
    /// `store.revoke`.
    Revoke,
}

impl Op {
    pub fn is_request(self) -> bool {
        !matches!(self, Self::Touch | Self::Prune | Self::Revoke)
    }

    /// Returns whether the session is deleted afterwards.
    pub fn deletes_session(self) -> bool {
        matches!(
            self,
            Self::Logout
                | Self::LogoutUnread
                | Self::Relogin(_)
                | Self::ReloginUnread(_)
                | Self::Delete
                | Self::DeleteUnread
                | Self::DeleteAndInsert(_)
                | Self::Revoke
        )
    }

    pub fn cycles_id(self) -> bool {
        matches!(self, Self::Cycle | Self::CycleAndInsert(_))
    }

    /// Returns the keys that the request inserts, one with each save.
    pub fn inserted_keys(self) -> Vec<&'static str> {
        match self {
            Self::Insert(key)
            | Self::Clear(key)
            | Self::ClearUnread(key)
            | Self::CycleAndInsert(key)
            | Self::Relogin(key)
            | Self::ReloginUnread(key)
            | Self::DeleteAndInsert(key) => vec![key],
            Self::InsertTwice(first, second) => vec![first, second],
            _ => Vec::new(),
        }
    }

    pub fn clears_data(self) -> bool {
        matches!(
            self,
            Self::Clear(_)
                | Self::ClearUnread(_)
                | Self::Relogin(_)
                | Self::ReloginUnread(_)
                | Self::DeleteAndInsert(_)
        )
    }

    /// Returns the data after the first or second save of the request, which has seen some of the keys.
    pub fn change(self, actor: usize, save: usize, data: &Data, seen: &Data) -> Data {
        let mut data = data.clone();
        if self.clears_data() {
            data.retain(|key, _| key == EXPIRY || !seen.contains_key(key));
        }
        if self == Self::SetEnd {
            data.insert(
                EXPIRY.to_owned(),
                json!({"at_date_time": "2100-01-01T00:00:00Z"}),
            );
        }
        if self == Self::Remove {
            data.remove("old");
        }
        if let Some(key) = self.inserted_keys().get(save) {
            data.insert((*key).to_owned(), json!(actor));
        }
        data
    }

    /// Runs the handler of the request.
    async fn handle(self, actor: usize, session: &Session, saw: &AtomicBool) -> Result<(), Error> {
        if self.reads_first() {
            let saw_session = session.get_value(ORIGIN).await?.is_some();
            saw.store(saw_session, Ordering::Relaxed);
        }
        match self {
            Self::Read => {}
            Self::Insert(key) => session.insert(key, actor).await?,
            Self::InsertTwice(first, second) => {
                session.insert(first, actor).await?;
                session.save().await?;
                session.insert(second, actor).await?;
            }
            Self::Remove => {
                session.remove_value("old").await?;
            }
            Self::Clear(key) | Self::ClearUnread(key) => {
                session.clear().await;
                session.insert(key, actor).await?;
            }
            Self::TooLarge => session.insert("large", "x".repeat(2_000)).await?,
            Self::Cycle => session.cycle_id().await?,
            Self::CycleAndInsert(key) => {
                session.cycle_id().await?;
                session.insert(key, actor).await?;
            }
            Self::Logout | Self::LogoutUnread => session.flush().await?,
            Self::Relogin(key) | Self::ReloginUnread(key) => {
                session.flush().await?;
                session.insert(key, actor).await?;
            }
            Self::Delete | Self::DeleteUnread => session.delete().await?,
            Self::DeleteAndInsert(key) => {
                session.delete().await?;
                session.insert(key, actor).await?;
            }
            Self::SetEnd => session.set_expiry(Some(Expiry::AtDateTime(END))),
            Self::Touch | Self::Prune | Self::Revoke => unreachable!("not a request"),
        }
        Ok(())
    }

    pub fn reads_first(self) -> bool {
        !matches!(
            self,
            Self::ClearUnread(_) | Self::LogoutUnread | Self::ReloginUnread(_) | Self::DeleteUnread
        )
    }
}

type Error = tower_sessions::session::Error;

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub began_at: OffsetDateTime,
    /// The call succeeded, or the request had a response with success.
    pub is_acknowledged: bool,
    /// The handler of a request has read data of the session.
    pub saw_session: bool,
}

/// Runs an actor.
pub async fn run<M: SessionModel>(
    op: Op,
    actor: usize,
    fixture: Fixture<M>,
    store: SeaOrmStore<M>,
) -> Outcome {
    if fixture.is_cached() {
        fixture.scheduler.begin_request(actor).await;
    }
    let began_at = fixture.scheduler.now();
    let Fixture { id, .. } = &fixture;
    let (is_acknowledged, saw_session) = match op {
        Op::Touch => (store.touch(id).await.is_ok(), false),
        Op::Prune => (store.prune().await.is_ok(), false),
        Op::Revoke => {
            let every = M::columns().expire.column.is_not_null();
            (store.revoke(every).await.is_ok(), false)
        }
        _ => match fixture.middleware {
            Middleware::StoreLayer => request(op, actor, layer(&store), *id).await,
            Middleware::PlainLayer => {
                let layer = SessionManagerLayer::new(store.clone())
                    .with_name(COOKIE_NAME)
                    .with_expiry(Expiry::OnInactivity(IDLE_TIMEOUT));
                request(op, actor, layer, *id).await
            }
        },
    };
    Outcome {
        began_at,
        is_acknowledged,
        saw_session,
    }
}

/// Sends a request with this cookie. Returns whether it succeeded and whether it saw the session.
async fn request<L>(op: Op, actor: usize, layer: L, id: Id) -> (bool, bool)
where
    L: Layer<Application>,
    L::Service: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    let saw_session = Arc::new(AtomicBool::new(false));
    let saw = Arc::clone(&saw_session);
    let handler = move |session: Session| {
        let saw = Arc::clone(&saw);
        async move { op.handle(actor, &session, &saw).await.is_err() }
    };
    let answer = send(layer, Some(id), handler).await;
    let is_acknowledged = answer.status == StatusCode::OK;
    (is_acknowledged, saw_session.load(Ordering::Relaxed))
}
