use session_store::SessionModel;

#[derive(SessionModel)]
pub union Model {
    sid: u64,
}

fn main() {}
