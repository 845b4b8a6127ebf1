const _: () = ::session_store::__private::require_entity::<Model>();
#[automatically_derived]
impl ::session_store::SessionModel for Model
where
    Column: ::core::marker::Copy,
{
    type Sid = String;
    type Sess = Json;
    fn columns() -> ::session_store::__private::Columns<Column> {
        ::session_store::__private::require_sid_key(
            <::session_store::__private::PrimaryKey<Column>>::Sid,
        );
        ::session_store::__private::Columns::new::<
            TimeDateTimeWithTimeZone,
        >(<Column>::Sid, <Column>::Sess, <Column>::Expire)
    }
    fn fill(
        _: &::session_store::SessionRef<'_>,
        _: &mut ::session_store::ActiveModel<Self>,
    ) -> ::core::result::Result<(), ::session_store::Error> {
        ::core::result::Result::Ok(())
    }
}
/// The session store over this entity's table.
pub type Store = ::session_store::SeaOrmStore<Model>;
