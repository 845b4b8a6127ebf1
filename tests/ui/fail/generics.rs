use session_store::SessionModel;

#[derive(SessionModel)]
pub struct Model<'a, T> {
    pub sid: &'a str,
    pub sess: T,
    pub expire: time::OffsetDateTime,
}

pub fn open(db: sea_orm::DatabaseConnection) {
    let _ = Store::new(db);
}

fn main() {}
