use session_store::SessionModel;

#[derive(SessionModel)]
pub struct Model;

fn main() {}
