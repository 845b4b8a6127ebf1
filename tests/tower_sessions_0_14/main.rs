//! The tests of the layer, with the `Session` of tower-sessions 0.14.

extern crate tests_0_14 as tests;

#[path = "../tests/behaviour/absolute_timeout.rs"]
mod absolute_timeout;
#[path = "../tests/behaviour/authentication.rs"]
mod authentication;
#[path = "../tests/behaviour/bearer.rs"]
mod bearer;
#[path = "../tests/behaviour/cookie.rs"]
mod cookie;
#[path = "../tests/behaviour/created_at.rs"]
mod created_at;
#[path = "../tests/behaviour/cycle_id.rs"]
mod cycle_id;
#[path = "../tests/behaviour/database_failures.rs"]
mod database_failures;
#[path = "../tests/behaviour/ended_sessions.rs"]
mod ended_sessions;
#[path = "../tests/behaviour/events.rs"]
mod events;
#[path = "../tests/behaviour/expiry.rs"]
mod expiry;
#[path = "../tests/behaviour/http.rs"]
mod http;
#[path = "../tests/behaviour/idle_timeout.rs"]
mod idle_timeout;
#[path = "../tests/behaviour/last_seen.rs"]
mod last_seen;
#[path = "../tests/behaviour/layer.rs"]
mod layer;
#[path = "../tests/behaviour/limit.rs"]
mod limit;
#[path = "../tests/behaviour/on_error.rs"]
mod on_error;
#[path = "../tests/behaviour/races.rs"]
mod races;
#[path = "../tests/behaviour/request_columns.rs"]
mod request_columns;
#[path = "../tests/behaviour/sid.rs"]
mod sid;
#[path = "../tests/behaviour/typed.rs"]
mod typed;

#[path = "../tests/model/main.rs"]
mod model;
#[path = "../tests/random_handlers/main.rs"]
mod random_handlers;
