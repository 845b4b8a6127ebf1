//! What is measured: this repository's store, tower-sessions-sqlx-store, and the floor, which is the
//! bare prepared statement through sqlx on the same pool.

pub mod database;
pub mod floor;
pub mod operation;
pub mod ours;
pub mod peer;
pub mod report;
pub mod subject;

/// The size of a session's data in bytes of JSON: a user, a token, a language, two things in a cart.
pub const SIZE: usize = 256;

/// So many tasks at once.
pub const TASKS: [u64; 2] = [1, 32];

/// Sessions that are in the table while one operation is measured.
pub const SESSIONS: u64 = 1_000;
