//! Generated from a table of SQLite:
//!
//! ```sh
//! sea-orm-cli generate entity -t visits --date-time-crate chrono \
//!   --model-extra-derives session_store::SessionModel
//! ```
//!
//! What was changed after that says so.

pub const TABLE: &str = "
CREATE TABLE visits (
  session_id text PRIMARY KEY NOT NULL,
  payload blob NOT NULL,
  expires_at timestamp_with_timezone_text NOT NULL,
  user_id bigint,
  started_at timestamp_with_timezone_text NOT NULL
);
CREATE INDEX visits_expires_at ON visits (expires_at);
";

pub mod visits {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, session_store :: SessionModel)]
    #[sea_orm(table_name = "visits")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        #[session(sid)] // added
        pub session_id: String,
        #[sea_orm(column_type = "Blob")]
        #[session(sess)] // added
        pub payload: Vec<u8>,
        #[session(expire)] // added
        pub expires_at: DateTimeWithTimeZone,
        pub user_id: Option<i64>,
        #[session(created_at)] // added
        pub started_at: DateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
