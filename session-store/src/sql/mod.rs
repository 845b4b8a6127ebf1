//! SQL on every database: templates of statements, timestamps, sending, retrying, clusters and standbys.

mod database_error;
mod executor;
mod retry;
mod server;
mod standby;
mod statement;
mod timestamp;

pub(crate) use executor::Executor;
pub(crate) use statement::{
    BoundStatement, DeleteReturning, Parameter, Parameters, Template, ToStatement,
};
pub(crate) use timestamp::{TimestampExpr, is_encodable, is_unreadable, utc};
