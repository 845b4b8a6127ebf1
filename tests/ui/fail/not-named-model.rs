use session_store::SessionModel;

#[derive(SessionModel)]
pub struct Session {
    pub sid: String,
    pub sess: String,
    pub expire: time::OffsetDateTime,
}

fn main() {}
