//! Entities that between them have every type of `sess`, `expire` and `created_at` column.

use crate::entity;

entity!(
    /// `json` and time's timestamp with a zone.
    json_and_offset {
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(created_at)]
        pub created_at: Option<TimeDateTimeWithTimeZone>,
    }
);

entity!(
    /// `jsonb` and chrono's timestamp with an offset.
    jsonb_and_fixed_offset {
        #[sea_orm(column_type = "JsonBinary")]
        pub sess: Json,
        pub expire: DateTimeWithTimeZone,
        #[session(created_at)]
        pub created_at: Option<DateTimeWithTimeZone>,
    }
);

entity!(
    /// JSON text and time's timestamp without a zone.
    text_and_primitive {
        #[sea_orm(column_type = "Text")]
        pub sess: String,
        pub expire: TimeDateTime,
        #[session(created_at)]
        pub created_at: Option<TimeDateTime>,
    }
);

entity!(
    /// JSON text of an unbounded `varchar` and chrono's timestamp without a zone.
    text_and_naive {
        pub sess: String,
        pub expire: DateTime,
        #[session(created_at)]
        pub created_at: Option<DateTime>,
    }
);

entity!(
    /// `MessagePack` and chrono's timestamp in UTC.
    bytes_and_utc {
        pub sess: Vec<u8>,
        pub expire: DateTimeUtc,
        #[session(created_at)]
        pub created_at: Option<DateTimeUtc>,
    }
);
