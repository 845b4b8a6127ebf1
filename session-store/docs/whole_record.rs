use sea_orm::{DeriveValueType, Value};
use session_store::{Data, SessColumn, SessionRef};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The data as tower-sessions-sqlx-store writes them: the whole record as MessagePack.
#[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
pub struct WholeRecord(pub Vec<u8>);

impl SessColumn for WholeRecord {
    fn encode(session: &SessionRef<'_>) -> Result<Value, BoxError> {
        // A tuple and a struct with the same fields are the same MessagePack.
        let record = (session.id, session.data, session.expiry_date);
        Ok(rmp_serde::to_vec(&record)?.into())
    }

    fn decode(self) -> Result<Data, BoxError> {
        // The error is replaced, because it can quote the data.
        rmp_serde::from_slice::<tower_sessions::session::Record>(&self.0)
            .map(|record| record.data)
            .map_err(|_| "expected a record of tower-sessions".into())
    }
}
