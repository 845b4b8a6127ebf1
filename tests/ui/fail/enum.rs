use session_store::SessionModel;

#[derive(SessionModel)]
pub enum Model {
    Sid,
}

fn main() {}
