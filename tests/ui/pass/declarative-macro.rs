macro_rules! session {
    ($module:ident, $sess:ty, $expire:ty, $extra:ident: $kind:ty = $default:expr) => {
        mod $module {
            use sea_orm::entity::prelude::*;
            use session_store::SessionModel;

            #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
            #[sea_orm(table_name = "session")]
            pub struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub sid: String,
                pub sess: $sess,
                pub expire: $expire,
                #[session(last_seen)]
                pub seen: $expire,
                #[session(default = $default)]
                pub $extra: $kind,
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}
            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

session!(text, String, TimeDateTime, visits: i64 = 1);
session!(binary, Vec<u8>, ChronoDateTimeWithTimeZone, note: Option<String> = None);

fn main() {
    let _ = (text::Store::new, binary::Store::new);
}
