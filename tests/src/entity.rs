//! A macro for session entities.

/// Defines a module with a session entity that has a `sid`, the given fields and no relations.
///
/// The table is named `session`, unless a name is given: `entity!(device in "device_session" { … })`.
#[macro_export]
macro_rules! entity {
    ($(#[$meta:meta])* $name:ident { $($fields:tt)* }) => {
        $crate::entity!($(#[$meta])* $name in "session" { $($fields)* });
    };
    ($(#[$meta:meta])* $name:ident in $table:literal { $($fields:tt)* }) => {
        $(#[$meta])*
        pub mod $name {
            #[allow(unused_imports)]
            use super::*;
            use sea_orm::entity::prelude::*;
            use session_store::SessionModel;

            #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub sid: String,
                $($fields)*
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}
