//! The table through its life: made by a migration, changed by another, synchronized, generated from,
//! and taken over from another store.

mod generated;
mod migrator;
mod sync;
mod takeover;
