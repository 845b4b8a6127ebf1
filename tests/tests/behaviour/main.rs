//! What the store promises, on every database.

mod absolute_timeout;
mod caching;
mod columns;
mod connect;
mod extras;
mod faults;
mod guarantees;
mod health;
mod http;
mod idle_timeout;
mod layer;
mod listing_and_revoking;
mod operations;
mod prune;
mod races;
mod recipes;
mod schema;
mod sid;
mod tower_sessions_0_14;
