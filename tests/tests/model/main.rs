//! What two or three actors do to one session at once, in every order their statements can take.
//!
//! It is the store itself that runs, on SQLite in memory; `--nocapture` says how much was explored.
//! With `SESSION_STORE_MODEL=full` in the environment it is all that there is, which takes minutes.

mod actor;
mod explorer;
mod gate;
mod oracle;
mod table;
mod world;

use session_store::SessionModel;
use tests::kinds::json_and_offset::Model as Unversioned;

use actor::Op::{
    self, Clear, ClearUnread, Cycle, CycleAndInsert, Insert, InsertTwice, Logout, LogoutUnread,
    Prune, Read, Relogin, ReloginUnread, Remove, Revoke, TooLarge, Touch,
};
use explorer::{Explored, Program};
use gate::Moves;
use world::versioned::Model as Versioned;
use world::{Door, World};

const EVERY_OP: [Op; 16] = [
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
    Relogin("f"),
    ReloginUnread("g"),
];

/// Without what tower-sessions' own layer lets a store do nothing about.
const BARE_OPS: &[Op] = EVERY_OP.split_at(14).0;

/// Of each statement and change one.
const CHIEF_OPS: [Op; 7] = [Read, Insert("a"), Cycle, Logout, Touch, Prune, Revoke];

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

/// The session has just begun.
fn fresh(ops: Vec<Op>) -> Program {
    Program {
        ops,
        is_due: false,
        clock: Moves::Never,
    }
}

/// A load touches the session.
fn due(ops: Vec<Op>) -> Program {
    Program {
        ops,
        is_due: true,
        clock: Moves::Never,
    }
}

/// The session may end meanwhile.
fn ending(ops: Vec<Op>) -> Program {
    Program {
        ops,
        is_due: true,
        clock: Moves::BetweenReads,
    }
}

fn ending_anywhen(ops: Vec<Op>) -> Program {
    Program {
        ops,
        is_due: true,
        clock: Moves::Anywhen,
    }
}

fn is_full() -> bool {
    std::env::var_os("SESSION_STORE_MODEL").is_some_and(|set| set == "full")
}

async fn explore<M: SessionModel>(door: Door, programs: impl IntoIterator<Item = Program>) {
    let world = World::<M>::new(door).await;
    let mut explored = Explored::default();
    for program in programs {
        explored.explore(&world, &program).await;
    }
    println!("{door:?}, merging: {}: {explored:?}", world.is_merging());
    assert!(explored.interleavings > explored.programs);
}

#[tokio::test]
async fn of_any_two_at_once_no_change_is_lost_and_nothing_comes_back() {
    let programs = pairs(&EVERY_OP);
    let programs = programs
        .into_iter()
        .flat_map(|ops| [fresh(ops.clone()), due(ops)]);
    explore::<Versioned>(Door::Layer, programs).await;
}

#[tokio::test]
async fn without_a_version_of_any_two_at_once_nothing_comes_back() {
    explore::<Unversioned>(Door::Layer, pairs(&EVERY_OP).into_iter().map(due)).await;
}

#[tokio::test]
async fn behind_the_layer_of_tower_sessions_of_any_two_at_once_nothing_comes_back() {
    explore::<Unversioned>(Door::Bare, pairs(BARE_OPS).into_iter().map(due)).await;
    explore::<Versioned>(Door::Bare, pairs(&CHIEF_OPS).into_iter().map(due)).await;
}

#[tokio::test]
async fn a_session_that_ends_while_any_two_are_under_way_stays_ended() {
    if !is_full() {
        explore::<Versioned>(Door::Layer, pairs(&CHIEF_OPS).into_iter().map(ending)).await;
        return;
    }
    let programs = |ops| pairs(ops).into_iter().map(ending_anywhen);
    explore::<Versioned>(Door::Layer, programs(&EVERY_OP)).await;
    explore::<Unversioned>(Door::Bare, programs(BARE_OPS)).await;
}

#[tokio::test]
async fn of_three_at_once_no_change_is_lost_and_nothing_comes_back() {
    if is_full() {
        explore::<Versioned>(Door::Layer, triples(&EVERY_OP).into_iter().map(fresh)).await;
        return;
    }
    let programs = [
        [Insert("a"), Insert("b"), Insert("c")],
        [Insert("a"), Insert("b"), Logout],
        [Insert("a"), Clear("c"), Relogin("f")],
        [Insert("a"), TooLarge, LogoutUnread],
        [Insert("a"), Cycle, Revoke],
        [Read, Cycle, Logout],
        [Read, Touch, Logout],
    ];
    let programs = programs.map(|ops| fresh(ops.to_vec()));
    explore::<Versioned>(Door::Layer, programs).await;
}

#[tokio::test]
#[should_panic = "a save is the request's changes over what it should keep"]
async fn a_lost_change_is_noticed() {
    let mut world = World::<Versioned>::new(Door::Bare).await;
    world.pretend_to_merge();
    let program = fresh(vec![Insert("a"), Insert("b")]);
    Explored::default().explore(&world, &program).await;
}
