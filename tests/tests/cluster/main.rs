//! The store on clusters of databases whose nodes are killed, stopped and cut off.
//!
//! `tests/with-cluster` starts the servers; without it the tests pass without running. They share the servers, so
//! one runs at a time. `--nocapture` prints what happened to the load of each.

mod galera;
mod load;
mod pooler;
mod servers;
mod standby;
