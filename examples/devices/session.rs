//! What does a row of the session table hold?

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use sea_orm::entity::prelude::*;
use session_store::{SessionModel, client_address};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: String,
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    /// Filled from the session key `user_id`, which signing in sets. NULL for a visitor.
    #[session(index)]
    pub user_id: Option<i32>,
    #[session(header = "user-agent")]
    pub user_agent: Option<String>,
    #[session(request = address)]
    pub address: Option<String>,
    #[session(created_at)]
    pub created_at: TimeDateTimeWithTimeZone,
    #[session(last_seen)]
    pub last_seen: TimeDateTimeWithTimeZone,
    /// In seconds, if the user stays signed in here when the browser closes.
    #[session(idle_timeout)]
    pub idle_timeout: Option<i64>,
    #[session(version)]
    pub version: i32,
}

/// The client's address, also behind a proxy on this machine.
fn address(request: &Parts) -> Option<String> {
    let ConnectInfo(peer) = request.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let is_proxy = |address: IpAddr| address.is_loopback();
    Some(client_address(peer.ip(), &request.headers, is_proxy).to_string())
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "crate::user::Entity",
        from = "Column::UserId",
        to = "crate::user::Column::Id",
        on_delete = "Cascade"
    )]
    User,
}

impl Related<crate::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
