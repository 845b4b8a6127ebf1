//! What `session-store/docs/migrations.md` says, on every database.

mod column;
mod generated;
mod migration;
mod sqlx_store;
mod sync;
mod table;
