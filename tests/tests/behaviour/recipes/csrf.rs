use session_store::Id;
use tower_sessions::Session;
use tower_sessions::session::Error;

const CSRF_KEY: &str = "csrf";

/// Returns the session's token, for a hidden field of every form.
pub async fn csrf_token(session: &Session) -> Result<String, Error> {
    if let Some(token) = session.get(CSRF_KEY).await? {
        return Ok(token);
    }
    let token = Id::default().to_string(); // 128 random bits
    session.insert(CSRF_KEY, &token).await?;
    Ok(token)
}

/// Returns whether a form was sent with the session's token.
pub async fn is_csrf_token(session: &Session, sent: &str) -> Result<bool, Error> {
    let token: Option<String> = session.get(CSRF_KEY).await?;
    // Compared as numbers, so the time does not reveal how much of a guess was right.
    let id = |token: &str| token.parse::<Id>().ok();
    Ok(token.is_some_and(|token| id(&token).is_some() && id(&token) == id(sent)))
}
