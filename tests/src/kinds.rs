//! Entities that together have every type of `sess`, `expire` and `created_at` column.

use crate::entity;

entity!(
    /// `json`, and the timestamp with an offset of the crate time.
    json_and_offset {
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        #[session(created_at)]
        pub created_at: Option<TimeDateTimeWithTimeZone>,
    }
);

entity!(
    /// `jsonb`, and the timestamp with an offset of chrono.
    jsonb_and_fixed_offset {
        #[sea_orm(column_type = "JsonBinary")]
        pub sess: Json,
        pub expire: DateTimeWithTimeZone,
        #[session(created_at)]
        pub created_at: Option<DateTimeWithTimeZone>,
    }
);

entity!(
    /// JSON in `text`, and the timestamp without an offset of the crate time.
    text_and_primitive {
        #[sea_orm(column_type = "Text")]
        pub sess: String,
        pub expire: TimeDateTime,
        #[session(created_at)]
        pub created_at: Option<TimeDateTime>,
    }
);

entity!(
    /// JSON in `varchar` without a limit, and the timestamp without an offset of chrono.
    text_and_naive {
        pub sess: String,
        pub expire: DateTime,
        #[session(created_at)]
        pub created_at: Option<DateTime>,
    }
);

entity!(
    /// `MessagePack`, and the UTC timestamp of chrono.
    bytes_and_utc {
        pub sess: Vec<u8>,
        pub expire: DateTimeUtc,
        #[session(created_at)]
        pub created_at: Option<DateTimeUtc>,
    }
);
