use tower_sessions::Session;
use tower_sessions::session::Error;

const FLASH_KEY: &str = "flash";

/// Sets the message that the next page shows.
pub async fn set_flash(session: &Session, message: &str) -> Result<(), Error> {
    session.insert(FLASH_KEY, message).await
}

/// Takes the message, if there is one.
pub async fn take_flash(session: &Session) -> Result<Option<String>, Error> {
    let message = session.get(FLASH_KEY).await?;
    // `remove` counts as a change even if there is no message, so look first.
    if message.is_some() {
        session.remove_value(FLASH_KEY).await?;
    }
    Ok(message)
}
