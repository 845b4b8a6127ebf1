//! Random scripts: what the handlers of a visitor's requests do, and what other requests do meanwhile.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use time::{Duration, OffsetDateTime};
use tower_sessions::Expiry;

/// A call of tower-sessions' `Session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Get(usize),
    Insert(usize),
    Remove(usize),
    Clear,
    CycleId,
    Save,
    Load,
    Flush,
    Delete,
    SetExpiry(Option<Expiry>),
}

/// What another request does with the cookie that this request began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    Insert(usize),
    CycleId,
    Flush,
    Delete,
    /// `store.revoke`, without a request.
    Revoke,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Call(Call),
    /// A call that is polled this often and then dropped, if it is not done by then.
    Dropped(Call, u8),
    Other(Other),
}

#[derive(Clone, Debug)]
pub struct Handler {
    pub steps: Vec<Step>,
    /// Answers 500.
    pub fails: bool,
}

/// The cookie of the visitor's first request.
#[derive(Clone, Copy, Debug)]
pub enum Cookie {
    None,
    Unknown,
    /// Of a session with a number of keys.
    Session(usize),
}

#[derive(Clone, Debug)]
pub struct Script {
    pub cookie: Cookie,
    pub handlers: Vec<Handler>,
}

impl Handler {
    pub fn is_alone(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Call(_)))
    }

    pub fn drops_a_call(&self) -> bool {
        let is_dropped = |step: &Step| matches!(step, Step::Dropped(..));
        self.steps.iter().any(is_dropped)
    }

    fn calls(&self, call: Call) -> bool {
        self.steps.contains(&Step::Call(call))
    }

    /// Returns whether the request saves a session that it has not changed. If that is a new one, tower-sessions
    /// gives the visitor no cookie for it.
    fn saves_no_change(&self) -> bool {
        let changes = |step: &Step| matches!(step, Step::Call(call) if !matches!(call, Call::Get(_) | Call::Load | Call::Save));
        self.calls(Call::Save) && !self.steps.iter().any(changes)
    }

    /// Returns whether only a save at the end of the request could change the session.
    pub fn changes_nothing(&self) -> bool {
        self.is_alone()
            && !self.calls(Call::Save)
            && !self.calls(Call::Flush)
            && !self.calls(Call::Delete)
    }
}

impl Script {
    /// Returns whether every session store has to do the same.
    pub fn is_plain(&self) -> bool {
        // With an id that no session has, a save of a session that was cleared is refused.
        let is_refused =
            |handler: &Handler| matches!(self.cookie, Cookie::Unknown) && handler.calls(Call::Save);
        self.handlers.iter().all(|handler| {
            handler.is_alone()
                && !handler.fails
                && !handler.calls(Call::Delete)
                && !handler.saves_no_change()
                && !is_refused(handler)
        })
    }
}

/// The time of the scripts, in whole seconds. No session expires in one, and none in a `MemoryStore`, whose
/// time passes.
pub static NOW: LazyLock<OffsetDateTime> =
    LazyLock::new(|| OffsetDateTime::now_utc().truncate_to_second());

fn expiries() -> Vec<Option<Expiry>> {
    vec![
        None,
        Some(Expiry::OnSessionEnd),
        Some(Expiry::OnInactivity(Duration::days(30))),
        Some(Expiry::AtDateTime(*NOW + Duration::HOUR)),
    ]
}

pub const KEYS: [&str; 3] = ["a", "b", "c"];

fn key() -> impl Strategy<Value = usize> {
    0..KEYS.len()
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        2 => key().prop_map(Call::Get),
        3 => key().prop_map(Call::Insert),
        1 => key().prop_map(Call::Remove),
        1 => Just(Call::Clear),
        3 => Just(Call::CycleId),
        2 => Just(Call::Save),
        1 => Just(Call::Load),
        2 => Just(Call::Flush),
        2 => Just(Call::Delete),
        2 => select(expiries()).prop_map(Call::SetExpiry),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let other = prop_oneof![
        2 => key().prop_map(Other::Insert),
        1 => Just(Other::CycleId),
        2 => Just(Other::Flush),
        1 => Just(Other::Delete),
        1 => Just(Other::Revoke),
    ];
    prop_oneof![
        6 => call().prop_map(Step::Call),
        2 => (call(), 1_u8..40).prop_map(|(call, polls)| Step::Dropped(call, polls)),
        1 => other.prop_map(Step::Other),
    ]
}

pub fn script() -> impl Strategy<Value = Script> {
    let cookie = prop_oneof![
        1 => Just(Cookie::None),
        1 => Just(Cookie::Unknown),
        6 => (0..=KEYS.len()).prop_map(Cookie::Session),
    ];
    let handler = (
        prop::collection::vec(step(), 1..8),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(steps, fails)| Handler { steps, fails });
    (cookie, prop::collection::vec(handler, 1..4))
        .prop_map(|(cookie, handlers)| Script { cookie, handlers })
}
