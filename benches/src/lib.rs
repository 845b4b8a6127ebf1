//! Compares this repository's store with tower-sessions-sqlx-store and with the bare SQL statement.

pub mod database;
pub mod operation;
pub mod ours;
pub mod report;
pub mod rounds;
pub mod sqlx_store;
pub mod statement;
pub mod subject;
pub mod table;

/// The size of a session's data in bytes of JSON: a user, a token, a language and two cart items.
pub const SIZE: usize = 256;

/// The numbers of tasks that run an operation at once.
pub const TASKS: [u64; 2] = [1, 32];

/// The number of sessions in the table while one operation is measured.
pub const SESSIONS: u64 = 1_000;
