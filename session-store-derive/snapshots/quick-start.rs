const _: () = ::session_store::__private::require_entity::<Model>();
#[automatically_derived]
impl ::session_store::SessionModel for Model
where
    Column: ::core::marker::Copy,
{
    type Sid = String;
    type Sess = Json;
    fn columns() -> ::session_store::__private::Columns<Column> {
        ::session_store::__private::Columns::new::<
            TimeDateTimeWithTimeZone,
        >(<Column>::Sid, <Column>::Sess, <Column>::Expire)
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
        row.user_agent = ::session_store::__private::Extra {
            column: <Column>::UserAgent,
            ty: "Option<String>",
            source: ::session_store::__private::Source::Key("user_agent"),
        }
            .read::<Option<String>>(session, ::core::option::Option::None)?;
        ::core::result::Result::Ok(())
    }
}
/// The session store over this entity's table.
pub type Store = ::session_store::SeaOrmStore<Model>;
