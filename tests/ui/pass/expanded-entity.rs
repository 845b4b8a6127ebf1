// As `sea-orm-cli generate entity --expanded-format` writes it, with `SessionModel` added.
mod generated {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Copy, Clone, Default, Debug, DeriveEntity)]
    pub struct Entity;

    impl EntityName for Entity {
        fn table_name(&self) -> &'static str {
            "session"
        }
    }

    #[derive(Clone, Debug, PartialEq, DeriveModel, DeriveActiveModel, Eq, SessionModel)]
    pub struct Model {
        pub sid: String,
        pub sess: String,
        pub expire: TimeDateTimeWithTimeZone,
        pub user_id: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveColumn)]
    pub enum Column {
        Sid,
        Sess,
        Expire,
        UserId,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DerivePrimaryKey)]
    pub enum PrimaryKey {
        Sid,
    }

    impl PrimaryKeyTrait for PrimaryKey {
        type ValueType = String;

        fn auto_increment() -> bool {
            false
        }
    }

    #[derive(Copy, Clone, Debug, EnumIter)]
    pub enum Relation {}

    impl ColumnTrait for Column {
        type EntityName = Entity;

        fn def(&self) -> ColumnDef {
            match self {
                Self::Sid => ColumnType::String(StringLen::N(64u32)).def(),
                Self::Sess => ColumnType::Text.def(),
                Self::Expire => ColumnType::TimestampWithTimeZone.def(),
                Self::UserId => ColumnType::Integer.def().null(),
            }
        }
    }

    impl RelationTrait for Relation {
        fn def(&self) -> RelationDef {
            panic!("No RelationDef")
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod by_hand {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Copy, Clone, Default, Debug, DeriveEntity)]
    #[sea_orm(table_name = "session")]
    pub struct Entity;

    #[derive(Clone, Debug, PartialEq, DeriveModel, DeriveActiveModel, SessionModel)]
    pub struct Model {
        #[session(sid)]
        #[sea_orm(enum_name = "Key")]
        pub id: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveColumn)]
    pub enum Column {
        #[sea_orm(column_name = "id")]
        Key,
        Sess,
        Expire,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DerivePrimaryKey)]
    pub enum PrimaryKey {
        #[sea_orm(column_name = "id")]
        Key,
    }

    impl PrimaryKeyTrait for PrimaryKey {
        type ValueType = String;

        fn auto_increment() -> bool {
            false
        }
    }

    impl ColumnTrait for Column {
        type EntityName = Entity;

        fn def(&self) -> ColumnDef {
            match self {
                Self::Key => ColumnType::String(StringLen::N(64)).def(),
                Self::Sess => ColumnType::Json.def(),
                Self::Expire => ColumnType::TimestampWithTimeZone.def().indexed(),
            }
        }
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

fn main() {
    let _ = (generated::Store::new, by_hand::Store::new);
}
