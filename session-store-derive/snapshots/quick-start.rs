#[automatically_derived]
impl ::session_store::SessionModel for Model {
    type Sid = String;
    type Sess = Json;
    type Expire = TimeDateTimeWithTimeZone;
    fn columns() -> ::session_store::__private::Columns<Self> {
        ::session_store::__private::Columns {
            sid: Column::Sid,
            sess: Column::Sess,
            expire: Column::Expire,
            created_at: ::core::option::Option::None,
            last_seen: ::core::option::Option::None,
            version: ::core::option::Option::None,
        }
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
        row.user_agent = ::session_store::__private::Extra {
            column: Column::UserAgent,
            ty: "Option<String>",
        }
            .from_key::<Option<String>>(record, "user_agent")?;
        ::core::result::Result::Ok(())
    }
}
/// The session store over this entity's table.
pub type Store = ::session_store::SeaOrmStore<Model>;
