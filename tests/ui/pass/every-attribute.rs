use sea_orm::entity::prelude::*;
use session_store::{Data, SessionModel};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    #[session(sid)]
    pub id: String,
    #[session(sess)]
    pub data: Vec<u8>,
    #[session(expire)]
    pub ends: ChronoDateTimeUtc,
    #[session(created_at, index)]
    pub born: TimeDateTime,
    #[session(last_seen)]
    pub seen: Option<ChronoDateTime>,
    #[session(version)]
    pub saves: i32,
    #[session(index)]
    pub user_id: Option<i32>,
    #[session(default)]
    pub visits: i32,
    #[session(default = "guest".to_owned())]
    pub role: String,
    #[session(key = "user-agent")]
    pub agent: Option<String>,
    #[session(key = "lang", default = String::from("en"))]
    pub language: String,
    #[session(pointer = "/cart/total~1sum")]
    pub total: Option<i64>,
    #[session(pointer = "/cart/items/0", default)]
    pub first: String,
    #[session(pointer = "/cart/count")]
    #[session(default = 2 * FEW)]
    pub count: i64,
    #[session(with = keys)]
    pub keys: i64,
    #[session(with = self::holds::<u8>)]
    pub empty: Option<bool>,
    #[session(header = "user-agent", index)]
    pub header: Option<String>,
    #[session(request = self::length::<2>)]
    pub length: i32,
    #[session(skip)]
    pub note: Option<String>,
    // Named like the required columns, but ordinary columns.
    #[session(key = "sess")]
    pub sess: Option<Json>,
    #[session(skip)]
    pub expire: Option<TimeDate>,
    pub version: Option<String>,
    #[session(key = "created_at")]
    pub created_at: Option<String>,
}

const FEW: i64 = 3;

fn length<const N: i32>(request: &axum::http::request::Parts) -> i32 {
    N * request.headers.len() as i32
}

fn keys(data: &Data) -> i64 {
    data.len().try_into().unwrap_or(i64::MAX)
}

fn holds<T>(data: &Data) -> Option<bool> {
    Some(data.len() < size_of::<T>())
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

fn main() {
    assert!(matches!(
        Model::indexed()[..],
        [Column::Born, Column::UserId, Column::Header]
    ));
    let columns = Model::columns();
    assert!(matches!(columns.sid, Column::Id));
    assert!(matches!(columns.sess, Column::Data));
    assert!(matches!(columns.expire.column, Column::Ends));
    assert!(matches!(
        columns.created_at.map(|at| at.column),
        Some(Column::Born)
    ));
    assert!(matches!(
        columns.last_seen.map(|at| at.column),
        Some(Column::Seen)
    ));
    assert!(matches!(
        columns.version.map(|version| version.column),
        Some(Column::Saves)
    ));
}
