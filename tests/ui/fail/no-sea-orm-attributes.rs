use session_store::SessionModel;

#[derive(SessionModel)]
pub struct Model {
    pub sid: String,
    pub sess: String,
    pub expire: time::OffsetDateTime,
}

fn main() {}
