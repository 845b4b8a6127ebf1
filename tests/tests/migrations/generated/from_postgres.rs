//! Generated from a table of PostgreSQL:
//!
//! ```sh
//! sea-orm-cli generate entity -t visits -s web --date-time-crate chrono \
//!   --model-extra-derives session_store::SessionModel \
//!   --enum-extra-derives serde::Deserialize \
//!   --enum-extra-attributes 'serde(rename_all="snake_case")'
//! ```
//!
//! What was changed after that says so.

pub const TABLE: &str = "
CREATE SCHEMA web;
CREATE TYPE web.device AS ENUM ('desktop', 'phone');
CREATE TABLE web.visits (
  session_id char(64) PRIMARY KEY,
  payload jsonb NOT NULL,
  expires_at timestamptz NOT NULL,
  device web.device,
  user_id bigint,
  started_at timestamptz NOT NULL
);
CREATE INDEX ON web.visits (expires_at);
";

pub mod visits {
    use super::sea_orm_active_enums::Device;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, session_store :: SessionModel)]
    #[sea_orm(schema_name = "web", table_name = "visits")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        #[session(sid)] // added
        pub session_id: String,
        #[sea_orm(column_type = "JsonBinary")]
        #[session(sess)] // added
        pub payload: Json,
        #[session(expire)] // added
        pub expires_at: DateTimeWithTimeZone,
        pub device: Option<Device>,
        pub user_id: Option<i64>,
        #[session(created_at)] // added
        pub started_at: DateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod sea_orm_active_enums {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, EnumIter, DeriveActiveEnum, serde :: Deserialize)]
    #[sea_orm(rs_type = "Enum", db_type = "Enum", enum_name = "device")]
    #[serde(rename_all = "snake_case")]
    pub enum Device {
        #[sea_orm(string_value = "desktop")]
        Desktop,
        #[sea_orm(string_value = "phone")]
        Phone,
    }
}
