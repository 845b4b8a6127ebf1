//! One visitor, the requests of a script, and what must never come back.

use std::collections::{BTreeSet, HashSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use axum::http::StatusCode;
use sea_orm::{ColumnTrait, ConnectionTrait, Statement};
use serde_json::Value;
use session_store::Id;
use session_store::{Data, SeaOrmStore, SessionModel, SessionRef};
use tests::{Answer, layer, new_session, send};
use tower_sessions::Session;
use tower_sessions_core::SessionStore;

use super::IDLE_TIMEOUT;
use super::script::{Call, Cookie, Handler, KEYS, NOW, Other, Step};

/// A value that was inserted once. Each is another number.
pub type Token = u64;

/// What is known of the tokens and the cookies of one script.
#[derive(Default)]
struct Ledger {
    next: Token,
    /// The tokens of sessions that have ended.
    ended: BTreeSet<Token>,
    /// The tokens of the visitor's session.
    session: BTreeSet<Token>,
    /// The tokens that the request has flushed after `cycle_id`, which takes effect with its response.
    flushed: BTreeSet<Token>,
    view: View,
    /// The tokens that the request has inserted without having read the session. It could have begun
    /// after the session's end, so they may begin a new one.
    blind: BTreeSet<Token>,
    /// The ids that the visitor's responses and handlers have shown.
    ids: HashSet<Id>,
}

/// What the visitor's request knows of its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    #[default]
    Untouched,
    /// It was cleared before it was read.
    Cleared,
    Read,
}

impl View {
    fn clear(&mut self) {
        if *self == Self::Untouched {
            *self = Self::Cleared;
        }
    }

    fn called(&mut self, call: Call) {
        match (*self, call) {
            // It does not read the session.
            (_, Call::SetExpiry(_)) => {}
            (_, Call::Clear | Call::Flush | Call::Delete) => self.clear(),
            (Self::Untouched, _) | (Self::Cleared, Call::Save | Call::Load) => *self = Self::Read,
            _ => {}
        }
    }
}

/// Which requests load from a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    Nowhere,
    /// All, in one process.
    Here,
    /// The visitor's. The other requests reach another process.
    Elsewhere,
}

pub struct World<M: SessionModel> {
    store: SeaOrmStore<M>,
    /// Of the other requests.
    other: SeaOrmStore<M>,
    cached: Cached,
    ledger: Arc<Mutex<Ledger>>,
}

impl<M: SessionModel> Clone for World<M> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            other: self.other.clone(),
            cached: self.cached,
            ledger: Arc::clone(&self.ledger),
        }
    }
}

impl<M: SessionModel> World<M> {
    pub fn new(store: &SeaOrmStore<M>, cached: Cached) -> Self {
        let other = match cached {
            Cached::Elsewhere => SeaOrmStore::new(store.db().clone())
                .with_clock(|| *NOW)
                .with_idle_timeout(IDLE_TIMEOUT),
            Cached::Nowhere | Cached::Here => store.clone(),
        };
        Self {
            store: store.clone(),
            other,
            cached,
            ledger: Arc::default(),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    pub async fn first_cookie(&self, cookie: Cookie) -> Option<Id> {
        match cookie {
            Cookie::None => None,
            Cookie::Unknown => Some(Id::default()),
            Cookie::Session(keys) => {
                let mut session = new_session(&self.store, *NOW, []).await;
                for key in &KEYS[..keys] {
                    session.data.insert((*key).to_owned(), self.token().into());
                }
                self.store.save(&session).await.unwrap();
                Some(session.id)
            }
        }
    }

    pub async fn data(&self, id: Option<Id>) -> Option<Data> {
        let record = self.store.load(&id?).await.unwrap();
        record.map(|record| record.data)
    }

    fn token(&self) -> Token {
        let mut ledger = self.ledger();
        ledger.next += 1;
        ledger.next
    }

    /// Sends a request of the visitor.
    pub async fn request(&self, cookie: Option<Id>, handler: &Handler) -> Answer {
        let data = self.data(cookie).await;
        {
            let mut ledger = self.ledger();
            ledger.session = data.iter().flat_map(tokens).collect();
            ledger.blind.clear();
            ledger.view = View::Untouched;
            ledger.ids.extend(cookie);
        }
        let (world, handler) = (self.clone(), handler.clone());
        let run = move |session: Session| {
            let (world, handler) = (world.clone(), handler.clone());
            async move {
                for step in &handler.steps {
                    world.step(*step, &session, cookie).await;
                    let id = session.id().map(|id| Id(id.0));
                    world.ledger().ids.extend(id);
                }
                handler.fails
            }
        };
        let answer = send(layer(&self.store), cookie, run).await;
        let flushed = std::mem::take(&mut self.ledger().flushed);
        if answer.status == StatusCode::OK || answer.set_cookie == Some(None) {
            self.end(flushed).await;
        }
        self.ledger().ids.extend(answer.cookie(None));
        answer
    }

    async fn step(&self, step: Step, session: &Session, cookie: Option<Id>) {
        match step {
            Step::Call(call @ (Call::Flush | Call::Delete)) => {
                // Without an id, `delete` does nothing, and `flush` only clears.
                let has_id = session.id().is_some();
                let mut tokens = if has_id {
                    let ledger = self.ledger();
                    &ledger.session | &ledger.blind
                } else {
                    seen(session).await
                };
                let is_ok = self.call(call, session).await;
                if is_ok && has_id {
                    self.end(tokens).await;
                } else if is_ok && call == Call::Flush {
                    self.ledger().flushed.append(&mut tokens);
                }
            }
            Step::Call(call) => {
                self.call(call, session).await;
            }
            Step::Dropped(call, polls) => {
                let mut call = pin!(self.call(call, session));
                for _ in 0..polls {
                    let is_ready = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready()));
                    if is_ready.await {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            Step::Other(other) => self.other(other, cookie).await,
        }
    }

    /// Calls the session. Returns whether it succeeded.
    async fn call(&self, call: Call, session: &Session) -> bool {
        let token = match call {
            Call::Insert(_) => self.token(),
            _ => 0,
        };
        // A `flush` begins with a `clear`, which it does not wait for.
        if let Call::Clear | Call::Flush = call {
            self.ledger().view.clear();
        }
        // Without an id, which `cycle_id` takes away, `load` does nothing.
        let is_empty_load = call == Call::Load && session.id().is_none();
        let is_ok = self::call(call, session, token).await;
        let mut ledger = self.ledger();
        if !is_empty_load {
            ledger.view.called(call);
        }
        if ledger.view == View::Read {
            ledger.session.insert(token);
        } else {
            ledger.blind.insert(token);
        }
        is_ok
    }

    /// Another request, with the cookie that the visitor's request began with.
    async fn other(&self, other: Other, cookie: Option<Id>) {
        let before = self.data(cookie).await;
        let world = self.clone();
        let run = move |session: Session| {
            let world = world.clone();
            async move {
                match other {
                    Other::Insert(key) => {
                        let token = world.token();
                        session.insert(KEYS[key], token).await.is_err()
                    }
                    Other::CycleId => session.cycle_id().await.is_err(),
                    Other::Flush => session.flush().await.is_err(),
                    Other::Delete => session.delete().await.is_err(),
                    Other::Revoke => false,
                }
            }
        };
        if let (Other::Revoke, Some(id)) = (other, cookie) {
            let is_session = M::columns().sid.eq(self.store.sid(&id));
            self.other.revoke(is_session).await.unwrap();
        } else {
            let answer = send(layer(&self.other), cookie, run).await;
            // A call that was dropped may take effect only now, and end the session under this request.
            if answer.status != StatusCode::OK {
                return;
            }
            if other != Other::CycleId {
                self.ledger().ids.extend(answer.cookie(None));
            }
            // Or before it, and then what was inserted is in a session of its own.
            if answer.cookie(cookie) != cookie && matches!(other, Other::Insert(_)) {
                return;
            }
        }
        // Once the session has another id, this cookie cannot change or end it.
        let Some(data) = before else { return };
        let mut ended: BTreeSet<_> = tokens(&data).collect();
        match other {
            Other::Insert(_) => {
                let mut ledger = self.ledger();
                let token = ledger.next;
                ledger.session.insert(token);
            }
            Other::CycleId => {}
            Other::Flush | Other::Delete | Other::Revoke => {
                ended.extend(&self.ledger().session);
                self.end(ended).await;
            }
        }
    }

    /// Notes that the tokens have ended, except those in rows with another id: another request has given
    /// it to the session, or a save that was dropped.
    async fn end(&self, mut tokens: BTreeSet<Token>) {
        let db = self.store.db();
        let select = "SELECT sid, sess FROM session";
        let select = Statement::from_string(db.get_database_backend(), select);
        let rows = db.query_all_raw(select).await.unwrap();
        let mut ledger = self.ledger();
        let sids: HashSet<_> = ledger.ids.iter().map(|id| self.store.sid(id)).collect();
        for row in rows {
            let sid: String = row.try_get("", "sid").unwrap();
            let data: Value = row.try_get("", "sess").unwrap();
            if !sids.contains(&sid) {
                let kept = data.as_object().unwrap().values();
                tokens.retain(|token| !kept.clone().any(|value| value == token));
            }
        }
        ledger.ended.append(&mut tokens);
        ledger.session.clear();
    }

    /// Checks that the visitor's next request sees the session as the table has it.
    pub async fn check_seen(&self, cookie: Option<Id>) -> Result<(), String> {
        if self.cached == Cached::Elsewhere {
            return Ok(());
        }
        let found: Arc<Mutex<BTreeSet<Token>>> = Arc::default();
        let seen = Arc::clone(&found);
        let run = move |session: Session| {
            let seen = Arc::clone(&seen);
            async move {
                let tokens = self::seen(&session).await;
                *seen.lock().unwrap() = tokens;
                false
            }
        };
        send(layer(&self.store), cookie, run).await;
        let seen = found.lock().unwrap().clone();
        let data = self.data(cookie).await;
        let stored: BTreeSet<_> = data.iter().flat_map(tokens).collect();
        if seen != stored {
            return Err(format!(
                "a request sees {seen:?}, and the table has {stored:?}"
            ));
        }
        Ok(())
    }

    /// Checks that the cookie of this answer lasts as long as the row.
    pub async fn check_cookie(&self, answer: &Answer) -> Result<(), String> {
        let Some(Some(id)) = answer.set_cookie else {
            return Ok(());
        };
        let record = self.store.load(&id).await.unwrap();
        let Some(record) = record else {
            return Err("the cookie leads to no session".to_owned());
        };
        let lasts = (record.expiry_date - *NOW).whole_seconds();
        let session = SessionRef::new(&id, &record.data, record.expiry_date);
        let ends_with_browser = session.expiry == Some(tower_sessions_core::Expiry::OnSessionEnd);
        let expected = (!ends_with_browser).then_some(lasts);
        if answer.max_age != expected {
            let max_age = answer.max_age;
            return Err(format!(
                "Max-Age is {max_age:?}, and the row lasts {expected:?}"
            ));
        }
        Ok(())
    }

    /// Checks that no cookie that was ever given out leads to data that have ended.
    pub async fn check(&self) -> Result<(), String> {
        let ids = self.ledger().ids.clone();
        for id in ids {
            let data = self.data(Some(id)).await;
            let back: Vec<_> = data.iter().flat_map(tokens).collect();
            let ledger = self.ledger();
            if let Some(token) = back.iter().find(|token| ledger.ended.contains(token)) {
                return Err(format!("token {token} has ended and is back"));
            }
        }
        Ok(())
    }
}

fn tokens(data: &Data) -> impl Iterator<Item = Token> {
    data.values().filter_map(Value::as_u64)
}

/// Returns the tokens that the session has in memory. After `cycle_id` this does not load it.
async fn seen(session: &Session) -> BTreeSet<Token> {
    let mut seen = BTreeSet::new();
    for key in KEYS {
        let value = session.get_value(key).await.unwrap();
        seen.extend(value.as_ref().and_then(Value::as_u64));
    }
    seen
}

/// Calls the session, and inserts this value if the call inserts. Returns whether it succeeded.
pub async fn call(call: Call, session: &Session, token: Token) -> bool {
    match call {
        Call::Get(key) => session.get_value(KEYS[key]).await.is_ok(),
        Call::Insert(key) => session.insert(KEYS[key], token).await.is_ok(),
        Call::Remove(key) => session.remove_value(KEYS[key]).await.is_ok(),
        Call::Clear => {
            session.clear().await;
            true
        }
        Call::CycleId => session.cycle_id().await.is_ok(),
        Call::Save => session.save().await.is_ok(),
        Call::Load => session.load().await.is_ok(),
        Call::SetExpiry(expiry) => {
            session.set_expiry(expiry);
            true
        }
        Call::Flush => session.flush().await.is_ok(),
        Call::Delete => session.delete().await.is_ok(),
    }
}
