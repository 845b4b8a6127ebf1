macro_rules! session {
    (
        $module:ident, $primary_key:meta, $variant:literal,
        $literal:literal, $string:expr, $pointer:expr, $pointer_literal:literal,
        $path:path, $function:expr, $attribute:meta
    ) => {
        mod $module {
            use sea_orm::entity::prelude::*;
            use session_store::SessionModel;

            #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
            #[sea_orm(table_name = "session")]
            pub struct Model {
                #[sea_orm($primary_key, auto_increment = false, enum_name = $variant)]
                pub sid: String,
                pub sess: Json,
                pub expire: TimeDateTimeWithTimeZone,
                #[session(key = $literal)]
                pub literal: Option<i32>,
                #[session(key = $string, index)]
                pub string: Option<i32>,
                #[session(pointer = $pointer)]
                pub pointer: Option<i32>,
                #[session(pointer = $pointer_literal, default)]
                pub pointer_literal: i32,
                #[session(with = $path)]
                pub path: i32,
                #[session(with = $function)]
                pub function: i32,
                #[session($attribute, index)]
                pub attribute: Option<i32>,
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}
            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

// One macro hands its values to another, so each is in two groups.
macro_rules! outer {
    ($module:ident, $key:expr, $pointer:expr, $path:path, $meta:meta) => {
        session!($module, primary_key, "Id", "a", $key, $pointer, "/b", $path, $path, $meta);
    };
}

session!(
    direct, primary_key, "Id", "a", "b", "/a/b", "/b", crate::answer, crate::generic::<u8>, key = "c"
);
outer!(nested, "b", "/a/b", crate::answer, key = "c");

fn answer(_: &session_store::Data) -> i32 {
    42
}

fn generic<T>(_: &session_store::Data) -> i32 {
    size_of::<T>() as i32
}

fn main() {
    use session_store::SessionModel;
    let _ = (direct::Store::new, nested::Store::new);
    assert!(matches!(direct::Model::columns().sid, direct::Column::Id));
}
