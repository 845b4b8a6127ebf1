const _: () = ::session_store::__private::require_entity::<Model>();
#[automatically_derived]
impl ::session_store::SessionModel for Model
where
    Column: ::core::marker::Copy,
{
    type Sid = String;
    type Sess = Vec<u8>;
    fn columns() -> ::session_store::__private::Columns<Column> {
        ::session_store::__private::Columns {
            created_at: ::core::option::Option::Some(
                ::session_store::__private::Timestamp::of::<TimeDateTime>(<Column>::Born),
            ),
            last_seen: ::core::option::Option::Some(
                ::session_store::__private::Timestamp::of::<TimeDateTime>(<Column>::Seen),
            ),
            version: ::core::option::Option::Some(
                ::session_store::__private::Version::of::<i64>(<Column>::Saves),
            ),
            ..::session_store::__private::Columns::new::<
                chrono::DateTime<chrono::Utc>,
            >(<Column>::SessionId, <Column>::Data, <Column>::Ends)
        }
    }
    fn fill(
        session: &::session_store::SessionRef<'_>,
        row: &mut ::session_store::ActiveModel<Self>,
    ) -> ::core::result::Result<(), ::session_store::Error> {
        row.signed_in = ::session_store::__private::Set(
            ::session_store::__private::authenticated_at::<TimeDateTime>(session),
        );
        row.idle_seconds = ::session_store::__private::Set(
            ::session_store::__private::idle_timeout::<i32>(session),
        );
        row.r#type = ::session_store::__private::Extra {
            column: <Column>::Type,
            ty: "Option<String>",
            source: ::session_store::__private::Source::Key("type"),
        }
            .read::<Option<String>>(session, ::core::option::Option::None)?;
        row.visits = ::session_store::__private::Extra {
            column: <Column>::Visits,
            ty: "i32",
            source: ::session_store::__private::Source::Key("visits"),
        }
            .read::<
                i32,
            >(session, ::core::option::Option::Some(::core::default::Default::default))?;
        row.agent = ::session_store::__private::Extra {
            column: <Column>::Agent,
            ty: "Option<HashMap<String, (i32, [u8; 4])>>",
            source: ::session_store::__private::Source::Key("user-agent"),
        }
            .read::<
                Option<HashMap<String, (i32, [u8; 4])>>,
            >(session, ::core::option::Option::None)?;
        row.language = ::session_store::__private::Extra {
            column: <Column>::Language,
            ty: "String",
            source: ::session_store::__private::Source::Key("lang"),
        }
            .read::<String>(session, ::core::option::Option::Some(|| "en".to_owned()))?;
        row.total = ::session_store::__private::Extra {
            column: <Column>::Total,
            ty: "Option<i64>",
            source: ::session_store::__private::Source::Pointer("/cart/total"),
        }
            .read::<Option<i64>>(session, ::core::option::Option::None)?;
        row.count = ::session_store::__private::Extra {
            column: <Column>::Count,
            ty: "i64",
            source: ::session_store::__private::Source::Pointer("/cart/count"),
        }
            .read::<i64>(session, ::core::option::Option::Some(|| 2 * FEW))?;
        let value: <Kind as Device>::Name = crate::device::<Kind>(session.data);
        row.device = ::session_store::__private::Set(value);
        ::core::result::Result::Ok(())
    }
    const HAS_REQUEST_COLUMNS: bool = true;
    fn fill_from_request(
        request: &::session_store::__private::Parts,
        row: &mut ::session_store::ActiveModel<Self>,
    ) {
        let value: Option<String> = ::session_store::__private::header(
            request,
            "user-agent",
            <Column>::Header,
        );
        row.header = ::session_store::__private::Set(value);
        let value: <Client as Address>::Text = crate::client::<Proxy>(request);
        row.client = ::session_store::__private::Set(value);
    }
    fn indexed() -> ::std::vec::Vec<Column> {
        ::std::vec![< Column > ::Type, < Column > ::Agent]
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
pub(crate) type Store = ::session_store::SeaOrmStore<Model>;
