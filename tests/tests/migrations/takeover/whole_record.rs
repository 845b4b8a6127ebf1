use sea_orm::{DeriveValueType, Value};
use session_store::{Data, Record, SessColumn};
use tower_sessions::session::Record as StoredRecord;

/// The `data` of tower-sessions-sqlx-store: MessagePack of the whole record.
#[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
pub struct WholeRecord(Vec<u8>);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl SessColumn for WholeRecord {
    fn encode(record: &Record<'_>) -> Result<Value, BoxError> {
        let record = StoredRecord {
            id: *record.id,
            data: record.data.clone(),
            expiry_date: record.expiry_date,
        };
        Ok(rmp_serde::to_vec(&record)?.into())
    }

    fn decode(self) -> Result<Data, BoxError> {
        // The error could quote the data, so it stays here.
        let record = rmp_serde::from_slice::<StoredRecord>(&self.0);
        Ok(record
            .map_err(|_| "it is no record of tower-sessions")?
            .data)
    }
}
