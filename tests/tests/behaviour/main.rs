//! What the store promises, on every database.

mod absolute;
mod caching;
mod columns;
mod connect;
mod directory;
mod extras;
mod faults;
mod guarantees;
mod health;
mod http;
mod layer;
mod life;
mod prune;
mod races;
mod recipes;
mod session;
mod sid;
mod table;
mod tower_0_14;
