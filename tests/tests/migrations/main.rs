//! The migrations of `session-store/docs/migrations.md`, on every database.

mod column;
mod generated;
mod migration;
mod sqlx_store;
mod sync;
mod table;
