use sea_orm::entity::prelude::*;
use session_store::{Data, SessColumn, SessionModel, SessionRef, SidColumn, TimestampColumn};
use time::OffsetDateTime;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
pub struct SessionId(String);

impl sea_orm::TryFromU64 for SessionId {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("SessionId"))
    }
}

impl SidColumn for SessionId {
    fn from_sid(sid: String) -> Self {
        Self(sid)
    }
}

#[derive(Clone, Debug, PartialEq, DeriveValueType)]
pub struct Sealed(Vec<u8>);

impl SessColumn for Sealed {
    fn encode(session: &SessionRef<'_>) -> Result<sea_orm::Value, BoxError> {
        Ok(serde_json::to_vec(session.data)?.into())
    }

    fn decode(self) -> Result<Data, BoxError> {
        Ok(serde_json::from_slice(&self.0)?)
    }
}

#[derive(Clone, Debug, PartialEq, DeriveValueType)]
pub struct Seconds(i64);

impl TimestampColumn for Seconds {
    fn from_utc(timestamp: OffsetDateTime) -> Self {
        Self(timestamp.unix_timestamp())
    }

    fn to_utc(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sid: SessionId,
    pub sess: Sealed,
    pub expire: Seconds,
    #[session(created_at)]
    pub born: Option<Seconds>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}
fn main() {}
