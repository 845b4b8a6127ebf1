use time::Duration;
use tower_sessions::{Expiry, Session, session::Error};

/// Signs a user in. `keep` is the checkbox "Keep me signed in".
pub async fn sign_in(
    store: &session::Store,
    session: &Session,
    user_id: i32,
    keep: bool,
) -> Result<(), Error> {
    store.set_authenticated(session).await?;
    session.set_expiry(keep.then_some(Expiry::OnInactivity(Duration::days(30))));
    session.insert("user_id", user_id).await
}
