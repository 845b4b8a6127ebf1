use session_store::SessionModel;

#[derive(SessionModel)]
pub struct ModelEx {
    pub sid: String,
    pub sess: String,
    pub expire: time::OffsetDateTime,
}

fn main() {}
