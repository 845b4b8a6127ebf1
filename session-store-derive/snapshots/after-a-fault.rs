::core::compile_error! {
    "this session model lacks `expire`; add\n\n    pub expire: TimeDateTimeWithTimeZone,\n\nor write `#[session(expire)]` on what holds it under another name"
}
#[automatically_derived]
impl ::session_store::SessionModel for Model {
    type Sid = String;
    type Sess = Json;
    type Expire = <::session_store::express_session::Model as ::session_store::SessionModel>::Expire;
    fn columns() -> ::session_store::__private::Columns<Self> {
        let _: ::session_store::__private::Version<Self> = ::session_store::__private::Version::of::<
            i64,
        >(Column::Version);
        ::core::unreachable!()
    }
    fn fill(
        record: &::session_store::Record<'_>,
        row: &mut ActiveModel,
    ) -> ::core::result::Result<(), ::session_store::Error> {
        row.user_id = ::session_store::__private::Extra {
            column: Column::UserId,
            ty: "Option<i32>",
        }
            .from_key::<Option<i32>>(record, "user_id")?;
        ::core::result::Result::Ok(())
    }
}
#[automatically_derived]
impl ::session_store::CreatedAt for Model {}
/// The session store over this entity's table.
pub type Store = ::session_store::SeaOrmStore<Model>;
