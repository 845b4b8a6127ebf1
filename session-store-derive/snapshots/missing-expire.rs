::core::compile_error! {
    "missing column `expire`: add\n\n    pub expire: TimeDateTimeWithTimeZone,\n\nor add `#[session(expire)]` to the field that holds it"
}
const _: () = ::session_store::__private::require_entity::<Model>();
#[automatically_derived]
impl ::session_store::SessionModel for Model
where
    Column: ::core::marker::Copy,
{
    type Sid = String;
    type Sess = Json;
    fn columns() -> ::session_store::__private::Columns<Column> {
        let _: ::session_store::__private::Version<Column> = ::session_store::__private::Version::of::<
            i64,
        >(<Column>::Version);
        ::core::unreachable!()
    }
    fn fill(
        session: &::session_store::SessionRef<'_>,
        row: &mut ::session_store::ActiveModel<Self>,
    ) -> ::core::result::Result<(), ::session_store::Error> {
        row.user_id = ::session_store::__private::Extra {
            column: <Column>::UserId,
            ty: "Option<i32>",
            source: ::session_store::__private::Source::Key("user_id"),
        }
            .read::<Option<i32>>(session, ::core::option::Option::None)?;
        ::core::result::Result::Ok(())
    }
}
#[automatically_derived]
impl ::session_store::CreatedAt for Model
where
    Column: ::core::marker::Copy,
{}
#[automatically_derived]
impl ::session_store::Versioned for Model
where
    Column: ::core::marker::Copy,
{}
/// The session store over this entity's table.
pub type Store = ::session_store::SeaOrmStore<Model>;
