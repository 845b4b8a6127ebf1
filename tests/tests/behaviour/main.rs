//! The behaviour of the store and its layer, on every database.

mod absolute_timeout;
mod caching;
mod columns;
mod connect;
mod created_at;
mod custom_columns;
mod database_failures;
mod ended_sessions;
mod extras;
mod guarantees;
mod health;
mod http;
mod idle_timeout;
mod last_seen;
mod layer;
mod listing_and_revoking;
mod operations;
mod prune;
mod prune_task;
mod races;
mod recipes;
mod schema;
mod sid;
mod timestamps;
mod tower_sessions_0_14;
mod with_extras;
