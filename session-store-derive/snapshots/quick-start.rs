#[automatically_derived]
impl ::session_store::SessionModel for Model {
    type Sid = String;
    type Sess = Json;
    fn columns() -> ::session_store::__private::Columns<Column> {
        ::session_store::__private::Columns {
            sid: Column::Sid,
            sess: Column::Sess,
            expire: ::session_store::__private::Timestamp::of::<
                TimeDateTimeWithTimeZone,
            >(Column::Expire),
            created_at: ::core::option::Option::None,
            last_seen: ::core::option::Option::None,
            version: ::core::option::Option::None,
        }
    }
    fn fill(
        session: &::session_store::SessionRef<'_>,
        row: &mut ActiveModel,
    ) -> ::core::result::Result<(), ::session_store::Error> {
        row.user_id = ::session_store::__private::Extra {
            column: Column::UserId,
            ty: "Option<i32>",
            source: ::session_store::__private::Source::Key("user_id"),
        }
            .read::<Option<i32>>(session, ::core::option::Option::None)?;
        row.user_agent = ::session_store::__private::Extra {
            column: Column::UserAgent,
            ty: "Option<String>",
            source: ::session_store::__private::Source::Key("user_agent"),
        }
            .read::<Option<String>>(session, ::core::option::Option::None)?;
        ::core::result::Result::Ok(())
    }
}
/// The session store over this entity's table.
pub type Store = ::session_store::SeaOrmStore<Model>;
