use session_store::SessionModel;

#[derive(SessionModel)]
pub struct Model(pub String);

fn main() {}
