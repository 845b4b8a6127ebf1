//! What the store promises, on every database.

mod columns;
mod directory;
mod extras;
mod faults;
mod http;
mod life;
mod prune;
mod session;
mod sid;
mod table;
