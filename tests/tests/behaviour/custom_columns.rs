//! Entities with custom names, types and casts of columns.

use sea_orm::{DatabaseConnection, FromJsonQueryResult};
use serde_json::json;
use tests::{entity, new_session, on_every_database, store};
use time::Duration;
use tower_sessions::SessionStore;

on_every_database!(
    renamed_columns_and_casts_of_the_entity_are_used,
    a_list_in_a_json_column_is_written_as_json,
    a_save_as_expression_may_bind_values,
);

mod cast {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "Cast Session", rename_all = "SCREAMING_SNAKE_CASE")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_name = "key")]
        pub sid: String,
        #[sea_orm(enum_name = "Payload")]
        pub sess: Json,
        pub expire: TimeDateTime,
        #[sea_orm(column_type = "Char(Some(4))", save_as = "char(4)")]
        pub r#type: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn renamed_columns_and_casts_of_the_entity_are_used(db: DatabaseConnection) {
    let (store, clock) = store::<cast::Model>(db).await;
    let session = new_session(&store, clock.now(), [("type", json!("abcd"))]).await;
    store.save(&session).await.unwrap();
    assert_eq!(
        store.load(&session.id).await.unwrap(),
        Some(session.clone())
    );
    let row = store.find(&session.id).await.unwrap().unwrap();
    assert_eq!(row.r#type.as_deref(), Some("abcd"));
    assert_eq!(store.prune().await.unwrap(), 0);
    clock.advance(Duration::days(1));
    assert_eq!(store.prune().await.unwrap(), 1);
}

#[derive(
    Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, FromJsonQueryResult,
)]
pub struct Tag {
    pub name: String,
}

entity!(list in "list_session" {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[sea_orm(column_type = "JsonBinary")]
    pub tags: Vec<Tag>,
});

async fn a_list_in_a_json_column_is_written_as_json(db: DatabaseConnection) {
    let (store, clock) = store::<list::Model>(db).await;
    let mut session = new_session(&store, clock.now(), [("tags", json!([{"name": "a"}]))]).await;
    for names in [vec!["b", "c"], vec![]] {
        let tags: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        session.data.insert("tags".to_owned(), tags.into());
        store.save(&session).await.unwrap();
        let row = store.find(&session.id).await.unwrap().unwrap();
        let saved: Vec<_> = row.tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(saved, names);
    }
}

/// An entity in the expanded format, with a column whose `save_as` expression binds values.
mod saved_as {
    use sea_orm::entity::prelude::*;
    use sea_orm::sea_query::{Expr, ExprTrait};
    use session_store::SessionModel;

    #[derive(Copy, Clone, Default, Debug, DeriveEntity)]
    pub struct Entity;

    impl EntityName for Entity {
        fn table_name(&self) -> &'static str {
            "saved_as"
        }
    }

    #[derive(Clone, Debug, PartialEq, DeriveModel, DeriveActiveModel, SessionModel)]
    pub struct Model {
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        pub points: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveColumn)]
    pub enum Column {
        Sid,
        Sess,
        Expire,
        Points,
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

    impl ColumnTrait for Column {
        type EntityName = Entity;

        fn def(&self) -> ColumnDef {
            match self {
                Self::Sid => ColumnType::String(StringLen::N(64)).def(),
                Self::Sess => ColumnType::Json.def(),
                Self::Expire => ColumnType::TimestampWithTimeZone.def(),
                Self::Points => ColumnType::Integer.def(),
            }
        }

        fn save_as(&self, value: Expr) -> Expr {
            match self {
                // SeaORM binds these as small unsigned integers.
                Self::Points => value.cast_as("integer").add(1_u16).mul(2_u16),
                _ => value,
            }
        }
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

async fn a_save_as_expression_may_bind_values(db: DatabaseConnection) {
    let (store, clock) = store::<saved_as::Model>(db).await;
    let mut session = new_session(&store, clock.now(), [("points", json!(20))]).await;
    for points in [20, 30] {
        session.data.insert("points".to_owned(), json!(points));
        store.save(&session).await.unwrap();
        let row = store.find(&session.id).await.unwrap().unwrap();
        assert_eq!(row.points, (points + 1) * 2);
    }
}
