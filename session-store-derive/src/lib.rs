//! The derive macro of `session-store`. Use it through that crate.

mod ast;
mod attr;
mod column;
mod error;
mod expand;
mod fallback;
mod krate;
mod missing;
#[cfg(test)]
mod proptests;
mod shape;
#[cfg(test)]
mod snapshots;
mod suggest;
mod valid;
mod value;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, Ident, parse_macro_input};

use crate::ast::Field;
use crate::error::Errors;

/// Derives `session_store::SessionModel` for the `Model` of a SeaORM entity.
///
/// Add it to the derive list, next to `DeriveEntityModel`. It also adds
/// `pub type Store = session_store::SeaOrmStore<Model>` to the module, with the visibility of the
/// struct. It reads the attributes `#[session(…)]` and `#[sea_orm(…)]`.
///
/// It works with all of SeaORM's entity formats: also with `#[sea_orm::model]`, and in the expanded
/// format next to `DeriveModel` and `DeriveActiveModel`.
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
/// # Required columns
///
/// | field | attribute for another name | type | the column holds |
/// |---|---|---|---|
/// | `sid` | `#[session(sid)]` | `String` | the primary key, which identifies the session |
/// | `sess` | `#[session(sess)]` | `Json`, `String` (JSON text) or `Vec<u8>` (MessagePack) | the session's data |
/// | `expire` | `#[session(expire)]` | a timestamp of `time` or, with the feature `chrono`, of chrono | when the session expires |
///
/// `sid` must be the only primary key, without auto-increment. A timestamp without a time zone holds
/// UTC. None of the types can be an `Option`. For a custom type, implement
/// `session_store::SidColumn`, `SessColumn` or `TimestampColumn`.
///
/// # Other columns
///
/// Every create and save also fills the other columns. Without an attribute, a column takes the value
/// of the session key that has the field's name: after `session.insert("user_id", 7)`, the column
/// `user_id` holds 7. A field named `created_at`, `last_seen`, `authenticated_at`, `idle_timeout` or
/// (if it is an integer) `version` needs an attribute, because the store could be meant to fill it.
///
/// A field can have one of these attributes:
///
/// | attribute | the column holds |
/// |---|---|
/// | none | the value of the session key with the field's name |
/// | `#[session(key = "user-agent")]` | the value of the session key `user-agent` |
/// | `#[session(pointer = "/cart/total")]` | the value at a JSON pointer ([RFC 6901]) into the session's data |
/// | `#[session(with = path)]` | the value that the function `path` returns: `fn(&session_store::Data) -> T`, where `T` is the field's type |
/// | `#[session(header = "user-agent")]` | that header of the request: an `Option<String>` |
/// | `#[session(request = path)]` | the value that the function `path` returns: `fn(&http::request::Parts) -> T`, where `T` is the field's type |
/// | `#[session(created_at)]` | when the session was created: a timestamp or an `Option` of one |
/// | `#[session(last_seen)]` | when the session was last created, saved or touched: a timestamp or an `Option` of one |
/// | `#[session(version)]` | the number of saves: an `i64` or `i32`. With it, `store.layer()` merges the changes of concurrent requests |
/// | `#[session(authenticated_at)]` | when the visitor was last authenticated, with `store.set_authenticated`: an `Option` of a timestamp |
/// | `#[session(idle_timeout)]` | the session's own idle timeout in seconds, if the handler has set one with `Session::set_expiry`: an `Option` of an `i64` or `i32` |
/// | `#[session(skip)]` | a value that the database or `store.with_extras(…)` sets |
///
/// The session can lack a key, or the value at a pointer. The column then gets the field's default.
/// Without a default it becomes NULL. A column that cannot be NULL makes the save fail with
/// `session_store::Error::InvalidColumnValue`.
///
/// | attribute | the default |
/// |---|---|
/// | `#[session(default)]` | `Default::default()` |
/// | `#[session(default = expression)]` | an expression of the field's type |
///
/// # Columns from the request
///
/// `header` and `request` are filled under `store.layer()`, whenever the session is created, saved or
/// touched. A plain `SessionManagerLayer` does not know the request, and leaves such a column alone. A
/// header's value is cut after as many characters as the column holds (`StringLen::N`), or after 255. The guide has [all rules][request columns]: what a client sends is
/// personal data.
///
/// # Indexes
///
/// `#[session(index)]` adds an index on the column to `store.indexes()` and `create_table()`. Use it
/// for columns by which you find sessions, alone or with the attributes above:
/// `#[session(key = "user", index)]`. `sid`, `sess` and `expire` cannot have it.
///
/// # A renamed dependency
///
/// The generated code starts its paths with `::session_store`. If `Cargo.toml` gives the dependency
/// another name, or if another crate re-exports it, add to the struct:
///
/// | attribute | the generated code uses |
/// |---|---|
/// | `#[session(crate = path)]` | `path` instead of `::session_store` |
///
/// # Fields that are not columns
///
/// The derive ignores fields with `#[sea_orm(ignore)]` and relations (`HasOne`, `HasMany`,
/// `BelongsTo`).
///
/// # Example
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
/// The derive reports all mistakes in one compilation, each at the token that causes it.
///
/// [request columns]: https://docs.rs/session-store/latest/session_store/guide/extra_columns/index.html#columns-from-the-request
/// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
// `sea_orm` is declared for a struct without `DeriveEntityModel`: the compiler would report each of
// its attributes as unknown, and hide the one error that helps.
#[proc_macro_derive(SessionModel, attributes(session, sea_orm))]
pub fn derive_session_model(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive(&input).into()
}

fn derive(input: &DeriveInput) -> proc_macro2::TokenStream {
    if is_second_struct(&input.ident) {
        return proc_macro2::TokenStream::new();
    }
    let mut errors = Errors::default();
    let fields: Vec<_> = match &input.data {
        Data::Struct(data) => data
            .fields
            .iter()
            .filter_map(|field| Field::new(field, &mut errors))
            .collect(),
        Data::Enum(_) | Data::Union(_) => Vec::new(),
    };
    match valid::check(input, &fields, errors) {
        Ok(model) => expand::derive(input, &model),
        Err(invalid) => fallback::derive(input, &invalid),
    }
}

/// Returns whether `#[sea_orm::model]` has made this struct. It copies the derive list and the attributes
/// of `Model` to a second struct `ModelEx`, whose name it gives the span of `Model`.
fn is_second_struct(name: &Ident) -> bool {
    name == "ModelEx" && name.span().source_text().as_deref() != Some("ModelEx")
}
