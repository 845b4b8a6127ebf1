//! Two or three concurrent operations on one session, in every order of their statements.
//!
//! The real store runs, on SQLite in memory. `--nocapture` prints how much was explored. With
//! `SESSION_STORE_MODEL=full` in the environment the tests explore all operations, which takes half an hour.

mod actor;
mod explorer;
mod fixture;
mod oracle;
mod scheduler;
mod table;

use session_store::SessionModel;
use tests::kinds::json_and_offset::Model as Unversioned;

use actor::Op::{
    self, Clear, ClearUnread, Cycle, CycleAndInsert, Delete, DeleteAndInsert, DeleteUnread, Insert,
    InsertTwice, Logout, LogoutUnread, Prune, Read, Relogin, ReloginUnread, Remove, Revoke, SetEnd,
    TooLarge, Touch,
};
use explorer::{Explored, Program};
use fixture::versioned::Model as Versioned;
use fixture::{
    Fixture,
    Middleware::{self, PlainLayer, StoreLayer},
};
use scheduler::ClockMoves;

const EVERY_OP: [Op; 20] = [
    Read,
    Insert("a"),
    InsertTwice("a", "b"),
    Remove,
    Clear("c"),
    ClearUnread("d"),
    TooLarge,
    Cycle,
    CycleAndInsert("e"),
    Logout,
    LogoutUnread,
    Touch,
    Prune,
    Revoke,
    Delete,
    DeleteUnread,
    Relogin("f"),
    ReloginUnread("g"),
    DeleteAndInsert("h"),
    SetEnd,
];

/// Without the operations that are unsafe under a plain `SessionManagerLayer`.
const PLAIN_LAYER_OPS: &[Op] = EVERY_OP.split_at(16).0;

/// One operation for each kind of statement and change.
const MAIN_OPS: [Op; 7] = [Read, Insert("a"), Cycle, Logout, Touch, Prune, Revoke];

fn pairs(ops: &[Op]) -> Vec<Vec<Op>> {
    let with_later = |index: usize| {
        ops[index..]
            .iter()
            .map(move |other| vec![ops[index], *other])
    };
    (0..ops.len()).flat_map(with_later).collect()
}

fn triples(ops: &[Op]) -> Vec<Vec<Op>> {
    let with_earlier = |(index, op): (usize, &Op)| {
        let op = *op;
        let add = move |mut pair: Vec<Op>| {
            pair.push(op);
            pair
        };
        pairs(&ops[..=index])
            .into_iter()
            .map(add)
            .collect::<Vec<_>>()
    };
    let mut triples: Vec<_> = ops.iter().enumerate().flat_map(with_earlier).collect();
    triples.sort_by_key(|triple| format!("{triple:?}"));
    triples.dedup();
    triples
}

/// The session is too new for a touch.
fn fresh(ops: Vec<Op>) -> Program {
    Program {
        ops,
        is_due: false,
        clock: ClockMoves::Never,
    }
}

/// A load has to touch the session.
fn due(ops: Vec<Op>) -> Program {
    Program {
        ops,
        is_due: true,
        clock: ClockMoves::Never,
    }
}

/// Both, for two of all operations.
fn fresh_and_due() -> impl Iterator<Item = Program> {
    let pairs = pairs(&EVERY_OP).into_iter();
    pairs.flat_map(|ops| [fresh(ops.clone()), due(ops)])
}

/// The session may expire while a statement is sent.
fn expiring(ops: Vec<Op>) -> Program {
    Program {
        ops,
        is_due: true,
        clock: ClockMoves::BetweenReads,
    }
}

/// The session may expire at any time.
fn expiring_anytime(ops: Vec<Op>) -> Program {
    Program {
        ops,
        is_due: true,
        clock: ClockMoves::Anytime,
    }
}

fn is_full() -> bool {
    std::env::var_os("SESSION_STORE_MODEL").is_some_and(|set| set == "full")
}

async fn explore<M: SessionModel>(
    middleware: Middleware,
    programs: impl IntoIterator<Item = Program>,
) {
    explore_with(&Fixture::<M>::new(middleware).await, programs).await;
}

/// Each operation runs in a process of its own, which has the session in its cache.
async fn explore_cached(programs: impl IntoIterator<Item = Program>) -> Explored {
    let fixture = Fixture::<Versioned>::new(StoreLayer).await.with_cache();
    explore_with(&fixture, programs).await
}

async fn explore_with<M: SessionModel>(
    fixture: &Fixture<M>,
    programs: impl IntoIterator<Item = Program>,
) -> Explored {
    let mut explored = Explored::default();
    for program in programs {
        explored.explore(fixture, &program).await;
    }
    println!(
        "{:?}, merging: {}, cached: {}: {explored:?}",
        fixture.middleware,
        fixture.is_merging(),
        fixture.is_cached()
    );
    assert!(explored.interleavings > explored.programs);
    explored
}

#[tokio::test]
async fn two_concurrent_operations_lose_no_change_and_bring_nothing_back() {
    explore::<Versioned>(StoreLayer, fresh_and_due()).await;
}

#[tokio::test]
async fn two_concurrent_operations_with_old_caches_lose_no_change_and_bring_nothing_back() {
    let explored = explore_cached(fresh_and_due()).await;
    let stale = "a session that has ended elsewhere was read from the cache";
    assert!(explored.notes.contains_key(stale));
}

#[tokio::test]
async fn a_session_that_expires_during_two_operations_with_old_caches_stays_expired() {
    explore_cached(pairs(&MAIN_OPS).into_iter().map(expiring)).await;
}

#[tokio::test]
async fn two_concurrent_operations_without_a_version_bring_nothing_back() {
    explore::<Unversioned>(StoreLayer, pairs(&EVERY_OP).into_iter().map(due)).await;
}

#[tokio::test]
async fn two_concurrent_operations_under_a_plain_session_manager_layer_bring_nothing_back() {
    explore::<Unversioned>(PlainLayer, pairs(PLAIN_LAYER_OPS).into_iter().map(due)).await;
    explore::<Versioned>(PlainLayer, pairs(&MAIN_OPS).into_iter().map(due)).await;
}

#[tokio::test]
async fn a_session_that_expires_during_two_concurrent_operations_stays_expired() {
    if !is_full() {
        explore::<Versioned>(StoreLayer, pairs(&MAIN_OPS).into_iter().map(expiring)).await;
        return;
    }
    let programs = |ops| pairs(ops).into_iter().map(expiring_anytime);
    explore::<Versioned>(StoreLayer, programs(&EVERY_OP)).await;
    explore::<Unversioned>(PlainLayer, programs(PLAIN_LAYER_OPS)).await;
}

#[tokio::test]
async fn three_concurrent_operations_lose_no_change_and_bring_nothing_back() {
    if is_full() {
        explore::<Versioned>(StoreLayer, triples(&EVERY_OP).into_iter().map(fresh)).await;
        return;
    }
    let programs = [
        [Insert("a"), Insert("b"), Insert("c")],
        [Insert("a"), Insert("b"), Logout],
        [Insert("a"), Clear("c"), Relogin("f")],
        [Insert("a"), TooLarge, LogoutUnread],
        [Insert("a"), Cycle, Revoke],
        [Insert("a"), CycleAndInsert("e"), CycleAndInsert("e")],
        [Insert("a"), CycleAndInsert("e"), DeleteAndInsert("h")],
        [Read, Cycle, Logout],
        [Read, Touch, Logout],
        [Insert("a"), SetEnd, Touch],
    ];
    let programs = programs.map(|ops| fresh(ops.to_vec()));
    explore::<Versioned>(StoreLayer, programs).await;
}

#[tokio::test]
#[should_panic = "a save applies the changes of the request to the right data"]
async fn a_lost_change_is_noticed() {
    let mut fixture = Fixture::<Versioned>::new(PlainLayer).await;
    fixture.require_merging();
    let program = fresh(vec![Insert("a"), Insert("b")]);
    Explored::default().explore(&fixture, &program).await;
}
