//! The derive macro of `session-store`. Use it through that crate.

#[cfg(test)]
mod arbitrary;
mod ast;
mod attr;
mod column;
mod error;
mod expand;
mod fallback;
mod missing;
#[cfg(test)]
mod snapshot;
mod spelling;
mod valid;
mod value;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, parse_macro_input};

use crate::ast::Field;
use crate::error::Faults;

/// Makes a session store of a SeaORM entity.
///
/// Derived for an entity's `Model`, beside `DeriveEntityModel`, it implements
/// `session_store::SessionModel` and adds `pub type Store = session_store::SeaOrmStore<Model>` to
/// the module.
///
/// ```
/// mod session {
///     use sea_orm::entity::prelude::*;
///     use session_store::SessionModel;
///
///     #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
///     #[sea_orm(table_name = "session")]
///     pub struct Model {
///         #[sea_orm(primary_key, auto_increment = false)]
///         pub sid: String,
///         pub sess: Json,
///         pub expire: TimeDateTimeWithTimeZone,
///         pub user_id: Option<i32>,
///     }
///
///     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
///     pub enum Relation {}
///     impl ActiveModelBehavior for ActiveModel {}
/// }
///
/// fn store(db: sea_orm::DatabaseConnection) -> session::Store {
///     session::Store::new(db)
/// }
/// ```
///
/// The format of `#[sea_orm::model]` works just as well.
///
/// # The three columns
///
/// | field | type | |
/// |---|---|---|
/// | `sid` | `String` | the whole primary key |
/// | `sess` | `Json`, `String` (JSON text) or `Vec<u8>` (MessagePack) | the session's data |
/// | `expire` | a timestamp of `time` or, with the feature `chrono`, of chrono, with or without zone | when the session ends |
///
/// None of them is an `Option`. A type of your own can stand in their place: implement
/// `session_store::SidColumn`, `SessColumn` or `TimestampColumn` for it. Fields of other names take
/// the place with `#[session(sid)]`, `#[session(sess)]` and `#[session(expire)]`.
///
/// # The other columns
///
/// Every other column is filled from the session on each create and save. Without an attribute, its
/// source is the session key of its own name: after `session.insert("user_id", 7)` the column
/// `user_id` holds 7.
///
/// | attribute | the column holds |
/// |---|---|
/// | none | the session key of the field's name |
/// | `#[session(key = "user-agent")]` | the session key of that name |
/// | `#[session(pointer = "/cart/total")]` | what a JSON pointer ([RFC 6901]) leads to in the session's data |
/// | `#[session(with = path)]` | what a function, `fn(&session_store::Data) -> T`, makes of the data |
/// | `#[session(created_at)]` | when the session was created: a timestamp, or an `Option` of one |
/// | `#[session(last_seen)]` | when it was last created, saved or touched: a timestamp, or an `Option` of one |
/// | `#[session(version)]` | a count of the saves: an integer, by which `store.layer()` merges the changes of concurrent requests |
/// | `#[session(skip)]` | what the database, or an extras closure, puts there |
///
/// A column has one of these. A key or a pointer may lead to nothing. The column is then emptied if
/// it may be NULL, and given a default if the field has one; otherwise the save is refused.
///
/// | attribute | the default |
/// |---|---|
/// | `#[session(default)]` | `Default::default()` |
/// | `#[session(default = expression)]` | the expression, of the field's type |
///
/// `#[session(index)]`, with any of these or alone, gives the column an index in
/// `store.indexes()` and `create_table()`: for those that sessions are found by.
///
/// Fields with `#[sea_orm(ignore)]` and relations (`HasOne`, `HasMany`, `BelongsTo`) are no columns.
///
/// ```
/// # mod session {
/// use sea_orm::entity::prelude::*;
/// use session_store::{Data, SessionModel};
///
/// #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
/// #[sea_orm(table_name = "session")]
/// pub struct Model {
///     #[sea_orm(primary_key, auto_increment = false)]
///     #[session(sid)]
///     pub id: String,
///     #[session(sess)]
///     pub data: Json,
///     #[session(expire)]
///     pub expires_at: TimeDateTimeWithTimeZone,
///     #[session(created_at)]
///     pub created_at: TimeDateTimeWithTimeZone,
///     #[session(version)]
///     pub version: i64,
///     #[session(index)]
///     pub user_id: Option<i32>,
///     #[session(key = "user-agent")]
///     pub user_agent: Option<String>,
///     #[session(pointer = "/cart/total", default)]
///     pub cart_total: i64,
///     #[session(key = "lang", default = "en".to_owned())]
///     pub language: String,
///     #[session(with = is_guest)]
///     pub guest: bool,
///     #[session(skip)]
///     pub note: Option<String>,
/// }
///
/// fn is_guest(data: &Data) -> bool {
///     !data.contains_key("user_id")
/// }
/// #
/// # #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// # pub enum Relation {}
/// # impl ActiveModelBehavior for ActiveModel {}
/// # }
/// ```
///
/// # Errors
///
/// Every rule that a struct breaks is reported when it compiles, all of them at once, each at the
/// token that breaks it.
///
/// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
#[proc_macro_derive(SessionModel, attributes(session))]
pub fn derive_session_model(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive(&input).into()
}

fn derive(input: &DeriveInput) -> proc_macro2::TokenStream {
    // `#[sea_orm::model]` copies the derive list and the fields' attributes to a second struct of
    // this name; the first is the model.
    if input.ident == "ModelEx" {
        return proc_macro2::TokenStream::new();
    }
    let mut faults = Faults::default();
    let fields: Vec<_> = match &input.data {
        Data::Struct(data) => data
            .fields
            .iter()
            .filter_map(|field| Field::new(field, &mut faults))
            .collect(),
        Data::Enum(_) | Data::Union(_) => Vec::new(),
    };
    match valid::check(input, &fields, faults) {
        Ok(model) => expand::session_model(input, &model),
        Err(broken) => fallback::expand(input, &broken),
    }
}
