#[automatically_derived]
impl ::session_store::SessionModel for Model {
    type Sid = String;
    type Sess = Vec<u8>;
    type Expire = chrono::DateTime<chrono::Utc>;
    fn columns() -> ::session_store::__private::Columns<Self> {
        ::session_store::__private::Columns {
            sid: Column::SessionId,
            sess: Column::Data,
            expire: Column::Ends,
            created_at: ::core::option::Option::Some(
                ::session_store::__private::Timestamp::of::<TimeDateTime>(Column::Born),
            ),
            last_seen: ::core::option::Option::Some(
                ::session_store::__private::Timestamp::of::<TimeDateTime>(Column::Seen),
            ),
            version: ::core::option::Option::Some(
                ::session_store::__private::Version::of::<i64>(Column::Saves),
            ),
        }
    }
    fn fill(
        record: &::session_store::Record<'_>,
        row: &mut ActiveModel,
    ) -> ::core::result::Result<(), ::session_store::Error> {
        row.r#type = ::session_store::__private::Extra {
            column: Column::Type,
            ty: "Option<String>",
        }
            .from_key::<Option<String>>(record, "type")?;
        row.visits = ::session_store::__private::Extra {
            column: Column::Visits,
            ty: "i32",
        }
            .from_key_or::<
                i32,
            >(record, "visits", || ::core::default::Default::default())?;
        row.agent = ::session_store::__private::Extra {
            column: Column::Agent,
            ty: "Option<HashMap<String, (i32, [u8; 4])>>",
        }
            .from_key::<Option<HashMap<String, (i32, [u8; 4])>>>(record, "user-agent")?;
        row.language = ::session_store::__private::Extra {
            column: Column::Language,
            ty: "String",
        }
            .from_key_or::<String>(record, "lang", || "en".to_owned())?;
        row.total = ::session_store::__private::Extra {
            column: Column::Total,
            ty: "Option<i64>",
        }
            .from_pointer::<Option<i64>>(record, "/cart/total")?;
        row.count = ::session_store::__private::Extra {
            column: Column::Count,
            ty: "i64",
        }
            .from_pointer_or::<i64>(record, "/cart/count", || 2 * FEW)?;
        let value: <Kind as Device>::Name = crate::device::<Kind>(record.data);
        row.device = ::session_store::__private::Set(value);
        ::core::result::Result::Ok(())
    }
    fn indexed() -> ::std::vec::Vec<Column> {
        ::std::vec![Column::Type, Column::Agent]
    }
}
#[automatically_derived]
impl ::session_store::CreatedAt for Model {}
/// The session store over this entity's table.
pub(crate) type Store = ::session_store::SeaOrmStore<Model>;
